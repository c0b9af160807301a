#include "agent/checkpoint/record_codec.h"

#include "pipeline/base/hash.h"
#include "pipeline/base/varint.h"

namespace agent {

using pipeline::ByteReader;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::zigzag;

namespace {
constexpr uint8_t kVersion = 1;
constexpr uint64_t kContinues = 1;

void append_range(std::string& out, const LineRange& range, const LineRange& before) {
  pipeline::append_varint(out, zigzag(static_cast<int64_t>(range.begin - before.end)));
  pipeline::append_varint(out, range.end - range.begin);
  pipeline::append_varint(out, zigzag(range.first_read_time - before.first_read_time));
}

LineRange take_range(ByteReader& reader, const LineRange& before) {
  LineRange range;
  range.begin = before.end + static_cast<uint64_t>(reader.signed_varint());
  range.end = range.begin + reader.varint();
  range.first_read_time = static_cast<int64_t>(static_cast<uint64_t>(before.first_read_time) +
                                               static_cast<uint64_t>(reader.signed_varint()));
  return range;
}
}  // namespace

uint64_t labels_key(std::string_view labels) { return pipeline::hash64(labels); }

std::string encode_segments(const std::vector<RecordSegment>& segments) {
  std::string out(1, static_cast<char>(kVersion));
  pipeline::append_varint(out, segments.size());
  for (const RecordSegment& segment : segments) {
    pipeline::append_varint(out, segment.file.value);
    pipeline::append_fixed(out, labels_key(*segment.labels));
    pipeline::append_varint(out, segment.continues ? kContinues : 0);
    pipeline::append_varint(out, segment.ranges.size());
    LineRange before;
    for (const LineRange& range : segment.ranges) append_range(out, range, before), before = range;
  }
  return out;
}

Result<std::vector<RecordSegment>> decode_segments(
    std::string_view bytes, const std::function<std::shared_ptr<const std::string>(uint64_t key)>& find_labels) {
  ByteReader reader(bytes);
  auto version = reader.fixed<uint8_t>();
  if (reader.ok() && version > kVersion) return fail(Errc::kInvalid, "batch record: made by a newer version");
  std::vector<RecordSegment> segments;
  for (uint64_t left = reader.varint(); left > 0 && reader.ok(); left--) {
    RecordSegment& segment = segments.emplace_back();
    segment.file.value = reader.varint();
    segment.labels = find_labels(reader.fixed<uint64_t>());
    if (!segment.labels) return fail(Errc::kCorrupt, "batch record: names labels that are not there");
    segment.continues = (reader.varint() & kContinues) != 0 && segments.size() > 1;
    LineRange before;
    for (uint64_t ranges = reader.varint(); ranges > 0 && reader.ok(); ranges--) {
      segment.ranges.push_back(take_range(reader, before)), before = segment.ranges.back();
      if (before.end <= before.begin) return fail(Errc::kCorrupt, "batch record: a range without bytes");
    }
  }
  if (!reader.ok() || !reader.at_end() || version != kVersion)
    return fail(Errc::kCorrupt, concat("batch record: ", bytes.size(), " bytes that are none"));
  return segments;
}

}  // namespace agent
