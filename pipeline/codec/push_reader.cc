#include "pipeline/codec/push_reader.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/codec/wire_reader.h"

namespace pipeline {

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kFirstSecond = -62'135'596'800, kLastSecond = 253'402'300'799;  // years 1 to 9999, as protobuf says

UnixNanos to_nanos(int64_t seconds, int64_t nanos) {
  using Limits = std::numeric_limits<UnixNanos>;
  UnixNanos time = 0;
  if (__builtin_mul_overflow(seconds, kNanosPerSecond, &time) || __builtin_add_overflow(time, nanos, &time)) {
    // seconds * 1e9 may leave the range at its lower end although the sum would not; so close to 1678 nobody cares
    return seconds < 0 ? Limits::min() : Limits::max();
  }
  return time;
}

// A varint at the start of eight bytes, if it ends within them.
struct ShortVarint {
  uint64_t value;
  size_t bytes;  // 0: it is longer
};
inline ShortVarint short_varint(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);  // little-endian, as we are
  const uint64_t ends = ~word & 0x8080'8080'8080'8080;
  if (ends == 0) [[unlikely]]
    return {0, 0};
  word &= (ends ^ (ends - 1)) & 0x7f7f'7f7f'7f7f'7f7f;
  word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
  word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
  word = (word & 0x0000'0000'0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
  return {word, static_cast<size_t>(std::countr_zero(ends)) / 8 + 1};
}

class PushDecoder {
 public:
  explicit PushDecoder(PushVisitor& visitor) : visitor_(visitor) {}

  Result<void> run(std::string_view request) {
    request_end_ = request.data() + request.size();
    WireReader reader(request, fault_);
    while (!reader.at_end()) {
      WireTag tag = reader.tag();
      if (tag.field == 1) {
        std::string_view stream = reader.bytes_of(tag, "Streams");
        if (fault_.empty()) decode_stream(stream);
        if (!fault_.empty()) break;
      } else {
        reader.skip(tag);
      }
    }
    if (!fault_.empty()) return fail(Errc::kInvalid, std::move(fault_.text));
    return {};
  }

 private:
  // Once over the fields to find the labels, wherever they stand, and once more for the entries: a hop per entry.
  void decode_stream(std::string_view stream) {
    std::string_view labels;
    size_t entries = 0;
    for (WireReader reader(stream, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 2) {
        reader.bytes_of(tag, "Entries");
        ++entries;
      } else if (tag.field == 1) {
        labels = reader.bytes_of(tag, "Labels");
      } else if (tag.field == 3) {
        reader.varint_of(tag, "Hash");
      } else {
        reader.skip(tag);
      }
    }
    if (!fault_.empty()) return;
    visitor_.on_stream(labels, entries);
    for (WireReader reader(stream, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 2) {
        decode_entry(reader.bytes());
        if (!fault_.empty()) return;
      } else {
        reader.skip(tag);
      }
    }
  }

  void decode_entry(std::string_view entry) {
    WireReader reader(entry, fault_);
    UnixNanos time = 0;
    std::string_view line;
    metadata_.clear();
    while (!reader.at_end()) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: time = decode_time(reader.bytes_of(tag, "Timestamp")); break;
        case 2: line = reader.bytes_of(tag, "Line"); break;
        case 3: metadata_.push_back(decode_pair(reader.bytes_of(tag, "StructuredMetadata"))); break;
        default: reader.skip(tag);
      }
    }
    if (fault_.empty()) [[likely]]
      visitor_.on_entry(time, line, metadata_);
  }

  // Seconds, then nanos, and nothing else, as everybody writes them: how long the nanos are cannot be guessed.
  std::optional<UnixNanos> decode_usual_time(std::string_view timestamp) const {
    constexpr ptrdiff_t kMostRead = 1 + 8 + 1 + 8;
    const char* at = timestamp.data();
    if (timestamp.size() < 4 || request_end_ - at < kMostRead || *at != 0x08) return std::nullopt;
    const ShortVarint seconds = short_varint(at + 1);
    if (seconds.bytes == 0 || at[1 + seconds.bytes] != 0x10) return std::nullopt;
    const ShortVarint nanos = short_varint(at + 2 + seconds.bytes);
    const bool whole = nanos.bytes != 0 && 2 + seconds.bytes + nanos.bytes == timestamp.size();
    constexpr uint64_t kMostSeconds = 9'000'000'000;  // that are nanoseconds, too
    if (!whole || seconds.value > kMostSeconds || nanos.value >= kNanosPerSecond) return std::nullopt;
    return static_cast<int64_t>(seconds.value) * kNanosPerSecond + static_cast<int64_t>(nanos.value);
  }

  UnixNanos decode_time(std::string_view timestamp) {
    if (const auto time = decode_usual_time(timestamp)) [[likely]]
      return *time;
    WireReader reader(timestamp, fault_);
    int64_t seconds = 0;
    int32_t nanos = 0;
    while (!reader.at_end()) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: seconds = static_cast<int64_t>(reader.varint_of(tag, "Seconds")); break;
        case 2: nanos = static_cast<int32_t>(reader.varint_of(tag, "Nanos")); break;
        default: reader.skip(tag);
      }
    }
    if (seconds < kFirstSecond || seconds > kLastSecond) {
      reader.set_fault(concat("timestamp: seconds:", seconds, " out of range"));
    } else if (nanos < 0 || nanos >= kNanosPerSecond) {
      reader.set_fault(concat("timestamp: nanos:", nanos, " not in range [0, 1e9)"));
    }
    return to_nanos(seconds, nanos);
  }

  Metadata decode_pair(std::string_view pair) {
    WireReader reader(pair, fault_);
    Metadata out;
    while (!reader.at_end()) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: out.name = reader.bytes_of(tag, "Name"); break;
        case 2: out.value = reader.bytes_of(tag, "Value"); break;
        default: reader.skip(tag);
      }
    }
    return out;
  }

  PushVisitor& visitor_;
  const char* request_end_ = nullptr;
  WireFault fault_;
  std::vector<Metadata> metadata_;
};

}  // namespace

Result<void> decode_push(std::string_view request, PushVisitor& visitor) { return PushDecoder(visitor).run(request); }

}  // namespace pipeline
