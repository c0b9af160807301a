// The metadata page of format.h: rows to columns and back.
#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "pipeline/base/varint.h"
#include "server/store/distinct_metadata.h"
#include "server/store/metadata_groups.h"
#include "server/store/packed_integers.h"
#include "server/store/page_codec.h"

namespace server {

using pipeline::ByteReader;
using pipeline::Errc;
using pipeline::fail;

namespace {

constexpr uint8_t kInAllRows = 1, kDictionary = 2;

struct Column {
  std::vector<uint32_t> rows;  // those that have a value
  std::vector<std::string_view> values;
};

void append_sized(std::string& out, std::string_view bytes) {
  pipeline::append_varint(out, bytes.size());
  out += bytes;
}

using Packing = void(std::string& out, std::span<const uint64_t> numbers);

void append_values(std::string& raw, const std::vector<std::string_view>& values, bool dictionary,
                   const std::unordered_map<std::string_view, uint64_t>& indexes, Packing* packing) {
  std::vector<uint64_t> numbers;
  numbers.reserve(values.size());
  if (dictionary) {
    std::vector<std::string_view> entries(indexes.size());
    for (const auto& [value, index] : indexes) entries[index] = value;
    pipeline::append_varint(raw, entries.size());
    for (std::string_view value : entries) append_sized(raw, value);
    for (std::string_view value : values) numbers.push_back(indexes.at(value));
    packing(raw, numbers);
    return;
  }
  for (std::string_view value : values) numbers.push_back(value.size());
  packing(raw, numbers);
  for (std::string_view value : values) raw += value;
}

void append_column(std::string& raw, const Column& column, size_t rows, Packing* packing) {
  std::unordered_map<std::string_view, uint64_t> indexes;
  for (std::string_view value : column.values) {
    if (indexes.size() * 2 > column.values.size()) break;  // nearly all differ
    indexes.try_emplace(value, indexes.size());
  }
  bool dictionary = indexes.size() * 2 <= column.values.size();
  bool all = column.rows.size() == rows;
  raw += static_cast<char>((all ? kInAllRows : 0) | (dictionary ? kDictionary : 0));
  if (!all) {
    size_t begin = raw.size();
    raw.resize(begin + (rows + 7) / 8);
    for (uint32_t row : column.rows) raw[begin + row / 8] = static_cast<char>(raw[begin + row / 8] | 1 << row % 8);
  }
  append_values(raw, column.values, dictionary, indexes, packing);
}

// The metadata of a page whose rows repeat few different ones: columns are made from these, and rows only counted.
class RepeatedMetadata {
 public:
  // False: there are too many.
  bool read(std::span<const uint32_t> offsets, std::string_view text) {
    kind_of_.resize(offsets.size() - 1);
    for (size_t row = 0; row < kind_of_.size(); ++row) {
      const uint32_t kind = kinds_.number_of(text.substr(offsets[row], offsets[row + 1] - offsets[row]));
      if (kind == DistinctMetadata::kNone) return false;
      if (kind == rows_of_.size()) rows_of_.push_back(0);
      kind_of_[row] = static_cast<uint8_t>(kind);
      ++rows_of_[kind];
    }
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      for (auto [name, value] : MetadataView(kinds_[kind])) {
        KindColumn& column = columns_[name];
        column.values.resize(kinds_.size());
        column.values[kind] = value;
        column.rows += rows_of_[kind];
      }
    }
    return true;
  }

  size_t columns() const { return columns_.size(); }

  void append(std::string& raw, MetadataKeys& keys, Packing* packing) const {
    for (const auto& [name, column] : columns_) {
      pipeline::append_varint(raw, keys.key_of(name));
      append_column(raw, column, packing);
    }
  }

 private:
  struct KindColumn {
    std::vector<std::optional<std::string_view>> values;  // of each kind
    size_t rows = 0;                                      // that have one
  };
  static_assert(DistinctMetadata::kMost <= 256);

