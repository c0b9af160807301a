#include "server/store/object_directory.h"

#include <algorithm>
#include <map>

#include "pipeline/base/checksum.h"
#include "pipeline/base/varint.h"
#include "pipeline/codec/zstd_frame.h"
#include "server/store/directory_sections.h"
#include "server/store/format.h"
#include "server/store/id_set.h"

namespace server {

using pipeline::append_fixed;
using pipeline::append_varint;
using pipeline::ByteReader;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

constexpr uint64_t kMaxSectionBytes = 512 << 20;
constexpr size_t kFilterBytesPerPage = 11;  // of a FilterPart

struct Section {
  uint64_t type = 0, version = 0;
  PageCodec codec = PageCodec::kRaw;
  uint8_t flags = 0;
  uint64_t offset = 0, stored_length = 0, raw_length = 0;
  uint32_t checksum = 0;
};

struct Trailer {
  uint64_t table_offset = 0;
  uint32_t table_length = 0, table_checksum = 0;
};

std::string_view section_name(SectionType type) {
  switch (type) {
    case SectionType::kStrings: return "STRINGS";
    case SectionType::kStreams: return "STREAMS";
    case SectionType::kPostings: return "POSTINGS";
    case SectionType::kPages: return "PAGES";
    case SectionType::kMetadataKeys: return "METADATA_KEYS";
    case SectionType::kLineage: return "LINEAGE";
    case SectionType::kFilter: return "FILTER";
    case SectionType::kFields: return "FIELDS";
    case SectionType::kVolumes: return "VOLUMES";
    case SectionType::kOrigin: return "ORIGIN";
    case SectionType::kIds: return "IDS";
  }
  return "unknown";
}

bool is_optional(SectionType type) {
  return type == SectionType::kVolumes || type == SectionType::kFilter || type == SectionType::kOrigin ||
         type == SectionType::kIds;
}

void append_section(std::string& footer, std::string& table, uint64_t offset, SectionType type, std::string_view raw) {
  Section section;
  section.offset = offset + footer.size();
  size_t begin = footer.size();
  pipeline::zstd_compress(raw, footer);
  section.codec = PageCodec::kZstd;
  if (footer.size() - begin >= raw.size()) {
    footer.resize(begin);
    footer += raw;
    section.codec = PageCodec::kRaw;
  }
  std::string_view stored = std::string_view(footer).substr(begin);
  append_varint(table, static_cast<uint64_t>(type));
  append_varint(table, 1);
  table += static_cast<char>(section.codec);
  table += static_cast<char>(is_optional(type) ? 0 : kSectionCritical);
  append_varint(table, section.offset);
  append_varint(table, stored.size());
  append_varint(table, raw.size());
  append_fixed<uint32_t>(table, pipeline::crc32c(stored));
}

Result<Trailer> decode_trailer(std::string_view tail, uint64_t size) {
  if (tail.size() < kObjectTrailerBytes || size < kObjectHeaderBytes + kObjectTrailerBytes || tail.size() > size) {
    return fail(Errc::kCorrupt, "too short for an object");
  }
  ByteReader reader(tail.substr(tail.size() - kObjectTrailerBytes));
  Trailer trailer;
  trailer.table_offset = reader.fixed<uint64_t>();
  trailer.table_length = reader.fixed<uint32_t>();
  trailer.table_checksum = reader.fixed<uint32_t>();
  auto version = reader.fixed<uint32_t>();
  if (reader.bytes(4) != kObjectMagic) return fail(Errc::kCorrupt, "no object trailer at the end");
  if (version > kObjectVersion) return fail(Errc::kInvalid, concat("made by a newer version: format ", version));
  if (version == 0) return fail(Errc::kCorrupt, "malformed object trailer");
  uint64_t table_end = size - kObjectTrailerBytes;
  if (trailer.table_offset > table_end || trailer.table_length != table_end - trailer.table_offset) {
    return fail(Errc::kCorrupt, "malformed object trailer");
  }
  return trailer;
}

Result<std::vector<Section>> decode_table(std::string_view tail, uint64_t size, const Trailer& trailer) {
  size_t needed = trailer.table_length + kObjectTrailerBytes;
  if (needed > tail.size()) return fail(Errc::kOverLimit, concat("the footer is longer than ", tail.size(), " bytes"));
  std::string_view table = tail.substr(tail.size() - needed, trailer.table_length);
  if (pipeline::crc32c(table) != trailer.table_checksum) return fail(Errc::kCorrupt, "section table: bad checksum");
  ByteReader reader(table);
  std::vector<Section> sections;
  for (uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
    Section section;
    section.type = reader.varint();
    section.version = reader.varint();
    section.codec = static_cast<PageCodec>(reader.fixed<uint8_t>());
    section.flags = reader.fixed<uint8_t>();
    section.offset = reader.varint();
    section.stored_length = reader.varint();
    section.raw_length = reader.varint();
    section.checksum = reader.fixed<uint32_t>();
    bool inside = section.offset <= size && section.stored_length <= size - section.offset;
    if (!inside || section.raw_length > kMaxSectionBytes) return fail(Errc::kCorrupt, "malformed section table");
    sections.push_back(section);
  }
  if (!reader.ok() || !reader.at_end()) return fail(Errc::kCorrupt, "malformed section table");
  return sections;
}

// The raw bytes of a section.
Result<std::string> section_bytes(const Section& section, std::string_view footer, uint64_t size) {
  uint64_t footer_begin = size - footer.size();
  if (section.offset < footer_begin) return fail(Errc::kCorrupt, "outside of the footer");
  std::string_view stored = footer.substr(section.offset - footer_begin, section.stored_length);
  if (pipeline::crc32c(stored) != section.checksum) return fail(Errc::kCorrupt, "bad checksum");
  if (section.codec == PageCodec::kRaw) return std::string(stored);
  if (section.codec != PageCodec::kZstd) return fail(Errc::kInvalid, "unknown codec");
  std::string raw(section.raw_length, '\0');
  TRY(pipeline::zstd_decompress_page(stored, raw.size(), raw.data()));
  return raw;
}

std::string encode_ids(uint64_t length) {
  std::string out;
  append_varint(out, length);
  return out;
}

// 0: malformed.
uint64_t decode_ids(std::string_view raw, uint64_t end) {
  ByteReader reader(raw);
  const uint64_t length = reader.varint();
  const bool fits = end >= kObjectHeaderBytes && length <= end - kObjectHeaderBytes;
  return reader.ok() && reader.at_end() && fits && is_id_set_length(length) ? length : 0;
}

bool is_known(const Section& section) {
  switch (static_cast<SectionType>(section.type)) {
    case SectionType::kStrings:
    case SectionType::kStreams:
    case SectionType::kPages:
    case SectionType::kMetadataKeys:
    case SectionType::kLineage:
    case SectionType::kVolumes:
    case SectionType::kFilter:
    case SectionType::kIds:
    case SectionType::kOrigin: return section.version == 1;
    default: return false;
  }
}

}  // namespace

