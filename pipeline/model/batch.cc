#include "pipeline/model/batch.h"

#include <algorithm>
#include <cstring>

namespace pipeline {

namespace {
constexpr size_t kArenaChunkBytes = 64 * 1024;
const std::vector<Metadata> kNoMetadata;
const Batch::RowValues kNoRowValues;

template <class Column>
void compact(Column& column, const std::vector<uint8_t>& keep) {
  size_t to = 0;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) continue;
    if (to != i) column[to] = std::move(column[i]);
    ++to;
  }
  column.resize(to);
}

// The same, but texts' places are kept for later.
void compact_metadata(std::vector<std::vector<Metadata>>& column, const std::vector<uint8_t>& keep) {
  size_t to = 0;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) continue;
    if (to != i) column[to].swap(column[i]);
    ++to;
  }
}

template <class Column>
void repeat_rows(Column& column, const std::vector<uint32_t>& counts, size_t total) {
  Column out;
  out.reserve(total);
  for (size_t i = 0; i < counts.size(); ++i) out.insert(out.end(), counts[i], column[i]);
  column = std::move(out);
}
}  // namespace

std::string_view Arena::copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* to = allocate(bytes.size());
  std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

char* Arena::allocate(size_t size) {
  if (chunks_.empty() || chunks_.back().size - used_ < size) {
    size_t chunk = std::max(size, kArenaChunkBytes);
    chunks_.push_back({std::make_unique_for_overwrite<char[]>(chunk), chunk});
    used_ = 0;
  }
  char* at = chunks_.back().bytes.get() + used_;
  used_ += size;
  return at;
}

void Arena::clear() {
  if (chunks_.size() > 1) chunks_.resize(1);
  used_ = 0;
}