  void append_column(std::string& raw, const KindColumn& column, Packing* packing) const {
    std::vector<std::string_view> entries;          // different values, as they came
    std::vector<uint64_t> index_of(kinds_.size());  // of a kind's value in `entries`
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      if (!column.values[kind]) continue;
      auto found = std::find(entries.begin(), entries.end(), *column.values[kind]);
      index_of[kind] = static_cast<uint64_t>(found - entries.begin());
      if (found == entries.end()) entries.push_back(*column.values[kind]);
    }
    const bool all = column.rows == kind_of_.size();
    const bool dictionary = entries.size() * 2 <= column.rows;
    raw += static_cast<char>((all ? kInAllRows : 0) | (dictionary ? kDictionary : 0));
    if (!all) {
      const size_t begin = raw.size();
      raw.resize(begin + (kind_of_.size() + 7) / 8);
      for (size_t row = 0; row < kind_of_.size(); ++row) {
        const int bit = column.values[kind_of_[row]] ? 1 << row % 8 : 0;
        raw[begin + row / 8] = static_cast<char>(raw[begin + row / 8] | bit);
      }
    }
    if (dictionary) {
      pipeline::append_varint(raw, entries.size());
      for (std::string_view value : entries) append_sized(raw, value);
    }
    std::vector<uint64_t> number_of(kinds_.size());
    for (size_t kind = 0; kind < kinds_.size(); ++kind)
      if (const auto& value = column.values[kind]) number_of[kind] = dictionary ? index_of[kind] : value->size();
    std::vector<uint64_t> numbers(column.rows);
    auto to = numbers.begin();
    for (const uint8_t kind : kind_of_)
      if (all || column.values[kind]) *to++ = number_of[kind];
    packing(raw, numbers);
    for (size_t row = 0; !dictionary && row < kind_of_.size(); ++row)
      if (const auto& value = column.values[kind_of_[row]]) raw += *value;
  }

  DistinctMetadata kinds_;
  std::vector<uint8_t> kind_of_;   // of each row
  std::vector<uint64_t> rows_of_;  // of each kind
  std::map<std::string_view, KindColumn> columns_;
};

// A column as decoded: values of the rows that have one, in order.
struct DecodedColumn {
  std::string_view name;
  std::string_view bitmap;  // empty: all rows
  std::vector<std::string_view> values;
  size_t next = 0;  // of values

  bool has(size_t row) const { return bitmap.empty() || (static_cast<uint8_t>(bitmap[row / 8]) >> row % 8 & 1) != 0; }
};

size_t count_rows(const DecodedColumn& column, uint32_t rows) {
  size_t n = 0;
  for (size_t row = 0; row < rows; ++row) n += column.has(row);
  return n;
}

bool read_numbers(ByteReader& reader, std::vector<uint64_t>& numbers, size_t count) {
  std::string_view rest = ByteReader(reader).bytes(reader.remaining());
  PackedReader packed(rest);
  numbers.resize(count);
  if (!packed.read(numbers.data(), count)) return false;
  reader.bytes(rest.size() - packed.rest().size());
  return true;
}

bool read_values(ByteReader& reader, uint8_t flags, size_t count, std::vector<std::string_view>& values) {
  std::vector<uint64_t> numbers;
  values.reserve(count);
  if ((flags & kDictionary) != 0) {
    uint64_t entry_count = reader.varint();
    if (entry_count > reader.remaining()) return false;
    std::vector<std::string_view> entries(entry_count);
    for (std::string_view& entry : entries) entry = reader.sized_bytes();
    if (!reader.ok() || !read_numbers(reader, numbers, count)) return false;
    for (uint64_t index : numbers) {
      if (index >= entries.size()) return false;
      values.push_back(entries[index]);
    }
    return true;
  }
  if (!read_numbers(reader, numbers, count)) return false;
  for (uint64_t length : numbers) values.push_back(reader.bytes(length));
  return reader.ok();
}

}  // namespace

