#include "agent/spool/spool_frame.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/checksum.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/varint.h"

namespace agent {

using pipeline::append_fixed;
using pipeline::ByteReader;
using pipeline::crc32c;

namespace {

constexpr std::string_view kFrameMagic = "SKSG", kFrameMagicV1 = "SKSF", kIndexMagic = "SKSI";
constexpr std::string_view kMagicBegin = "SKS";
constexpr std::string_view kSuffix = ".spool";
constexpr size_t kNumberDigits = 20, kSaltDigits = 16;

uint32_t sum(std::string_view bytes, uint64_t salt) {
  return crc32c(bytes, crc32c({reinterpret_cast<const char*>(&salt), sizeof salt}));
}

template <class Integer>
bool parse_digits(std::string_view text, int base, Integer& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

uint32_t capped(uint64_t v) { return static_cast<uint32_t>(std::min<uint64_t>(v, UINT32_MAX)); }

}  // namespace

std::string SpoolName::text() const {
  std::string digits = std::to_string(number);
  char hex[kSaltDigits];
  auto [end, error] = std::to_chars(hex, hex + sizeof hex, salt, 16);
  INVARIANT(error == std::errc());
  std::string_view salt_text(hex, static_cast<size_t>(end - hex));
  return pipeline::concat(std::string(kNumberDigits - digits.size(), '0'), digits, "-",
                          std::string(kSaltDigits - salt_text.size(), '0'), salt_text, kSuffix);
}

std::optional<SpoolName> SpoolName::parse(std::string_view text) {
  SpoolName name;
  if (text.size() != kNumberDigits + 1 + kSaltDigits + kSuffix.size() || !text.ends_with(kSuffix)) return std::nullopt;
  if (text[kNumberDigits] != '-' || !parse_digits(text.substr(0, kNumberDigits), 10, name.number) ||
      !parse_digits(text.substr(kNumberDigits + 1, kSaltDigits), 16, name.salt))
    return std::nullopt;
  return name;
}

void append_spool_header(std::string& out, const SpoolFrame& frame, uint64_t salt) {
  INVARIANT(frame.producer.size() <= UINT8_MAX && frame.tenant.size() <= UINT16_MAX);
  INVARIANT(frame.origins.size() <= kMostOriginsBytes);
  INVARIANT(frame.body->size() <= UINT32_MAX - kLongestSpoolFrameHeader);
  size_t start = out.size();
  out += kFrameMagic;
  append_fixed<uint32_t>(out, 0);  // the sum, below
  append_fixed(out, crc32c(*frame.body));
  append_fixed(out, static_cast<uint32_t>(frame.body->size()));
  append_fixed(out, frame.number.epoch);
  append_fixed(out, frame.number.seq);
  append_fixed(out, frame.closed);
  append_fixed(out, capped(frame.entries));
  append_fixed(out, capped(frame.line_bytes));
  append_fixed(out, static_cast<uint8_t>(frame.encoding));
  append_fixed(out, static_cast<uint8_t>(frame.producer.size()));
  append_fixed(out, static_cast<uint16_t>(frame.tenant.size()));
  append_fixed(out, static_cast<uint16_t>(frame.origins.size()));
  out += frame.producer;
  out += frame.tenant;
  out += frame.origins;
  uint32_t header_sum = sum(std::string_view(out).substr(start + 8), salt);
  std::memcpy(out.data() + start + 4, &header_sum, sizeof header_sum);
}

SpoolEntry spool_entry(const SpoolFrame& frame, uint64_t offset) {
  size_t header = kSpoolFrameHeaderBytes + frame.producer.size() + frame.tenant.size() + frame.origins.size();
  return {offset,
          static_cast<uint32_t>(header + frame.body->size()),
          frame.number,
          frame.closed,
          capped(frame.entries),
          capped(frame.line_bytes),
          frame.origins};
}

std::optional<SpoolHeader> parse_spool_header(std::string_view bytes, uint64_t salt) {
  const bool is_v1 = bytes.starts_with(kFrameMagicV1);
  if (!is_v1 && !bytes.starts_with(kFrameMagic)) return std::nullopt;
  ByteReader in(bytes.substr(kFrameMagic.size()));
  auto header_sum = in.fixed<uint32_t>();
  SpoolHeader out;
  out.body_crc = in.fixed<uint32_t>();
  out.body_bytes = in.fixed<uint32_t>();
  out.frame.number.epoch = in.fixed<uint64_t>();
  out.frame.number.seq = in.fixed<uint64_t>();
  out.frame.closed = in.fixed<int64_t>();
  out.frame.entries = in.fixed<uint32_t>();
  out.frame.line_bytes = in.fixed<uint32_t>();
  out.frame.encoding = static_cast<SpoolEncoding>(in.fixed<uint8_t>());
  auto producer_bytes = in.fixed<uint8_t>();
  auto tenant_bytes = in.fixed<uint16_t>();
  auto origins_bytes = is_v1 ? uint16_t{0} : in.fixed<uint16_t>();
  out.frame.producer = in.bytes(producer_bytes);
  out.frame.tenant = in.bytes(tenant_bytes);
  out.frame.origins = in.bytes(origins_bytes);
  if (!in.ok()) return std::nullopt;
  out.header_bytes = bytes.size() - in.remaining();
  if (sum(bytes.substr(8, out.header_bytes - 8), salt) != header_sum) return std::nullopt;
  return out;
}

size_t find_spool_frame(std::string_view bytes, size_t from, uint64_t salt) {
  for (size_t at = from; (at = bytes.find(kMagicBegin, at)) != bytes.npos; ++at)
    if (parse_spool_header(bytes.substr(at), salt)) return at;
  return bytes.npos;
}

std::string spool_index(const std::vector<SpoolEntry>& entries, uint64_t offset, uint64_t salt) {
  std::string list;
  list.reserve(entries.size() * 2 * kSpoolIndexEntryBytes);
  for (const SpoolEntry& entry : entries) {
    append_fixed(list, entry.offset);
    append_fixed(list, entry.bytes);
    append_fixed(list, entry.line_bytes);
    append_fixed(list, entry.number.epoch);
    append_fixed(list, entry.number.seq);
    append_fixed(list, entry.closed);
    append_fixed(list, entry.entries);
    append_fixed(list, static_cast<uint32_t>(entry.origins.size()));
    list += entry.origins;
  }
  std::string end;
  append_fixed(end, offset);
  append_fixed(end, static_cast<uint32_t>(entries.size()));
  std::string out(kIndexMagic);
  append_fixed(out, sum(list, salt));
  out += list;
  out += end;
  append_fixed(out, sum(end, salt));
  return out;
}

std::optional<SpoolIndexEnd> parse_spool_index_end(std::string_view bytes, uint64_t salt) {
  if (bytes.size() != kSpoolIndexEndBytes) return std::nullopt;
  ByteReader in(bytes);
  SpoolIndexEnd end;
  end.offset = in.fixed<uint64_t>();
  end.entries = in.fixed<uint32_t>();
  if (in.fixed<uint32_t>() != sum(bytes.substr(0, 12), salt)) return std::nullopt;
  return end;
}

std::optional<std::vector<SpoolEntry>> parse_spool_index(std::string_view bytes, uint64_t salt) {
  if (!begins_spool_index(bytes) || bytes.size() < 8) return std::nullopt;
  ByteReader in(bytes.substr(kIndexMagic.size()));
  auto list_sum = in.fixed<uint32_t>();
  if (sum(bytes.substr(8), salt) != list_sum) return std::nullopt;
  std::vector<SpoolEntry> entries;
  while (in.ok() && !in.at_end()) {
    SpoolEntry& entry = entries.emplace_back();
    entry.offset = in.fixed<uint64_t>();
    entry.bytes = in.fixed<uint32_t>();
    entry.line_bytes = in.fixed<uint32_t>();
    entry.number.epoch = in.fixed<uint64_t>();
    entry.number.seq = in.fixed<uint64_t>();
    entry.closed = in.fixed<int64_t>();
    entry.entries = in.fixed<uint32_t>();
    entry.origins = in.bytes(in.fixed<uint32_t>());
  }
  if (!in.ok()) return std::nullopt;
  return entries;
}

bool begins_spool_index(std::string_view bytes) { return bytes.starts_with(kIndexMagic); }

void append_spool_mark(std::string& out, uint64_t offset, uint64_t salt) {
  std::string mark;
  append_fixed(mark, offset);
  out += mark;
  append_fixed(out, sum(mark, salt));
}

std::vector<uint64_t> parse_spool_marks(std::string_view bytes, uint64_t salt) {
  std::vector<uint64_t> offsets;
  for (size_t at = 0; at + kSpoolMarkBytes <= bytes.size(); at += kSpoolMarkBytes) {
    ByteReader in(bytes.substr(at, kSpoolMarkBytes));
    auto offset = in.fixed<uint64_t>();
    if (in.fixed<uint32_t>() == sum(bytes.substr(at, 8), salt)) offsets.push_back(offset);
  }
  return offsets;
}

}  // namespace agent
