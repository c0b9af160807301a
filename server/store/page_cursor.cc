#include <algorithm>

#include "pipeline/base/checksum.h"
#include "server/store/object_reader.h"
#include "server/store/page_codec.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

constexpr uint64_t kMaxGap = 256 << 10;  // reading this much for nothing is cheaper than one more request

std::string_view column_name(PageColumn column) {
  switch (column) {
    case PageColumn::kTimes: return "times";
    case PageColumn::kLengths: return "lengths";
    case PageColumn::kMetadata: return "metadata";
    case PageColumn::kText: return "text";
  }
  return "unknown";
}

// Bytes of the object that were fetched for one column.
struct Window {
  uint64_t offset = 0;
  std::string bytes;

  bool holds(const PageInfo::Stored& stored) const {
    return stored.offset >= offset && stored.offset + stored.length <= offset + bytes.size();
  }
  std::string_view of(const PageInfo::Stored& stored) const {
    return std::string_view(bytes).substr(stored.offset - offset, stored.length);
  }
};

}  // namespace

struct PageCursor::State {
  std::shared_ptr<const ObjectReader> object;
  std::vector<uint32_t> plan;
  uint64_t read_ahead_bytes = 0;  // bounds what a cursor holds and what a stopped query has read in vain
  size_t at = 0;                  // index in `plan` plus one; 0: before the first page
  Window windows[kPageColumns];
  bool decoded[kPageColumns] = {};
  std::vector<UnixNanos> times;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> metadata_offsets;
  std::string metadata;
  std::vector<RunTimes> run_times;
  pipeline::ByteBuffer text, small;  // small: decompressed times, lengths, metadata
  std::string_view text_view;
  ReadStats stats;

  const PageInfo& page() const { return object->pages()[plan[at - 1]]; }

  Result<void> fetch(PageColumn column) {
    auto index = static_cast<size_t>(column);
    const PageInfo::Stored& wanted = page().columns[index];
    uint64_t end = wanted.offset + wanted.length;
    for (size_t i = at; i < plan.size(); ++i) {
      const PageInfo::Stored& next = object->pages()[plan[i]].columns[index];
      if (next.length == 0) continue;
      if (next.offset < end || next.offset - end > kMaxGap) break;
      if (next.offset + next.length - wanted.offset > read_ahead_bytes) break;
      end = next.offset + next.length;
    }
    Window& window = windows[index];
    window.offset = wanted.offset;
    auto outcome = object->store_.get_range(object->key(), wanted.offset, end - wanted.offset, window.bytes);
    if (!outcome) window.bytes.clear();
    TRY(outcome);
    ++stats.range_reads;
    stats.stored_bytes += window.bytes.size();
    return {};
  }

  // The checked and decompressed bytes of a column of the current page.
  Result<std::string_view> raw(PageColumn column, PageEncoding encoding, pipeline::ByteBuffer& buffer) {
    const PageInfo::Stored& stored = page().column(column);
    Window& window = windows[static_cast<size_t>(column)];
    if (!window.holds(stored)) TRY(fetch(column));
    std::string_view bytes = window.of(stored);
    if (pipeline::crc32c(bytes) != stored.checksum) return fail(Errc::kCorrupt, "bad checksum");
    auto raw = decode_page(bytes, encoding, page().rows, column == PageColumn::kText, buffer);
    if (raw) stats.decoded_bytes += raw->size(), ++stats.pages;
    return raw;
  }

  Result<void> decode(PageColumn column) {
    switch (column) {
      case PageColumn::kTimes: {
        TRY_LET(auto bytes, raw(column, PageEncoding::kPacked, small));
        run_times.clear();
        for (const PageRun& run : object->runs(plan[at - 1])) {
          run_times.push_back({run.rows, run.min_time, run.max_time});
        }
        return decode_times(bytes, run_times, times);
      }
      case PageColumn::kLengths: {
        TRY_LET(auto bytes, raw(column, PageEncoding::kPacked, small));
        return decode_lengths(bytes, page().rows, page().text_bytes, offsets);
      }
      case PageColumn::kMetadata: {
        metadata_offsets.clear();
        if (page().column(column).length == 0) return {};
        TRY_LET(auto bytes, raw(column, PageEncoding::kMetadataColumns, small));
        return decode_metadata_columns(bytes, page().rows, object->metadata_names(), metadata_offsets, metadata);
      }
      case PageColumn::kText: {
        TRY_LET(text_view, raw(column, PageEncoding::kPlain, text));
        if (text_view.size() == page().text_bytes) return {};
        return fail(Errc::kCorrupt, "wrong length");
      }
    }
    return {};
  }