void append_metadata_columns(std::string& raw, std::span<const uint32_t> offsets, std::string_view text,
                             MetadataKeys& keys, Packing* packing) {
  size_t rows = offsets.size() - 1;
  pipeline::append_varint(raw, offsets.back() - offsets.front());
  if (RepeatedMetadata repeated; repeated.read(offsets, text)) {
    pipeline::append_varint(raw, repeated.columns());
    return repeated.append(raw, keys, packing);
  }
  std::map<std::string_view, Column> columns;
  for (uint32_t row = 0; row < rows; ++row) {
    for (auto [name, value] : MetadataView(text.substr(offsets[row], offsets[row + 1] - offsets[row]))) {
      Column& column = columns[name];
      column.rows.push_back(row);
      column.values.push_back(value);
    }
  }
  pipeline::append_varint(raw, columns.size());
  for (const auto& [name, column] : columns) {
    pipeline::append_varint(raw, keys.key_of(name));
    append_column(raw, column, rows, packing);
  }
}

Result<void> decode_metadata_columns(std::string_view raw, uint32_t rows, const std::vector<std::string>& names,
                                     std::vector<uint32_t>& offsets, std::string& text) {
  auto malformed = [] { return fail(Errc::kCorrupt, "malformed metadata"); };
  ByteReader reader(raw);
  uint64_t text_bytes = reader.varint();
  uint64_t column_count = reader.varint();
  if (!reader.ok() || text_bytes > kMaxPageBytes || column_count > names.size()) return malformed();

  std::vector<DecodedColumn> columns(column_count);
  size_t cells = 0;  // each takes at least two bytes of text: what bounds the memory of hostile pages
  for (DecodedColumn& column : columns) {
    uint64_t key = reader.varint();
    auto flags = reader.fixed<uint8_t>();
    if (!reader.ok() || key >= names.size()) return malformed();
    column.name = names[key];
    if ((flags & kInAllRows) == 0) column.bitmap = reader.bytes((rows + 7) / 8);
    if (!reader.ok()) return malformed();
    size_t count = count_rows(column, rows);
    cells += count;
    if (count == 0 || cells > text_bytes / 2 || !read_values(reader, flags, count, column.values)) return malformed();
  }
  if (!reader.at_end()) return malformed();
  auto by_name = [](const DecodedColumn& a, const DecodedColumn& b) { return a.name < b.name; };
  std::sort(columns.begin(), columns.end(), by_name);
  for (size_t i = 1; i < columns.size(); ++i) {
    if (columns[i - 1].name == columns[i].name) return malformed();
  }

  text.clear();
  text.reserve(text_bytes);
  offsets.assign(1, 0);
  for (size_t row = 0; row < rows; ++row) {
    for (DecodedColumn& column : columns) {
      if (!column.has(row)) continue;
      std::string_view value = column.values[column.next++];
      if (text.size() + column.name.size() + value.size() > text_bytes) return malformed();
      append_sized(text, column.name);
      append_sized(text, value);
    }
    offsets.push_back(static_cast<uint32_t>(text.size()));
  }
  if (text.size() != text_bytes) return malformed();
  return {};
}

namespace {

// More groups than this, or more pairs of a group and a value, cost more than looking at every row.
constexpr size_t kMaxGroups = 4096, kMaxPairs = 1 << 20;

// The head of a column and how many rows have a value.
struct ColumnHead {
  uint64_t key = 0;
  uint8_t flags = 0;
  DecodedColumn column;
  size_t count = 0;
};

bool read_head(ByteReader& reader, uint32_t rows, const std::vector<std::string>& names, ColumnHead& out) {
  out.key = reader.varint();
  out.flags = reader.fixed<uint8_t>();
  if (!reader.ok() || out.key >= names.size()) return false;
  out.column.name = names[out.key];
  if ((out.flags & kInAllRows) == 0) out.column.bitmap = reader.bytes((rows + 7) / 8);
  if (!reader.ok()) return false;
  out.count = out.column.bitmap.empty() ? rows : count_rows(out.column, rows);
  return out.count > 0;
}

bool skip_values(ByteReader& reader, const ColumnHead& head, std::vector<uint64_t>& numbers) {
  if ((head.flags & kDictionary) != 0) {
    for (uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) reader.sized_bytes();
    return reader.ok() && read_numbers(reader, numbers, head.count);
  }
  if (!read_numbers(reader, numbers, head.count)) return false;
  for (uint64_t length : numbers) reader.bytes(length);
  return reader.ok();
}

class Grouping {
 public:
  Grouping(uint32_t rows, MetadataGroups& out) : rows_(rows), out_(out), pairs_(1) {}

