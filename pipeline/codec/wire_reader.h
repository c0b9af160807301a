// WireReader: walks one message of the protobuf wire format, without a copy: texts are views into its bytes.
//
//   WireFault fault;
//   for (WireReader reader(bytes, fault); !reader.at_end();) {
//     WireTag tag = reader.tag();
//     if (tag.field == 1) name = reader.bytes_of(tag, "Name"); else reader.skip(tag);
//   }
//   if (!fault.empty()) ...
//
// Errors:  the first one is kept in the fault that all readers of one request share, in the words of Go's protobuf:
//          bytes that end early, overlong varints, illegal tags, a known field with another wire type.
// Limits:  groups nested up to kMaxGroupDepth. Never reads outside its bytes.
// Thread:  any.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "pipeline/base/concat.h"

namespace pipeline {

inline constexpr int kMaxGroupDepth = 100;  // protobuf's own bound

struct WireTag {
  enum Type : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroupBegin = 3, kGroupEnd = 4, kFixed32 = 5 };
  uint32_t field = 0, wire = 0;
};

// What went wrong, said once; every reader of one request shares it. A failed reader is at its end.
struct WireFault {
  std::string text;
  bool empty() const { return text.empty(); }
};

// Walks one message. After a fault every method gives zeros and at_end() is true, so loops end by themselves.
class WireReader {
 public:
  WireReader(std::string_view bytes, WireFault& fault)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()), fault_(fault) {}

  bool at_end() const { return at_ == end_; }

  uint64_t varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) [[likely]]
      return static_cast<uint8_t>(*at_++);
    return long_varint();
  }

  WireTag tag() {
    uint64_t v = varint();
    uint64_t field = v >> 3;
    if (field == 0 || field > 0x1fffffff) [[unlikely]] {
      illegal_tag(v);
      return {};
    }
    return {static_cast<uint32_t>(field), static_cast<uint32_t>(v & 7)};
  }

  std::string_view bytes() {
    uint64_t n = length();
    if (n > static_cast<uint64_t>(end_ - at_)) [[unlikely]] {
      ends_early();
      return {};
    }
    std::string_view out(at_, static_cast<size_t>(n));
    at_ += n;
    return out;
  }

  // The bytes of a known field, whose wire type must be 2.
  std::string_view bytes_of(WireTag tag, std::string_view name) {
    if (tag.wire == WireTag::kBytes) [[likely]]
      return bytes();
    wrong_wire(tag, name);
    return {};
  }
  uint64_t varint_of(WireTag tag, std::string_view name) {
    if (tag.wire == WireTag::kVarint) [[likely]]
      return varint();
    wrong_wire(tag, name);
    return 0;
  }
  uint64_t fixed64_of(WireTag tag, std::string_view name) { return fixed_of<uint64_t>(tag, WireTag::kFixed64, name); }
  uint32_t fixed32_of(WireTag tag, std::string_view name) { return fixed_of<uint32_t>(tag, WireTag::kFixed32, name); }

  void skip(WireTag tag, int depth = 0) {
    switch (tag.wire) {
      case WireTag::kVarint: varint(); return;
      case WireTag::kFixed64: skip_fixed(8); return;
      case WireTag::kBytes: bytes(); return;
      case WireTag::kFixed32: skip_fixed(4); return;
      case WireTag::kGroupBegin: skip_group(tag, depth); return;
      default:
        if (fault_.empty()) set_fault(concat("proto: illegal wireType ", tag.wire));
    }
  }

  void set_fault(std::string text) {
    if (fault_.empty()) fault_.text = std::move(text);
    at_ = end_;
  }

 private:
  // A varint of one or two bytes without a jump, for lengths lie on both sides of 128.
  uint64_t length() {
    if (end_ - at_ >= 2) [[likely]] {
      const uint64_t low = static_cast<uint8_t>(at_[0]), high = static_cast<uint8_t>(at_[1]), two = low >> 7;
      if ((two & high >> 7) == 0) [[likely]] {
        at_ += 1 + two;
        return (low & 0x7f) | (high & -two) << 7;
      }
    }
    return varint();
  }

  [[gnu::noinline]] uint64_t long_varint() {
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

  template <class Number>
  Number fixed_of(WireTag tag, WireTag::Type wire, std::string_view name) {
    Number n = 0;
    if (tag.wire != wire) {
      wrong_wire(tag, name);
    } else if (sizeof n > static_cast<size_t>(end_ - at_)) {
      set_fault("unexpected EOF");
    } else {
      std::memcpy(&n, at_, sizeof n);  // little-endian, as we are
      at_ += sizeof n;
    }
    return n;
  }

  void skip_fixed(size_t n) {
    if (n > static_cast<size_t>(end_ - at_)) return set_fault("unexpected EOF");
    at_ += n;
  }

  void skip_group(WireTag begin, int depth) {
    if (depth >= kMaxGroupDepth) return set_fault("proto: groups nested too deeply");
    while (!at_end()) {
      WireTag inner = tag();
      if (inner.wire == WireTag::kGroupEnd && inner.field == begin.field) return;
      skip(inner, depth + 1);
    }
    set_fault("unexpected EOF");
  }

  [[gnu::cold, gnu::noinline]] void illegal_tag(uint64_t v) {
    if (fault_.empty()) set_fault(concat("proto: illegal tag ", v >> 3, " (wire type ", v & 7, ")"));
  }
  [[gnu::cold, gnu::noinline]] void ends_early() { set_fault("unexpected EOF"); }
  [[gnu::cold, gnu::noinline]] void wrong_wire(WireTag tag, std::string_view name) {
    set_fault(concat("proto: wrong wireType = ", tag.wire, " for field ", name));
  }

  const char* at_;
  const char* end_;
  WireFault& fault_;
};

}  // namespace pipeline
