#include "pipeline/codec/push_reader.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "pipeline/base/concat.h"

namespace pipeline {

namespace {

enum Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroupBegin = 3, kGroupEnd = 4, kFixed32 = 5 };

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kFirstSecond = -62'135'596'800, kLastSecond = 253'402'300'799;  // years 1 to 9999, as protobuf says
constexpr int kMaxGroupDepth = 100;                                               // protobuf's own bound

struct Tag {
  uint32_t field = 0, wire = 0;
};

// What went wrong, said once; every reader of one request shares it. A failed reader is at its end.
struct Fault {
  std::string text;
  bool empty() const { return text.empty(); }
};

// Walks one message. After a fault every method gives zeros and at_end() is true, so loops end by themselves.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, Fault& fault)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), fault_(fault) {}

  bool at_end() const { return at_ == end_; }

  uint64_t varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) [[likely]]
      return static_cast<uint8_t>(*at_++);
    return long_varint();
  }

  Tag tag() {
    uint64_t v = varint();
    uint64_t field = v >> 3;
    if (field == 0 || field > 0x1fffffff) {
      if (fault_.empty()) set_fault(concat("proto: illegal tag ", field, " (wire type ", v & 7, ")"));
      return {};
    }
    return {static_cast<uint32_t>(field), static_cast<uint32_t>(v & 7)};
  }

  std::string_view bytes() {
    uint64_t n = varint();
    if (n > static_cast<uint64_t>(end_ - at_)) [[unlikely]] {
      set_fault("unexpected EOF");
      return {};
    }
    std::string_view out(at_, static_cast<size_t>(n));
    at_ += n;
    return out;
  }

  // The bytes of a known field, whose wire type must be 2.
  std::string_view bytes_of(Tag tag, std::string_view name) {
    if (tag.wire == kBytes) [[likely]]
      return bytes();
    wrong_wire(tag, name);
    return {};
  }
  uint64_t varint_of(Tag tag, std::string_view name) {
    if (tag.wire == kVarint) [[likely]]
      return varint();
    wrong_wire(tag, name);
    return 0;
  }

  void skip(Tag tag, int depth = 0) {
    switch (tag.wire) {
      case kVarint: varint(); return;
      case kFixed64: skip_fixed(8); return;
      case kBytes: bytes(); return;
      case kFixed32: skip_fixed(4); return;
      case kGroupBegin: skip_group(tag, depth); return;
      default:
        if (fault_.empty()) set_fault(concat("proto: illegal wireType ", tag.wire));
    }
  }

  void set_fault(std::string text) {
    if (fault_.empty()) fault_.text = std::move(text);
    at_ = end_;
  }

 private:
  uint64_t long_varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) {
        set_fault("unexpected EOF");
        return 0;
      }
      auto byte = static_cast<uint8_t>(*at_++);
      if (shift < 64) v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    set_fault("proto: integer overflow");
    return 0;
  }

  void skip_fixed(size_t n) {
    if (n > static_cast<size_t>(end_ - at_)) return set_fault("unexpected EOF");
    at_ += n;
  }

  void skip_group(Tag begin, int depth) {
    if (depth >= kMaxGroupDepth) return set_fault("proto: groups nested too deeply");
    while (!at_end()) {
      Tag inner = tag();
      if (inner.wire == kGroupEnd && inner.field == begin.field) return;
      skip(inner, depth + 1);
    }
    set_fault("unexpected EOF");
  }

  void wrong_wire(Tag tag, std::string_view name) {
    set_fault(concat("proto: wrong wireType = ", tag.wire, " for field ", name));
  }

  const char* at_;
  const char* end_;
  Fault& fault_;
};

UnixNanos to_nanos(int64_t seconds, int64_t nanos) {
  using Limits = std::numeric_limits<UnixNanos>;
  UnixNanos time = 0;
  if (__builtin_mul_overflow(seconds, kNanosPerSecond, &time) || __builtin_add_overflow(time, nanos, &time)) {
    // seconds * 1e9 may leave the range at its lower end although the sum would not; so close to 1678 nobody cares
    return seconds < 0 ? Limits::min() : Limits::max();
  }
  return time;
}

class PushDecoder {
 public:
  explicit PushDecoder(PushVisitor& visitor) : visitor_(visitor) {}

  Result<void> run(std::string_view request) {
    MessageReader reader(request, fault_);
    while (!reader.at_end()) {
      Tag tag = reader.tag();
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
    for (MessageReader reader(stream, fault_); !reader.at_end();) {
      Tag tag = reader.tag();
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
    for (MessageReader reader(stream, fault_); !reader.at_end();) {
      Tag tag = reader.tag();
      if (tag.field == 2) {
        decode_entry(reader.bytes());
        if (!fault_.empty()) return;
      } else {
        reader.skip(tag);
      }
    }
  }

  void decode_entry(std::string_view entry) {
    MessageReader reader(entry, fault_);
    UnixNanos time = 0;
    std::string_view line;
    metadata_.clear();
    while (!reader.at_end()) {
      Tag tag = reader.tag();
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

  UnixNanos decode_time(std::string_view timestamp) {
    MessageReader reader(timestamp, fault_);
    int64_t seconds = 0;
    int32_t nanos = 0;
    while (!reader.at_end()) {
      Tag tag = reader.tag();
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
    MessageReader reader(pair, fault_);
    Metadata out;
    while (!reader.at_end()) {
      Tag tag = reader.tag();
      switch (tag.field) {
        case 1: out.name = reader.bytes_of(tag, "Name"); break;
        case 2: out.value = reader.bytes_of(tag, "Value"); break;
        default: reader.skip(tag);
      }
    }
    return out;
  }

  PushVisitor& visitor_;
  Fault fault_;
  std::vector<Metadata> metadata_;
};

}  // namespace

Result<void> decode_push(std::string_view request, PushVisitor& visitor) { return PushDecoder(visitor).run(request); }

}  // namespace pipeline