  // Cuts every group by the values of a dictionary column. False: the bytes are malformed.
  bool cut(ByteReader& reader, const ColumnHead& head, std::vector<uint64_t>& numbers) {
    const uint64_t count = reader.varint();
    if (count > reader.remaining()) return false;
    std::vector<std::string_view> entries(count);
    for (std::string_view& entry : entries) entry = reader.sized_bytes();
    if (!reader.ok() || !read_numbers(reader, numbers, head.count)) return false;
    const uint64_t codes = count + 1;  // 0: no value
    if (codes > kMaxPairs || pairs_.size() * codes > kMaxPairs) {
      too_many_ = true;
      return true;
    }
    std::vector<uint32_t> made(pairs_.size() * codes, UINT32_MAX);
    std::vector<std::vector<MetadataPair>> pairs;
    out_.group_of.resize(rows_, 0);
    size_t next = 0;
    for (uint32_t row = 0; row < rows_; ++row) {
      const uint64_t code = head.column.has(row) ? numbers[next++] + 1 : 0;
      if (code >= codes) return false;
      uint32_t& group = out_.group_of[row];
      uint32_t& at = made[group * codes + code];
      if (at == UINT32_MAX) {
        at = static_cast<uint32_t>(pairs.size());
        pairs.push_back(pairs_[group]);
        if (code > 0) pairs.back().emplace_back(head.column.name, entries[code - 1]);
      }
      group = at;
    }
    pairs_ = std::move(pairs);
    too_many_ = pairs_.size() > kMaxGroups;
    return true;
  }

  bool too_many() const { return too_many_; }

  void finish() {
    out_.metadata.resize(pairs_.size());
    for (size_t i = 0; i < pairs_.size(); ++i) {
      out_.metadata[i].clear();
      append_metadata(out_.metadata[i], pairs_[i]);
    }
  }

 private:
  const uint32_t rows_;
  MetadataGroups& out_;
  std::vector<std::vector<MetadataPair>> pairs_;  // of each group
  bool too_many_ = false;
};

}  // namespace

Result<void> group_metadata_columns(std::string_view raw, uint32_t rows, const std::vector<std::string>& names,
                                    const std::vector<std::string>* wanted, MetadataGroups& groups) {
  auto malformed = [] { return fail(Errc::kCorrupt, "malformed metadata"); };
  groups.group_of.clear();
  groups.metadata.clear();
  ByteReader reader(raw);
  reader.varint();  // bytes of all rows
  const uint64_t column_count = reader.varint();
  if (!reader.ok() || column_count > names.size()) return malformed();
  Grouping grouping(rows, groups);
  std::vector<uint64_t> numbers;
  for (uint64_t i = 0; i < column_count; ++i) {
    ColumnHead head;
    if (!read_head(reader, rows, names, head)) return malformed();
    if (wanted && std::find(wanted->begin(), wanted->end(), head.column.name) == wanted->end()) {
      if (!skip_values(reader, head, numbers)) return malformed();
      continue;
    }
    if ((head.flags & kDictionary) == 0) return {};  // nearly all differ
    if (!grouping.cut(reader, head, numbers)) return malformed();
    if (grouping.too_many()) return {};
  }
  grouping.finish();
  return {};
}

}  // namespace server
