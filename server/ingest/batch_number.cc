#include "server/ingest/batch_number.h"

#include <charconv>
#include <limits>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Hash128;
using pipeline::Result;

namespace {

constexpr size_t kUuidLength = 36;
constexpr auto kGreatest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() - 1);  // the catalogue keeps it

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

std::string hex(uint64_t half) {
  std::string out(16, '0');
  for (int i = 15; i >= 0; --i, half >>= 4) out[static_cast<size_t>(i)] = "0123456789abcdef"[half & 15];
  return out;
}

}  // namespace

Result<BatchNumber> parse_batch_number(std::string_view header) {
  auto malformed = [&](std::string_view what) {
    return fail(Errc::kInvalid, concat("malformed header X-Skidway-Batch '", header.substr(0, 100), "': ", what,
                                       "; expected <producer uuid>/<epoch>/<seq>"));
  };
  size_t first = header.find('/');
  size_t second = first == header.npos ? header.npos : header.find('/', first + 1);
  if (second == header.npos) return malformed("a part is missing");
  auto producer = parse_producer(header.substr(0, first));
  if (!producer) return malformed("the producer is not a uuid");
  auto epoch = parse_number(header.substr(first + 1, second - first - 1));
  if (!epoch) return malformed("the epoch is not a number");
  auto seq = parse_number(header.substr(second + 1));
  if (!seq) return malformed("the sequence number is not a number");
  if (*epoch > kGreatest || *seq > kGreatest) return malformed(concat("numbers end at ", kGreatest));
  return BatchNumber{*producer, *epoch, *seq};
}

std::optional<Hash128> parse_producer(std::string_view text) {
  if (text.size() != kUuidLength) return std::nullopt;
  Hash128 id;
  int digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    int digit = hex_digit(text[i]);
    if (digit < 0) return std::nullopt;
    uint64_t& half = digits++ < 16 ? id.high : id.low;
    half = half << 4 | static_cast<uint64_t>(digit);
  }
  return id;
}

std::string format_producer(const Hash128& producer) {
  std::string high = hex(producer.high), low = hex(producer.low);
  return concat(high.substr(0, 8), "-", high.substr(8, 4), "-", high.substr(12), "-", low.substr(0, 4), "-",
                low.substr(4));
}

std::string format_batch_number(const BatchNumber& number) {
  return concat(format_producer(number.producer), "/", number.epoch, "/", number.seq);
}

}  // namespace server
