#include "agent/docker/log_decoder.h"

#include <algorithm>

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
constexpr size_t kHeaderBytes = 8;
constexpr size_t kLongestTime = 35;   // 2026-11-21T17:00:00.000000001+00:00
constexpr size_t kShortestTime = 20;  // 2026-11-21T17:00:00Z
constexpr size_t kChunkBytes = 16 << 10;
constexpr uint32_t kLargestFrame = 64 << 20;  // the daemon's are about 16 KiB: what announces more is no frame
}  // namespace

DockerLogDecoder::DockerLogDecoder(bool terminal, size_t max_line_bytes)
    : terminal_(terminal), max_line_bytes_(max_line_bytes) {}

Result<void> DockerLogDecoder::feed(std::string_view bytes, const OnLine& on_line) {
  if (terminal_) {
    take(streams_[0], bytes, on_line);
    return {};
  }
  while (!bytes.empty()) {
    if (missing_ == 0) {
      TRY(read_header(bytes));
      continue;
    }
    std::string_view part = bytes.substr(0, missing_);
    bytes.remove_prefix(part.size());
    missing_ -= part.size();
    Stream& stream = streams_[current_];
    take(stream, part, on_line);
    if (missing_ == 0 && stream.in_head && !stream.head.empty())
      end_head(stream, false, on_line);        // a frame without a time
    if (missing_ == 0) stream.in_head = true;  // the next frame has one again
  }
  return {};
}

Result<void> DockerLogDecoder::read_header(std::string_view& bytes) {
  size_t size = std::min(kHeaderBytes - header_.size(), bytes.size());
  header_.append(bytes.substr(0, size));
  bytes.remove_prefix(size);
  if (header_.size() < kHeaderBytes) return {};
  auto at = [this](size_t i) { return static_cast<uint8_t>(header_[i]); };
  uint32_t length = static_cast<uint32_t>(at(4)) << 24 | static_cast<uint32_t>(at(5)) << 16 |
                    static_cast<uint32_t>(at(6)) << 8 | static_cast<uint32_t>(at(7));
  uint8_t stream = at(0);
  bool sound = stream <= 2 && at(1) == 0 && at(2) == 0 && at(3) == 0 && length <= kLargestFrame;
  header_.clear();
  if (!sound) return fail(Errc::kCorrupt, concat("container log: no frame begins with byte ", stream));
  current_ = stream == 2 ? 1 : 0;
  missing_ = length;
  return {};
}

void DockerLogDecoder::take(Stream& stream, std::string_view bytes, const OnLine& on_line) {
  while (!bytes.empty()) {
    if (stream.in_head) {
      bytes = take_head(stream, bytes, on_line);
      continue;
    }
    size_t end = bytes.find('\n');
    size_t size = std::min(end, bytes.size());
    if (terminal_) size = std::min(size, kChunkBytes - stream.chunk_bytes);
    append(stream, bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (size == end) {
      bytes.remove_prefix(1);
      end_line(stream, on_line);
    } else if (terminal_ && stream.chunk_bytes == kChunkBytes && !bytes.empty()) {
      stream.in_head = bytes.front() != '\n';  // a further chunk, or the end of the line
    }
  }
}

// Gives back what is behind the time, as far as it has come.
std::string_view DockerLogDecoder::take_head(Stream& stream, std::string_view bytes, const OnLine& on_line) {
  stream.open = true;
  while (!bytes.empty() && stream.in_head) {
    char c = bytes.front();
    bool digit = c >= '0' && c <= '9';
    bool fits = digit || c == '-' || c == 'T' || c == ':' || c == '.' || c == 'Z' || c == '+';
    if (c == ' ' && stream.head.size() >= kShortestTime) {
      if (end_head(stream, true, on_line)) bytes.remove_prefix(1);
    } else if (!fits || stream.head.size() >= kLongestTime) {
      end_head(stream, false, on_line);
    } else {
      stream.head += c;
      bytes.remove_prefix(1);
    }
  }
  return bytes;
}

// True: it was a time.
bool DockerLogDecoder::end_head(Stream& stream, bool is_time, const OnLine& on_line) {
  std::string head;
  head.swap(stream.head);
  pipeline::UnixNanos time = 0;
  is_time = is_time && times_.parse(head, time);
  bool first = stream.text.empty() && stream.time == 0;
  if (!first && is_time && time != stream.time && stream.chunk_bytes < kChunkBytes) {
    end_line(stream, on_line);
    stream.open = first = true;
  }
  stream.in_head = false;
  stream.chunk_bytes = 0;
  if (first && is_time) stream.time = time;
  if (is_time) return true;
  if (first) ++time_faults_;
  append(stream, head);
  return false;
}

void DockerLogDecoder::append(Stream& stream, std::string_view bytes) {
  size_t kept = std::min(bytes.size(), max_line_bytes_ - std::min(max_line_bytes_, stream.text.size()));
  stream.text.append(bytes.substr(0, kept));
  cut_bytes_ += bytes.size() - kept;
  stream.chunk_bytes += bytes.size();
}

void DockerLogDecoder::end_line(Stream& stream, const OnLine& on_line) {
  if (terminal_ && stream.text.ends_with('\r')) stream.text.pop_back();
  const Stream& other = streams_[&stream == streams_ ? 1 : 0];
  on_line({.is_stderr = &stream != streams_,
           .time = stream.time,
           .open_since = other.open ? other.time : 0,
           .text = stream.text});
  stream.text.clear();
  stream.in_head = true, stream.open = false;
  stream.time = 0;
  stream.chunk_bytes = 0;
}

bool DockerLogDecoder::finish(const OnLine& on_line) {
  bool any = false;
  for (Stream& stream : streams_) {
    if (!stream.head.empty()) end_head(stream, false, on_line);
    if (stream.text.empty()) continue;
    end_line(stream, on_line);
    any = true;
  }
  return any;
}

}  // namespace agent