size_t Arena::capacity_bytes() const {
  size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

void Batch::add(std::string_view line, UnixNanos time, LabelTable::Id label_set, ByteRange origin) {
  lines.push_back(line);
  times.push_back(time);
  labels.push_back(label_set);
  first_labels.push_back(label_set);
  origin_begin.push_back(static_cast<uint32_t>(origins.size()));
  origin_count.push_back(1);
  origins.push_back(origin);
  if (!seeds_.empty()) seeds_.push_back(label_set);
  if (!has_metadata_) return;
  if (metadata_.size() < size()) metadata_.resize(size());
  metadata_[size() - 1].clear();
}

FieldColumn& Batch::field(std::string_view name) {
  for (size_t i = 0; i < fields_used_; ++i) {
    if (fields_[i].name == name) return fields_[i];
  }
  if (fields_used_ == fields_.size()) fields_.emplace_back();
  FieldColumn& column = fields_[fields_used_++];
  column.name = name;
  column.values.assign(size(), FieldValue{});
  for (size_t i = 0; i < row_values_.size(); ++i) {
    if (auto found = row_values_[i].extract(name)) column.values[i] = found.mapped();
  }
  return column;
}

void Batch::set_value(size_t i, std::string_view name, const FieldValue& value) {
  if (fields_used_ < kMostColumns || find_field(name) != nullptr) {
    field(name).values[i] = value;
    return;
  }
  if (row_values_.empty()) row_values_.resize(size());
  RowValues& values = row_values_[i];
  if (auto found = values.find(name); found != values.end()) {
    found->second = value;
  } else {
    values.emplace(arena.copy(name), value);
  }
}

const Batch::RowValues& Batch::row_values(size_t i) const {
  return row_values_.empty() ? kNoRowValues : row_values_[i];
}

void Batch::remove_row_value(size_t i, std::string_view name) {
  if (!row_values_.empty()) row_values_[i].erase(name);
}

const FieldColumn* Batch::find_field(std::string_view name) const {
  for (size_t i = 0; i < fields_used_; ++i) {
    if (fields_[i].name == name) return &fields_[i];
  }
  return nullptr;
}

void Batch::clear_fields(size_t i) {
  for (size_t k = 0; k < fields_used_; ++k) fields_[k].values[i] = FieldValue{};
  if (!row_values_.empty()) row_values_[i].clear();
}

void Batch::set_seed_labels(size_t i, LabelTable::Id label_set) {
  if (seeds_.empty()) {
    if (label_set == first_labels[i]) return;
    seeds_ = first_labels;
  }
  seeds_[i] = label_set;
}

FieldValue Batch::value(size_t i, std::string_view name) const {
  const FieldColumn* column = find_field(name);
  if (column != nullptr && column->values[i].kind == FieldValue::Kind::kRemoved) return {};
  if (column != nullptr && column->values[i].kind != FieldValue::Kind::kAbsent) return column->values[i];
  if (column == nullptr && !row_values_.empty()) {
    if (auto found = row_values_[i].find(name); found != row_values_[i].end()) return found->second;
  }
  FieldValue value;
  if (auto label = label_sets->at(seed_labels(i)).get(name)) {
    value.kind = FieldValue::Kind::kText;
    value.text = *label;
  }
  return value;
}

const std::vector<Metadata>& Batch::metadata(size_t i) const { return has_metadata_ ? metadata_[i] : kNoMetadata; }

std::vector<Metadata>& Batch::mutable_metadata(size_t i) {
  if (!has_metadata_) {
    has_metadata_ = true;
    if (metadata_.size() < size()) metadata_.resize(size());
    for (size_t k = 0; k < size(); ++k) metadata_[k].clear();
  }
  return metadata_[i];
}

void Batch::retain(const std::vector<uint8_t>& keep) {
  if (std::find(keep.begin(), keep.end(), 0) == keep.end()) return;
  compact(lines, keep);
  compact(times, keep);
  compact(labels, keep);
  compact(first_labels, keep);
  if (!seeds_.empty()) compact(seeds_, keep);
  compact(origin_begin, keep);
  compact(origin_count, keep);
  for (size_t i = 0; i < fields_used_; ++i) compact(fields_[i].values, keep);
  if (!row_values_.empty()) compact(row_values_, keep);
  if (has_metadata_) compact_metadata(metadata_, keep);
  for (std::vector<uint8_t>& mask : masks_) compact(mask, keep);
}

void Batch::insert(size_t at, std::string_view line, UnixNanos time, LabelTable::Id label_set,
                   const std::vector<ByteRange>& pieces) {
  auto row = static_cast<std::ptrdiff_t>(at);
  for (std::vector<uint8_t>& mask : masks_) mask.insert(mask.begin() + row, at < mask.size() ? mask[at] : 1);
  lines.insert(lines.begin() + row, line);
  times.insert(times.begin() + row, time);
  labels.insert(labels.begin() + row, label_set);
  first_labels.insert(first_labels.begin() + row, label_set);
  if (!seeds_.empty()) seeds_.insert(seeds_.begin() + row, label_set);
  origin_begin.insert(origin_begin.begin() + row, static_cast<uint32_t>(origins.size()));
  origin_count.insert(origin_count.begin() + row, static_cast<uint32_t>(pieces.size()));
  origins.insert(origins.end(), pieces.begin(), pieces.end());
  for (size_t i = 0; i < fields_used_; ++i) fields_[i].values.insert(fields_[i].values.begin() + row, FieldValue{});
  if (!row_values_.empty()) row_values_.insert(row_values_.begin() + row, RowValues());
  if (has_metadata_) metadata_.insert(metadata_.begin() + row, std::vector<Metadata>());
}

void Batch::repeat(const std::vector<uint32_t>& counts) {
  size_t total = 0;
  for (uint32_t count : counts) total += count;
  repeat_rows(lines, counts, total);
  repeat_rows(times, counts, total);
  repeat_rows(labels, counts, total);
  repeat_rows(first_labels, counts, total);
  if (!seeds_.empty()) repeat_rows(seeds_, counts, total);
  repeat_rows(origin_begin, counts, total);
  repeat_rows(origin_count, counts, total);
  for (size_t i = 0; i < fields_used_; ++i) repeat_rows(fields_[i].values, counts, total);
  if (!row_values_.empty()) repeat_rows(row_values_, counts, total);
  if (has_metadata_) repeat_rows(metadata_, counts, total);
  for (std::vector<uint8_t>& mask : masks_) repeat_rows(mask, counts, total);
}

std::vector<uint8_t> Batch::pop_mask() {
  std::vector<uint8_t> mask = std::move(masks_.back());
  masks_.pop_back();
  return mask;
}

void Batch::clear() {
  lines.clear();
  times.clear();
  labels.clear();
  first_labels.clear();
  seeds_.clear();
  origin_begin.clear();
  origin_count.clear();
  origins.clear();
  arena.clear();
  fields_used_ = 0;
  row_values_.clear();
  has_metadata_ = false;
  masks_.clear();
}

}  // namespace pipeline
