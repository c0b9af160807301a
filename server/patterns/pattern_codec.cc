#include "server/patterns/pattern_codec.h"

#include "pipeline/base/varint.h"

namespace server {

using pipeline::append_varint;
using pipeline::ByteReader;

namespace {

constexpr uint8_t kVersion = 1;

void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out += bytes;
}

std::optional<MinedTemplate> take_template(ByteReader& reader) {
  MinedTemplate one{std::string(reader.sized_bytes()), {}};
  int64_t bucket = 0;
  for (uint64_t counts = reader.varint(); counts > 0 && reader.ok(); --counts) {
    bucket = static_cast<int64_t>(static_cast<uint64_t>(bucket) + static_cast<uint64_t>(reader.signed_varint()));
    one.counts[bucket] += reader.varint();
  }
  if (!reader.ok()) return std::nullopt;
  return one;
}

}  // namespace

std::string encode_patterns(const MinedLevels& levels) {
  std::string out(1, static_cast<char>(kVersion));
  append_varint(out, levels.size());
  for (const auto& [level, templates] : levels) {
    append_sized(out, level);
    append_varint(out, templates.size());
    for (const MinedTemplate& one : templates) {
      append_sized(out, one.text);
      append_varint(out, one.counts.size());
      int64_t before = 0;
      for (const auto& [bucket, count] : one.counts) {
        append_varint(out, pipeline::zigzag(bucket - before));
        append_varint(out, count);
        before = bucket;
      }
    }
  }
  return out;
}

std::optional<MinedLevels> decode_patterns(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.fixed<uint8_t>() != kVersion) return std::nullopt;
  MinedLevels levels;
  for (uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
    std::vector<MinedTemplate>& templates = levels[std::string(reader.sized_bytes())];
    for (uint64_t count = reader.varint(); count > 0; --count) {
      auto one = take_template(reader);
      if (!one) return std::nullopt;
      templates.push_back(*std::move(one));
    }
  }
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return levels;
}

}  // namespace server
