#include "pipeline/parse/syslog_frames.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pipeline {
namespace {

constexpr uint64_t kLargestFrame = 16 << 20;  // no sender makes such messages: a length above it is none
constexpr unsigned kMostDigits = 8;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_trailer(char c) { return c == '\n' || c == '\0'; }

std::string_view without_trailer(std::string_view frame) {
  while (!frame.empty() && (is_trailer(frame.back()) || frame.back() == '\r')) frame.remove_suffix(1);
  return frame;
}

size_t find_byte(std::string_view bytes, size_t from, size_t to, char c) {
  const void* at = from < to ? std::memchr(bytes.data() + from, c, to - from) : nullptr;
  return at ? static_cast<size_t>(static_cast<const char*>(at) - bytes.data()) : to;
}

std::string shown(char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  auto byte = static_cast<uint8_t>(c);
  if (byte > 0x20 && byte < 0x7f) return concat("'", std::string_view(&c, 1), "'");
  return concat("0x", std::string_view(&kHex[byte >> 4], 1), std::string_view(&kHex[byte & 15], 1));
}

}  // namespace

Result<void> SyslogFrames::feed(std::string_view bytes, const OnFrame& on_frame) {
  if (bytes.empty()) return {};
  if (framing_ == Framing::kUnknown) {
    if (trailer_ != SyslogTrailer::kNextMessage || bytes.front() == '<') {
      framing_ = Framing::kTrailer;
    } else if (is_digit(bytes.front())) {
      framing_ = Framing::kCounted;
    } else {
      return fail(Errc::kInvalid, concat("invalid or unsupported framing. first byte: ", shown(bytes.front())));
    }
  }
  if (framing_ == Framing::kCounted) return feed_counted(bytes, on_frame);
  feed_trailer(bytes, on_frame);
  return {};
}

Result<void> SyslogFrames::feed_counted(std::string_view bytes, const OnFrame& on_frame) {
  while (true) {
    if (!in_body_) TRY(read_length(bytes));
    if (bytes.empty()) return {};
    std::string_view part = bytes.substr(0, missing_);
    bytes.remove_prefix(part.size());
    missing_ -= part.size();
    if (missing_ > 0) {
      hold(part);
      return {};
    }
    in_body_ = false;
    hand_on(part, on_frame);
  }
}

// Reads `LENGTH SP`, as far as it has come; in_body_ when it is there.
Result<void> SyslogFrames::read_length(std::string_view& bytes) {
  while (digits_ == 0 && !bytes.empty() && (is_trailer(bytes.front()) || bytes.front() == '\r')) {
    bytes.remove_prefix(1);  // senders that end their counted messages with a line feed, uncounted
  }
  while (!bytes.empty()) {
    char c = bytes.front();
    bytes.remove_prefix(1);
    if (c == ' ' && digits_ > 0) {
      missing_ = length_;
      length_ = digits_ = 0;
      in_body_ = true;
      return {};
    }
    if (!is_digit(c) || (digits_ == 0 && c == '0')) {
      return fail(Errc::kInvalid, concat("octet counting: ", shown(c), " stands where a message's length should be"));
    }
    length_ = length_ * 10 + static_cast<uint64_t>(c - '0');
    if (++digits_ > kMostDigits || length_ > kLargestFrame) {
      return fail(Errc::kInvalid, concat("octet counting: a message of ", length_, " bytes or more is announced"));
    }
  }
  return {};
}

// Where the message that begins before or with `bytes` ends; npos: not here.
size_t SyslogFrames::find_end(std::string_view bytes) const {
  if (trailer_ == SyslogTrailer::kLine) return bytes.find('\n');
  if (trailer_ == SyslogTrailer::kNul) return bytes.find('\0');
  for (size_t at = 0; at < bytes.size(); ++at) {
    at = find_byte(bytes, at, find_byte(bytes, at, bytes.size(), '\n'), '\0');
    if (at + 1 < bytes.size() && bytes[at + 1] == '<') return at;
  }
  return bytes.npos;
}

void SyslogFrames::feed_trailer(std::string_view bytes, const OnFrame& on_frame) {
  if (bytes.front() == '<') flush(on_frame);
  for (size_t end; (end = find_end(bytes)) != bytes.npos;) {
    hand_on(bytes.substr(0, end), on_frame);
    bytes.remove_prefix(end + 1);
  }
  if (bytes.empty()) return;
  hold(bytes);
  last_is_trailer_ = is_trailer(bytes.back());
}

bool SyslogFrames::ends_with_trailer() const { return last_is_trailer_ && trailer_ == SyslogTrailer::kNextMessage; }

void SyslogFrames::flush(const OnFrame& on_frame) {
  if (!has_whole()) return;
  if (dropped_ > 0) {
    --dropped_;
  } else {
    held_.pop_back();
  }
  hand_on({}, on_frame);
}

bool SyslogFrames::finish(const OnFrame& on_frame) {
  bool torn = in_body_ || digits_ > 0;
  flush(on_frame);
  hand_on({}, on_frame);
  return torn;
}

void SyslogFrames::hold(std::string_view bytes) {
  size_t kept = std::min(bytes.size(), max_bytes_ - std::min(max_bytes_, held_.size()));
  held_.append(bytes.substr(0, kept));
  dropped_ += bytes.size() - kept;
}

void SyslogFrames::hand_on(std::string_view last, const OnFrame& on_frame) {
  last_is_trailer_ = false;
  std::string_view frame = last.substr(0, max_bytes_);
  if (held_.empty() && dropped_ == 0) {
    dropped_ = last.size() - frame.size();
  } else {
    hold(last);
    frame = held_;
  }
  if (dropped_ > 0) {
    ++cut_frames_;
    cut_bytes_ += std::exchange(dropped_, 0);
  }
  frame = without_trailer(frame);
  if (!frame.empty()) on_frame(frame);
  held_.clear();
}

}  // namespace pipeline
