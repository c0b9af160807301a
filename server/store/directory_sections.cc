#include "server/store/directory_sections.h"

#include <algorithm>
#include <limits>

#include "pipeline/base/varint.h"
#include "server/store/format.h"

namespace server {

using pipeline::append_fixed;
using pipeline::append_varint;
using pipeline::ByteReader;

namespace {

void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out += bytes;
}

// Times as distances: unsigned arithmetic wraps around and back.
uint64_t distance(UnixNanos from, UnixNanos to) { return static_cast<uint64_t>(to) - static_cast<uint64_t>(from); }
UnixNanos plus(UnixNanos from, uint64_t by) { return static_cast<UnixNanos>(static_cast<uint64_t>(from) + by); }

class FrontCoder {
 public:
  void append(std::string& out, std::string_view text) {
    size_t shared = 0;
    while (shared < std::min(before_.size(), text.size()) && before_[shared] == text[shared]) ++shared;
    append_varint(out, shared);
    append_sized(out, text.substr(shared));
    before_ = text;
  }

 private:
  std::string_view before_;
};

class FrontDecoder {
 public:
  // Appends the next text to directory.text.
  bool next(ByteReader& reader, ObjectDirectory& directory, ObjectDirectory::Text& text) {
    uint64_t shared = reader.varint();
    std::string_view rest = reader.sized_bytes();
    if (!reader.ok() || shared > before_.size()) return false;
    before_.resize(shared);
    before_ += rest;
    if (directory.text.size() + before_.size() > kMaxText) return false;
    text = directory.add_text(before_);
    return true;
  }

 private:
  static constexpr size_t kMaxText = size_t{1} << 30;  // shared beginnings make short sections long
  std::string before_;
};

constexpr size_t kUsualLabels = 4;  // of a stream

// A count of things that take at least one byte each.
bool take_count(ByteReader& reader, uint64_t& count) {
  count = reader.varint();
  return reader.ok() && count <= reader.remaining() && count <= std::numeric_limits<uint32_t>::max();
}

// A number that must fit into 32 bits; a huge one makes `ok` false.
uint32_t take32(ByteReader& reader, bool& ok) {
  uint64_t v = reader.varint();
  ok = ok && v <= std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(v);
}

bool take_ulid(ByteReader& reader, Ulid& id) {
  auto taken = Ulid::from_bytes(reader.bytes(16));
  if (taken) id = *taken;
  return taken.has_value();
}

constexpr PageColumn kStoredOrder[kPageColumns] = {PageColumn::kTimes, PageColumn::kLengths, PageColumn::kMetadata,
                                                   PageColumn::kText};

// Where the next page of each column is expected to begin.
struct ColumnEnds {
  uint64_t end[kPageColumns] = {};
};

bool take_columns(ByteReader& reader, ColumnEnds& ends, PageInfo& page) {
  bool ok = true;
  for (PageColumn c : kStoredOrder) {
    auto i = static_cast<size_t>(c);
    PageInfo::Stored& stored = page.columns[i];
    stored.length = take32(reader, ok);
    if (stored.length == 0) continue;
    stored.offset = ends.end[i] + static_cast<uint64_t>(reader.signed_varint());
    stored.checksum = reader.fixed<uint32_t>();
    ends.end[i] = stored.offset + stored.length;
  }
  return ok && reader.ok();
}

bool take_runs(ByteReader& reader, uint64_t count, uint32_t& stream, PageInfo& page, ObjectDirectory& directory) {
  const auto number = static_cast<uint32_t>(directory.pages.size());
  page.first_run = number == 0 ? 0 : directory.pages.back().first_run + directory.pages.back().runs;
  page.runs = static_cast<uint32_t>(count);
  bool ok = true;
  uint64_t row = 0;
  for (uint64_t i = 0; i < count; ++i) {
    PageRun run;
    stream += take32(reader, ok);
    run.stream = stream;
    run.first_row = static_cast<uint32_t>(row);
    run.rows = take32(reader, ok);
    run.min_time = plus(directory.summary.min_time, reader.varint());
    run.max_time = plus(run.min_time, reader.varint());
    if (!reader.ok() || !ok || run.rows == 0 || run.min_time > run.max_time) return false;
    row += run.rows;
    page.min_time = i == 0 ? run.min_time : std::min(page.min_time, run.min_time);
    page.max_time = i == 0 ? run.max_time : std::max(page.max_time, run.max_time);
    if (i == 0) page.first_stream = stream;
    if (!directory.streams.add_run(number, run)) return false;
  }
  return row == page.rows;
}

}  // namespace

