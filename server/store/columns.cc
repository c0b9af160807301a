#include "server/store/columns.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_set>

#include "pipeline/base/hash.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/varint.h"

namespace server {

namespace {

constexpr size_t kMaxBytes = std::numeric_limits<uint32_t>::max();

// One length and the bytes it counts. The bytes are ours: no check.
std::string_view take_sized(const char*& at) {
  uint64_t length = 0;
  for (int shift = 0;; shift += 7) {
    auto byte = static_cast<uint8_t>(*at++);
    length |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  std::string_view out(at, length);
  at += length;
  return out;
}

void append_sized(std::string& out, std::string_view bytes) {
  pipeline::append_varint(out, bytes.size());
  out += bytes;
}

void append_offsets(std::vector<uint32_t>& to, std::span<const uint32_t> from) {
  uint32_t shift = to.back() - from.front();
  size_t old = to.size();
  to.resize(old + from.size() - 1);
  for (size_t i = 1; i < from.size(); ++i) to[old + i - 1] = from[i] + shift;
}

// Groups of entries of one time up to this size are compared pair by pair; larger ones by hash.
constexpr size_t kCompareGroup = 8;

// Drops from rows[begin, end), all of one time, those equal to an earlier one; returns the new end.
size_t dedup_group(const EntrySlice& entries, std::vector<uint32_t>& rows, size_t begin, size_t end) {
  size_t kept = begin;
  auto repeated = [&](uint32_t row) {
    return std::any_of(rows.begin() + static_cast<ptrdiff_t>(begin), rows.begin() + static_cast<ptrdiff_t>(kept),
                       [&](uint32_t other) { return entries.same_entry(row, entries, other); });
  };
  if (end - begin <= kCompareGroup) {
    for (size_t i = begin; i < end; ++i) {
      if (!repeated(rows[i])) rows[kept++] = rows[i];
    }
    return kept;
  }
  auto hash = [&](uint32_t row) {
    return pipeline::hash64(entries.line(row), pipeline::hash64(entries.metadata(row).encoded()));
  };
  auto equal = [&](uint32_t a, uint32_t b) { return entries.same_entry(a, entries, b); };
  std::unordered_set<uint32_t, decltype(hash), decltype(equal)> seen(end - begin, hash, equal);
  for (size_t i = begin; i < end; ++i) {
    if (seen.insert(rows[i]).second) rows[kept++] = rows[i];
  }
  return kept;
}

}  // namespace

MetadataPair MetadataView::Iterator::operator*() const {
  const char* at = at_;
  std::string_view name = take_sized(at);
  return {name, take_sized(at)};
}

MetadataView::Iterator& MetadataView::Iterator::operator++() {
  take_sized(at_);
  take_sized(at_);
  return *this;
}

std::optional<std::string_view> MetadataView::find(std::string_view name) const {
  for (auto [key, value] : *this) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void append_metadata(std::string& out, std::span<const MetadataPair> pairs) {
  auto rising = [](const MetadataPair& a, const MetadataPair& b) { return a.first < b.first; };
  bool unique = std::adjacent_find(pairs.begin(), pairs.end(), std::not_fn(rising)) == pairs.end();
  std::vector<MetadataPair> sorted;
  if (!unique) {
    sorted.assign(pairs.begin(), pairs.end());
    std::stable_sort(sorted.begin(), sorted.end(), rising);
    size_t kept = 0;
    for (size_t i = 0; i < sorted.size(); ++i) {
      if (i + 1 == sorted.size() || sorted[i].first != sorted[i + 1].first) sorted[kept++] = sorted[i];
    }
    sorted.resize(kept);
    pairs = sorted;
  }
  for (const MetadataPair& pair : pairs) append_sized(out, pair.first), append_sized(out, pair.second);
}

EntrySlice EntrySlice::slice(size_t begin, size_t end) const {
  EntrySlice out = *this;
  out.times = times.subspan(begin, end - begin);
  out.offsets = offsets.subspan(begin, end - begin + 1);
  if (has_metadata()) out.metadata_offsets = metadata_offsets.subspan(begin, end - begin + 1);
  return out;
}

bool EntrySlice::same_entry(size_t i, const EntrySlice& other, size_t j) const {
  return times[i] == other.times[j] && line(i) == other.line(j) && metadata(i).encoded() == other.metadata(j).encoded();
}

size_t EntrySlice::lower_bound(UnixNanos time) const {
  return static_cast<size_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
}

void EntryColumns::reserve(size_t rows, size_t text_bytes) {
  times_.reserve(rows);
  offsets_.reserve(rows + 1);
  text_.reserve(text_bytes);
}

void EntryColumns::append_time(UnixNanos time) {
  if (times_.empty()) {
    min_time_ = max_time_ = time;
  } else {
    strictly_rising_ = strictly_rising_ && time > times_.back();
    min_time_ = std::min(min_time_, time);
    max_time_ = std::max(max_time_, time);
  }
  times_.push_back(time);
}

void EntryColumns::append(UnixNanos time, std::string_view line, std::span<const MetadataPair> metadata) {
  if (metadata.empty()) return append(time, line, MetadataView());
  std::string encoded;
  append_metadata(encoded, metadata);
  append(time, line, MetadataView(encoded));
}

void EntryColumns::append(UnixNanos time, std::string_view line, MetadataView metadata) {
  INVARIANT(line.size() <= kMaxBytes - text_.size() && metadata.encoded().size() <= kMaxBytes - metadata_.size());
  if (!metadata.empty() && metadata_offsets_.empty()) metadata_offsets_.assign(times_.size() + 1, 0);
  append_time(time);
  text_ += line;
  offsets_.push_back(static_cast<uint32_t>(text_.size()));
  if (metadata_offsets_.empty()) return;
  metadata_ += metadata.encoded();
  metadata_offsets_.push_back(static_cast<uint32_t>(metadata_.size()));
}

void EntryColumns::append(const EntrySlice& entries) {
  if (entries.empty()) return;
  INVARIANT(entries.line_bytes() <= kMaxBytes - text_.size() &&
            entries.metadata_bytes() <= kMaxBytes - metadata_.size());
  if (entries.has_metadata() && metadata_offsets_.empty()) metadata_offsets_.assign(times_.size() + 1, 0);
  for (UnixNanos time : entries.times) append_time(time);
  text_.append(entries.text + entries.offsets.front(), entries.line_bytes());
  append_offsets(offsets_, entries.offsets);
  if (entries.has_metadata()) {
    metadata_.append(entries.metadata_text + entries.metadata_offsets.front(), entries.metadata_bytes());
    append_offsets(metadata_offsets_, entries.metadata_offsets);
  } else if (!metadata_offsets_.empty()) {
    metadata_offsets_.resize(times_.size() + 1, static_cast<uint32_t>(metadata_.size()));
  }
}

EntrySlice EntryColumns::slice() const {
  return {.times = times_,
          .offsets = offsets_,
          .text = text_.data(),
          .metadata_offsets = metadata_offsets_,
          .metadata_text = metadata_.data()};
}

size_t EntryColumns::memory_bytes() const {
  return times_.capacity() * sizeof(UnixNanos) + text_.capacity() + metadata_.capacity() +
         (offsets_.capacity() + metadata_offsets_.capacity()) * sizeof(uint32_t);
}

size_t EntryColumns::sort_and_dedup() {
  if (strictly_rising_) return 0;
  std::vector<uint32_t> rows(times_.size());
  std::iota(rows.begin(), rows.end(), 0U);
  std::stable_sort(rows.begin(), rows.end(), [this](uint32_t a, uint32_t b) { return times_[a] < times_[b]; });

  EntrySlice old = slice();
  size_t kept = 0;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin + 1;
    while (end < rows.size() && times_[rows[end]] == times_[rows[begin]]) ++end;
    size_t group_end = dedup_group(old, rows, begin, end);
    for (size_t i = begin; i < group_end; ++i) rows[kept++] = rows[i];
    begin = end;
  }
  size_t removed = rows.size() - kept;

  EntryColumns sorted;
  sorted.reserve(kept, text_.size());
  for (size_t i = 0; i < kept; ++i) sorted.append(old.time(rows[i]), old.line(rows[i]), old.metadata(rows[i]));
  *this = std::move(sorted);
  return removed;
}

void EntryColumns::clear() {
  times_.clear();
  offsets_.assign(1, 0);
  text_.clear();
  metadata_offsets_.clear();
  metadata_.clear();
  min_time_ = max_time_ = 0;
  strictly_rising_ = true;
}

}  // namespace server
