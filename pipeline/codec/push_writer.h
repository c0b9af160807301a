// Push request, written: the protobuf wire format of Loki's push API by hand, at the speed of memcpy.
//
//   PushRequest { repeated Stream streams = 1; }
//   Stream      { string labels = 1; repeated Entry entries = 2; }           (hash = 3 is never written)
//   Entry       { Timestamp timestamp = 1; string line = 2; repeated LabelPair structuredMetadata = 3; }
//   LabelPair   { string name = 1; string value = 2; }      Timestamp { int64 seconds = 1; int32 nanos = 2; }
//
// proto3: a number 0 and an empty string are not written; the time of an entry always is, even if empty. The bytes
// equal libprotobuf's. A text must be shorter than 2 GiB, as protobuf demands.
//
// Per stream a ByteBuffer holds its entries, back to back; they need nothing around them until the body is sent:
//
//   append_push_entry(stream_buffer, time, line, metadata);                          // hot path
//   PushBody body; body.add_stream("{app=\"api\"}", stream_buffer.view()); ...
//   std::string sent = snappy_compress(body.fragments());                            // nothing is joined or copied
//
// Thread:  one buffer or body at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/varint.h"
#include "pipeline/model/batch.h"

namespace pipeline {

// Bytes append_push_entry() will add, its tag and length included.
size_t push_entry_size(UnixNanos time, std::string_view line, std::span<const Metadata> metadata = {});

// Adds one entry to the buffer of its stream.
void append_push_entry(ByteBuffer& stream, UnixNanos time, std::string_view line,
                       std::span<const Metadata> metadata = {});

// The fragments of one request: per stream a small header (made here) and the bytes of its buffer (looked at, not
// copied).
class PushBody {
 public:
  // `labels`: the text form {a="b"}, copied. `entries`: made by append_push_entry(), must outlive the body's use.
  void add_stream(std::string_view labels, std::string_view entries);

  // In order; joined they are the request. Views hold until the next add_stream() or clear().
  std::vector<std::string_view> fragments() const;
  size_t size_bytes() const { return size_bytes_; }
  bool empty() const { return streams_.empty(); }
  void clear();

 private:
  struct Stream {
    size_t header_end;  // in headers_
    std::string_view entries;
  };
  ByteBuffer headers_;
  std::vector<Stream> streams_;
  size_t size_bytes_ = 0;
};

}  // namespace pipeline