  Result<void> need(PageColumn column) {
    bool& done = decoded[static_cast<size_t>(column)];
    if (done) return {};
    auto outcome = described(column, decode(column));
    done = outcome.has_value();
    return outcome;
  }

  // A fault of the bytes says where they are.
  Result<void> described(PageColumn column, Result<void> outcome) const {
    if (outcome) return outcome;
    const auto& error = outcome.error();
    if (error.code != Errc::kCorrupt && error.code != Errc::kInvalid) return outcome;
    return fail(error.within(concat("object ", object->key(), ": page ", plan[at - 1], ": ", column_name(column))));
  }
};

PageCursor::PageCursor(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages,
                       uint64_t read_ahead_bytes)
    : state_(std::make_unique<State>()) {
  state_->object = std::move(object);
  state_->plan = std::move(pages);
  state_->read_ahead_bytes = read_ahead_bytes;
}
PageCursor::~PageCursor() = default;
PageCursor::PageCursor(PageCursor&&) noexcept = default;
PageCursor& PageCursor::operator=(PageCursor&&) noexcept = default;

void PageCursor::restart(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages) {
  State& s = *state_;
  s.object = std::move(object);
  s.plan = std::move(pages);
  s.at = 0;
  s.stats = {};
  for (Window& window : s.windows) window.offset = 0, window.bytes.clear();
}

bool PageCursor::next() {
  if (state_->at == state_->plan.size()) return false;
  ++state_->at;
  std::fill(std::begin(state_->decoded), std::end(state_->decoded), false);
  return true;
}

uint32_t PageCursor::page() const { return state_->plan[state_->at - 1]; }
const ObjectReader& PageCursor::object() const { return *state_->object; }
const ReadStats& PageCursor::stats() const { return state_->stats; }

Result<std::span<const UnixNanos>> PageCursor::times() {
  TRY(state_->need(PageColumn::kTimes));
  return std::span<const UnixNanos>(state_->times);
}

Result<std::span<const uint32_t>> PageCursor::offsets() {
  TRY(state_->need(PageColumn::kLengths));
  return std::span<const uint32_t>(state_->offsets);
}

Result<std::string_view> PageCursor::text() {
  TRY(state_->need(PageColumn::kText));
  return state_->text_view;
}

Result<EntrySlice> PageCursor::entries() {
  TRY_LET(EntrySlice entries, lines());
  TRY(add_metadata(entries));
  return entries;
}

Result<EntrySlice> PageCursor::lines() {
  for (PageColumn column : {PageColumn::kTimes, PageColumn::kLengths, PageColumn::kText}) TRY(state_->need(column));
  EntrySlice out;
  out.times = state_->times;
  out.offsets = state_->offsets;
  out.text = state_->text_view.data();
  return out;
}

Result<EntrySlice> PageCursor::entries_without_text() {
  for (PageColumn column : {PageColumn::kTimes, PageColumn::kLengths}) TRY(state_->need(column));
  EntrySlice out;
  out.times = state_->times;
  out.offsets = state_->offsets;
  TRY(add_metadata(out));
  return out;
}

Result<void> PageCursor::add_metadata(EntrySlice& entries) {
  TRY(state_->need(PageColumn::kMetadata));
  entries.metadata_offsets = state_->metadata_offsets;
  entries.metadata_text = state_->metadata.data();
  return {};
}

Result<void> PageCursor::metadata_groups(const std::vector<std::string>* wanted, MetadataGroups& groups) {
  const PageInfo& page = state_->page();
  if (page.column(PageColumn::kMetadata).length == 0) {
    groups.group_of.clear();
    groups.metadata.assign(1, {});
    return {};
  }
  auto group = [&]() -> Result<void> {
    TRY_LET(auto bytes, state_->raw(PageColumn::kMetadata, PageEncoding::kMetadataColumns, state_->small));
    return group_metadata_columns(bytes, page.rows, state_->object->metadata_names(), wanted, groups);
  };
  return state_->described(PageColumn::kMetadata, group());
}

}  // namespace server