ObjectDirectory::Text ObjectDirectory::add_text(std::string_view bytes) {
  Text out{static_cast<uint32_t>(text.size()), static_cast<uint32_t>(bytes.size())};
  text += bytes;
  return out;
}

uint32_t ObjectDirectory::name_of(uint32_t value) const {
  auto behind = std::upper_bound(names.begin(), names.end(), value,
                                 [](uint32_t v, const Name& name) { return v < name.first_value; });
  return static_cast<uint32_t>(behind - names.begin() - 1);
}

StreamList::Runs ObjectDirectory::runs(const PageInfo& page) const {
  return streams.runs(static_cast<uint32_t>(&page - pages.data()), page.first_stream, page.runs);
}

size_t ObjectDirectory::memory_bytes() const {
  return sizeof *this + text.capacity() + names.capacity() * sizeof(Name) + values.capacity() * sizeof(Text) +
         labels.capacity() * sizeof(labels[0]) + streams.memory_bytes() + pages.capacity() * sizeof(PageInfo) +
         pages.size() * (filter.empty() ? 0 : kFilterBytesPerPage) +
         producers.capacity() * (sizeof(ProducerRange) + 64) + inputs.capacity() * sizeof(Ulid);
}

std::string encode_footer(ObjectDirectory& directory, uint64_t offset) {
  std::string footer, table;
  const auto streams = directory.streams.all();
  const bool has_volumes =
      std::any_of(streams.begin(), streams.end(), [](const StreamInfo& s) { return s.volume_bytes != s.raw_bytes; });
  const bool has_origin = directory.summary.deletes_applied != 0 || directory.summary.retention_seconds != 0 ||
                          directory.last_frame != 0 || directory.seal != Ulid{};
  const bool has_ids = directory.summary.ids_length != 0;
  append_varint(table, 5U + has_volumes + has_origin + has_ids + !directory.filter.empty());
  append_section(footer, table, offset, SectionType::kStrings, encode_strings(directory));
  append_section(footer, table, offset, SectionType::kStreams, encode_streams(directory));
  append_section(footer, table, offset, SectionType::kPages, encode_pages(directory));
  append_section(footer, table, offset, SectionType::kMetadataKeys, encode_metadata_keys(directory));
  append_section(footer, table, offset, SectionType::kLineage, encode_lineage(directory));
  if (has_volumes) append_section(footer, table, offset, SectionType::kVolumes, encode_volumes(directory));
  if (!directory.filter.empty())
    append_section(footer, table, offset, SectionType::kFilter, encode_filter(directory.filter));
  if (has_ids) append_section(footer, table, offset, SectionType::kIds, encode_ids(directory.summary.ids_length));
  if (has_origin) append_section(footer, table, offset, SectionType::kOrigin, encode_origin(directory));
  uint64_t table_offset = offset + footer.size();
  footer += table;
  append_fixed<uint64_t>(footer, table_offset);
  append_fixed<uint32_t>(footer, static_cast<uint32_t>(table.size()));
  append_fixed<uint32_t>(footer, pipeline::crc32c(table));
  append_fixed<uint32_t>(footer, kObjectVersion);
  footer += kObjectMagic;
  directory.summary.size = offset + footer.size();
  directory.summary.footer_length = static_cast<uint32_t>(footer.size());
  return footer;
}