std::string encode_strings(const ObjectDirectory& directory) {
  std::string out;
  append_varint(out, directory.names.size());
  FrontCoder names;
  for (const ObjectDirectory::Name& name : directory.names) {
    names.append(out, directory.view(name.text));
    append_varint(out, name.values);
    FrontCoder values;
    for (uint32_t i = 0; i < name.values; ++i) {
      values.append(out, directory.view(directory.values[name.first_value + i]));
    }
  }
  return out;
}

bool decode_strings(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  uint64_t count = 0;
  if (!take_count(reader, count)) return false;
  FrontDecoder names;
  for (; count > 0; --count) {
    ObjectDirectory::Name name;
    uint64_t values = 0;
    if (!names.next(reader, directory, name.text) || !take_count(reader, values)) return false;
    name.first_value = static_cast<uint32_t>(directory.values.size());
    name.values = static_cast<uint32_t>(values);
    FrontDecoder decoder;
    for (; values > 0; --values) {
      if (!decoder.next(reader, directory, directory.values.emplace_back())) return false;
    }
    directory.names.push_back(name);
  }
  return reader.at_end();
}

std::string encode_streams(const ObjectDirectory& directory) {
  std::string out;
  append_varint(out, directory.summary.tenants.size());
  for (const std::string& tenant : directory.summary.tenants) append_sized(out, tenant);
  append_varint(out, directory.streams.size());
  uint32_t tenant = 0;
  for (const StreamInfo& stream : directory.streams.all()) {
    append_varint(out, stream.tenant - tenant);
    tenant = stream.tenant;
    append_varint(out, stream.label_count);
    for (uint32_t i = 0; i < stream.label_count; ++i) {
      const uint32_t value = directory.labels[stream.first_label + i];
      append_varint(out, directory.name_of(value));
      append_varint(out, value);
    }
    append_varint(out, distance(directory.summary.min_time, stream.min_time));
    append_varint(out, distance(stream.min_time, stream.max_time));
    append_varint(out, stream.rows);
    append_varint(out, stream.raw_bytes);
    append_varint(out, stream.first_page);
    append_varint(out, stream.last_page - stream.first_page);
  }
  return out;
}

bool decode_streams(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  uint64_t tenants = 0, count = 0;
  if (!take_count(reader, tenants)) return false;
  for (; tenants > 0; --tenants) directory.summary.tenants.emplace_back(reader.sized_bytes());
  if (!take_count(reader, count)) return false;
  directory.summary.streams = count;
  directory.streams.reserve(count);
  directory.labels.reserve(std::min<size_t>(raw.size() / 2, count * kUsualLabels));
  uint32_t tenant = 0;
  bool ok = true;
  for (; count > 0 && ok && reader.ok(); --count) {
    StreamInfo stream;
    tenant += take32(reader, ok);
    stream.tenant = tenant;
    uint64_t label_count = 0;
    if (!take_count(reader, label_count)) return false;
    stream.first_label = static_cast<uint32_t>(directory.labels.size());
    stream.label_count = static_cast<uint32_t>(label_count);
    for (; label_count > 0; --label_count) {
      const uint32_t name = take32(reader, ok), value = take32(reader, ok);
      if (!ok || name >= directory.names.size()) return false;
      const ObjectDirectory::Name& of = directory.names[name];
      if (value < of.first_value || value - of.first_value >= of.values) return false;
      directory.labels.push_back(value);
    }
    stream.min_time = plus(directory.summary.min_time, reader.varint());
    stream.max_time = plus(stream.min_time, reader.varint());
    stream.rows = reader.varint();
    stream.volume_bytes = stream.raw_bytes = reader.varint();
    stream.first_page = take32(reader, ok);
    stream.last_page = stream.first_page + take32(reader, ok);
    if (tenant >= directory.summary.tenants.size() || !directory.streams.add(stream)) return false;
  }
  return ok && reader.ok() && reader.at_end();
}

