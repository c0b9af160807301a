// SyslogFrames: the messages in the bytes of one connection (RFC 6587; agent.md 4.2, trap 38).
//
// The first byte of the connection chooses: a digit is octet counting (`LENGTH SP MESSAGE`), `<` is a message up to its
// trailer, a line feed or a NUL. A message with a trailer is over where the next one begins (`LF <`), so that lines
// that belong together stay together, or when flush() says that nothing more came; trailers and a carriage return at
// its end are no part of it. What is longer than `max_bytes` is cut.
//
// Thread:  one owner.
// Limits:  holds at most max_bytes and a few; a message that lies whole in one feed() is not copied.
// Errors:  feed() answers kInvalid when the bytes can belong to no framing: nothing after that can be told apart, so
//          the connection is to be closed (RFC 6587 knows no way to find the next frame).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

enum class SyslogTrailer : uint8_t {
  kNextMessage,  // LF (or NUL) and then `<`
  kLine,         // every LF: raw lines, whatever they begin with
  kNul,          // every NUL: the same
};

class SyslogFrames {
 public:
  // The view dies with the call; it never is empty.
  using OnFrame = std::function<void(std::string_view frame)>;

  SyslogFrames(size_t max_bytes, SyslogTrailer trailer) : max_bytes_(max_bytes), trailer_(trailer) {}

  Result<void> feed(std::string_view bytes, const OnFrame& on_frame);

  // Nothing more came for a while: a message whose trailer has been seen is over.
  void flush(const OnFrame& on_frame);
  bool has_whole() const { return framing_ == Framing::kTrailer && ends_with_trailer(); }

  // The connection is over. With octet counting a message that is not there whole is handed on as it is: true.
  bool finish(const OnFrame& on_frame);

  uint64_t cut_frames() const { return cut_frames_; }  // since the start
  uint64_t cut_bytes() const { return cut_bytes_; }
  size_t held_bytes() const { return held_.size(); }

 private:
  enum class Framing : uint8_t { kUnknown, kCounted, kTrailer };
  Result<void> feed_counted(std::string_view bytes, const OnFrame& on_frame);
  Result<void> read_length(std::string_view& bytes);
  void feed_trailer(std::string_view bytes, const OnFrame& on_frame);
  size_t find_end(std::string_view bytes) const;
  bool ends_with_trailer() const;
  void hold(std::string_view bytes);
  void hand_on(std::string_view last, const OnFrame& on_frame);

  const size_t max_bytes_;
  const SyslogTrailer trailer_;
  Framing framing_ = Framing::kUnknown;
  std::string held_;              // the beginning of the message under way, at most max_bytes_
  size_t dropped_ = 0;            // of the message under way: bytes beyond held_
  bool last_is_trailer_ = false;  // kTrailer: the last byte of the message under way
  uint64_t length_ = 0;           // kCounted: of the message under way, or the digits read so far
  uint64_t missing_ = 0;          // kCounted: bytes of it still to come
  unsigned digits_ = 0;           // kCounted: of length_
  bool in_body_ = false;          // kCounted
  uint64_t cut_frames_ = 0, cut_bytes_ = 0;
};

}  // namespace pipeline