Result<uint32_t> footer_length(std::string_view tail, uint64_t size) {
  TRY_LET(Trailer trailer, decode_trailer(tail, size));
  TRY_LET(auto sections, decode_table(tail, size, trailer));
  uint64_t begin = trailer.table_offset;
  for (const Section& section : sections) begin = std::min(begin, section.offset);
  if (size - begin > kMaxSectionBytes) return fail(Errc::kCorrupt, "malformed section table");
  return static_cast<uint32_t>(size - begin);
}

Result<ObjectDirectory> decode_footer(std::string_view footer, uint64_t size) {
  TRY_LET(Trailer trailer, decode_trailer(footer, size));
  TRY_LET(auto sections, decode_table(footer, size, trailer));
  std::map<SectionType, std::string> raw;
  bool filter_damaged = false;
  for (const Section& section : sections) {
    auto type = static_cast<SectionType>(section.type);
    if (!is_known(section)) {
      if ((section.flags & kSectionCritical) == 0) continue;
      return fail(Errc::kInvalid, concat("made by a newer version: section ", section.type));
    }
    auto bytes = section_bytes(section, footer, size);
    if (!bytes && (type == SectionType::kFilter || type == SectionType::kIds)) {
      filter_damaged = true;  // answers come without it, slower
      continue;
    }
    if (!bytes) return fail(bytes.error().within(concat("section ", section_name(type))));
    raw[type] = *std::move(bytes);
  }

  ObjectDirectory directory;
  auto decode = [&](SectionType type, bool (*decoder)(std::string_view, ObjectDirectory&)) -> Result<void> {
    auto it = raw.find(type);
    if (it != raw.end() && decoder(it->second, directory)) return {};
    return fail(Errc::kCorrupt, concat("section ", section_name(type), it == raw.end() ? ": absent" : ": malformed"));
  };
  TRY(decode(SectionType::kLineage, decode_lineage));
  TRY(decode(SectionType::kMetadataKeys, decode_metadata_keys));
  TRY(decode(SectionType::kStrings, decode_strings));
  TRY(decode(SectionType::kStreams, decode_streams));
  TRY(decode(SectionType::kPages, decode_pages));
  if (raw.contains(SectionType::kVolumes)) TRY(decode(SectionType::kVolumes, decode_volumes));
  directory.filter_damaged = filter_damaged;
  if (auto filter = raw.find(SectionType::kFilter); filter != raw.end()) {
    if (!decode_filter(filter->second, directory.pages.size(), size - footer.size(), directory.filter))
      directory.filter.clear(), directory.filter_damaged = true;
  }
  if (auto ids = raw.find(SectionType::kIds); ids != raw.end()) {
    directory.summary.ids_length = decode_ids(ids->second, size - footer.size());
    directory.filter_damaged = directory.filter_damaged || directory.summary.ids_length == 0;
  }
  if (raw.contains(SectionType::kOrigin)) TRY(decode(SectionType::kOrigin, decode_origin));
  directory.text.shrink_to_fit();  // they stay for as long as the object is known, and have grown by doubling
  directory.labels.shrink_to_fit();
  directory.values.shrink_to_fit();
  if (!is_consistent(directory, size)) return fail(Errc::kCorrupt, "sections contradict one another");
  directory.summary.size = size;
  directory.summary.footer_length = static_cast<uint32_t>(footer.size());
  return directory;
}

}  // namespace server