std::string encode_volumes(const ObjectDirectory& directory) {
  std::string out;
  for (const StreamInfo& stream : directory.streams.all()) append_varint(out, stream.volume_bytes);
  return out;
}

bool decode_volumes(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  for (uint32_t i = 0; i < directory.streams.size(); ++i) directory.streams.set_volume(i, reader.varint());
  return reader.ok() && reader.at_end();
}

std::string encode_pages(const ObjectDirectory& directory) {
  std::string out;
  append_varint(out, directory.pages.size());
  ColumnEnds ends;
  uint32_t stream = 0;
  for (const PageInfo& page : directory.pages) {
    append_varint(out, page.rows);
    append_varint(out, page.text_bytes);
    append_varint(out, page.runs);
    for (PageColumn c : kStoredOrder) {
      auto i = static_cast<size_t>(c);
      const PageInfo::Stored& stored = page.columns[i];
      append_varint(out, stored.length);
      if (stored.length == 0) continue;
      append_varint(out, pipeline::zigzag(static_cast<int64_t>(stored.offset - ends.end[i])));
      append_fixed<uint32_t>(out, stored.checksum);
      ends.end[i] = stored.offset + stored.length;
    }
    for (const PageRun& run : directory.runs(page)) {
      append_varint(out, run.stream - stream);
      stream = run.stream;
      append_varint(out, run.rows);
      append_varint(out, distance(directory.summary.min_time, run.min_time));
      append_varint(out, distance(run.min_time, run.max_time));
    }
  }
  return out;
}

bool decode_pages(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  uint64_t count = 0;
  if (!take_count(reader, count)) return false;
  directory.pages.reserve(count);
  ColumnEnds ends;
  uint32_t stream = 0;
  for (; count > 0; --count) {
    PageInfo page;
    bool ok = true;
    page.rows = take32(reader, ok);
    page.text_bytes = take32(reader, ok);
    uint64_t runs = reader.varint();
    if (!ok || !reader.ok() || runs > reader.remaining()) return false;
    if (!take_columns(reader, ends, page) || !take_runs(reader, runs, stream, page, directory)) return false;
    directory.pages.push_back(page);
  }
  return reader.ok() && reader.at_end();
}

std::string encode_metadata_keys(const ObjectDirectory& directory) {
  std::string out;
  append_varint(out, directory.metadata_names.size());
  for (const std::string& name : directory.metadata_names) append_sized(out, name);
  return out;
}

bool decode_metadata_keys(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  uint64_t count = 0;
  if (!take_count(reader, count)) return false;
  for (; count > 0; --count) directory.metadata_names.emplace_back(reader.sized_bytes());
  return reader.ok() && reader.at_end();
}

std::string encode_lineage(const ObjectDirectory& directory) {
  const ObjectSummary& summary = directory.summary;
  std::string out = directory.cluster.bytes() + summary.object.bytes();
  append_varint(out, static_cast<uint64_t>(summary.level));
  append_varint(out, summary.rows);
  append_varint(out, summary.raw_bytes);
  append_fixed<int64_t>(out, summary.min_time);
  append_fixed<int64_t>(out, summary.max_time);
  append_varint(out, directory.inputs.size());
  for (const Ulid& input : directory.inputs) out += input.bytes();
  append_varint(out, directory.producers.size());
  for (const ProducerRange& range : directory.producers) {
    append_sized(out, range.tenant);
    append_sized(out, range.producer);
    append_varint(out, range.epoch);
    append_varint(out, range.first);
    append_varint(out, range.last - range.first);
  }
  return out;
}

