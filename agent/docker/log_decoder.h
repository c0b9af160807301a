// DockerLogDecoder: the lines in the bytes of `GET /containers/ID/logs?timestamps=1` (agent.md 4.5).
//
//   multiplexed   frames {stream: 1 stdout, 2 stderr; 0; 0; 0; length: u32 big-endian} and then `TIME SP text`
//   terminal      `TIME SP text CR LF`, no frames, one stream
//
// The daemon cuts lines into chunks of 16 KiB, each with the line's time in front: they are joined again up to the line
// feed. A shorter chunk without a line feed, and then another time, is the last word of a container that was started
// again. Bytes may be cut anywhere.
//
// Thread:  one owner.
// Limits:  holds at most max_line_bytes of a line for each stream; the rest of a longer one is cut, counted.
// Errors:  feed() answers kCorrupt for what can be no frame: the stream is to be opened anew.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/parse/cri.h"

namespace agent {

class DockerLogDecoder {
 public:
  struct Line {
    bool is_stderr = false;
    pipeline::UnixNanos time = 0;        // of its first chunk; 0: it had none
    pipeline::UnixNanos open_since = 0;  // not 0: the other stream is inside a line that began then
    std::string_view text;               // dies with the call
  };
  using OnLine = std::function<void(const Line&)>;

  DockerLogDecoder(bool terminal, size_t max_line_bytes);

  pipeline::Result<void> feed(std::string_view bytes, const OnLine& on_line);
  // The container has written its last: a line without an end is a line. True: there was one.
  bool finish(const OnLine& on_line);

  uint64_t cut_bytes() const { return cut_bytes_; }      // since the start
  uint64_t time_faults() const { return time_faults_; }  // lines without a time in front

 private:
  struct Stream {
    std::string text;     // of the line under way
    std::string head;     // of its chunk: perhaps a time
    bool in_head = true;  // the chunk's time has not been seen whole
    bool open = false;    // text, or a chunk, of a line has come
    pipeline::UnixNanos time = 0;
    size_t chunk_bytes = 0;  // of text since the last time
  };
  pipeline::Result<void> read_header(std::string_view& bytes);
  void take(Stream& stream, std::string_view bytes, const OnLine& on_line);
  std::string_view take_head(Stream& stream, std::string_view bytes, const OnLine& on_line);
  bool end_head(Stream& stream, bool is_time, const OnLine& on_line);
  void append(Stream& stream, std::string_view bytes);
  void end_line(Stream& stream, const OnLine& on_line);

  const bool terminal_;
  const size_t max_line_bytes_;
  pipeline::Rfc3339Parser times_;
  Stream streams_[2];  // stdout, stderr
  std::string header_;
  uint64_t missing_ = 0;  // of the frame's payload
  size_t current_ = 0;    // the frame's stream
  uint64_t cut_bytes_ = 0, time_faults_ = 0;
};

}  // namespace agent