bool decode_lineage(std::string_view raw, ObjectDirectory& directory) {
  ObjectSummary& summary = directory.summary;
  ByteReader reader(raw);
  if (!take_ulid(reader, directory.cluster) || !take_ulid(reader, summary.object)) return false;
  summary.level = static_cast<int>(reader.varint() & 0xff);
  summary.rows = reader.varint();
  summary.raw_bytes = reader.varint();
  summary.min_time = reader.fixed<int64_t>();
  summary.max_time = reader.fixed<int64_t>();
  uint64_t count = 0;
  if (!take_count(reader, count)) return false;
  for (; count > 0; --count) {
    if (!take_ulid(reader, directory.inputs.emplace_back())) return false;
  }
  if (!take_count(reader, count)) return false;
  for (; count > 0; --count) {
    ProducerRange range;
    range.tenant = reader.sized_bytes();
    range.producer = reader.sized_bytes();
    range.epoch = reader.varint();
    range.first = reader.varint();
    range.last = range.first + reader.varint();
    directory.producers.push_back(std::move(range));
  }
  return reader.ok() && reader.at_end();
}

std::string encode_origin(const ObjectDirectory& directory) {
  std::string out;
  append_varint(out, directory.summary.deletes_applied);
  append_varint(out, directory.summary.retention_seconds);
  append_varint(out, directory.last_frame);
  return out + directory.seal.bytes();
}

bool decode_origin(std::string_view raw, ObjectDirectory& directory) {
  ByteReader reader(raw);
  directory.summary.deletes_applied = reader.varint();
  directory.summary.retention_seconds = reader.varint();
  directory.last_frame = reader.varint();
  return take_ulid(reader, directory.seal) && reader.ok() && reader.at_end();
}

namespace {

// Names and values are numbered in their order, so numbers compare as the labels do.
bool rises(const ObjectDirectory& directory, size_t stream) {
  const StreamList& streams = directory.streams;
  if (streams.tenant(stream - 1) != streams.tenant(stream)) return true;
  const auto labels = directory.labels.begin();
  const auto end = [&](size_t s) { return labels + streams.labels_end(s); };
  return std::lexicographical_compare(labels + streams.first_label(stream - 1), end(stream - 1),
                                      labels + streams.first_label(stream), end(stream));
}

// Everything is sorted as format.h says: what merging relies on.
bool is_ordered(const ObjectDirectory& directory) {
  auto view_rises = [&](ObjectDirectory::Text a, ObjectDirectory::Text b) {
    return directory.view(a) < directory.view(b);
  };
  for (size_t i = 0; i < directory.names.size(); ++i) {
    const ObjectDirectory::Name& name = directory.names[i];
    if (i > 0 && !view_rises(directory.names[i - 1].text, name.text)) return false;
    for (uint32_t v = 1; v < name.values; ++v) {
      if (!view_rises(directory.values[name.first_value + v - 1], directory.values[name.first_value + v])) return false;
    }
  }
  const auto& tenants = directory.summary.tenants;
  for (size_t i = 1; i < tenants.size(); ++i) {
    if (tenants[i - 1] >= tenants[i]) return false;
  }
  for (size_t i = 1; i < directory.streams.size(); ++i) {
    if (!rises(directory, i)) return false;
  }
  return true;
}

}  // namespace

bool is_consistent(const ObjectDirectory& directory, uint64_t size) {
  auto page_fits = [&](const PageInfo& page) {
    auto stored_fits = [&](const PageInfo::Stored& stored) {
      return stored.length == 0 || (stored.offset <= size && stored.length <= size - stored.offset);
    };
    bool whole = page.column(PageColumn::kTimes).length > 0 && page.column(PageColumn::kLengths).length > 0 &&
                 page.column(PageColumn::kText).length > 0;
    return whole && page.rows > 0 && page.rows <= kPageRows && page.text_bytes <= kMaxPageBytes &&
           std::all_of(std::begin(page.columns), std::end(page.columns), stored_fits);
  };
  return directory.streams.is_complete() && std::all_of(directory.pages.begin(), directory.pages.end(), page_fits) &&
         is_ordered(directory);
}

}  // namespace server
