#include "pipeline/codec/push_writer.h"

namespace pipeline {

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// field number << 3 | wire type 2 (length, bytes) or 0 (varint)
constexpr char kRequestStreams = 0x0a, kStreamLabels = 0x0a, kStreamEntries = 0x12, kEntryTime = 0x0a,
               kEntryLine = 0x12, kEntryMetadata = 0x1a, kPairName = 0x0a, kPairValue = 0x12, kTimeSeconds = 0x08,
               kTimeNanos = 0x10;

struct WireTime {
  uint64_t seconds;  // two's complement, as protobuf writes an int64
  uint32_t nanos;    // [0, 1e9)
  uint32_t size;     // of the Timestamp message

  explicit WireTime(UnixNanos time) {
    int64_t s = time / kNanosPerSecond, n = time % kNanosPerSecond;
    if (n < 0) s -= 1, n += kNanosPerSecond;
    seconds = static_cast<uint64_t>(s);
    nanos = static_cast<uint32_t>(n);
    size = static_cast<uint32_t>((seconds != 0 ? 1 + varint_size(seconds) : 0) +
                                 (nanos != 0 ? 1 + varint_size(nanos) : 0));
  }
};

// Tag, length and bytes of a text; nothing for an empty one.
size_t text_size(std::string_view text) { return text.empty() ? 0 : 1 + varint_size(text.size()) + text.size(); }

size_t pair_size(const Metadata& pair) { return text_size(pair.name) + text_size(pair.value); }

size_t entry_content_size(const WireTime& time, std::string_view line, std::span<const Metadata> metadata) {
  size_t size = 2 + time.size + text_size(line);
  for (const Metadata& pair : metadata) {
    size_t n = pair_size(pair);
    size += 1 + varint_size(n) + n;
  }
  return size;
}

char* write_text(char* to, char tag, std::string_view text) {
  if (text.empty()) return to;
  *to++ = tag;
  to = write_varint(to, text.size());
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* write_time(char* to, const WireTime& time) {
  *to++ = kEntryTime;
  *to++ = static_cast<char>(time.size);
  if (time.seconds != 0) *to++ = kTimeSeconds, to = write_varint(to, time.seconds);
  if (time.nanos != 0) *to++ = kTimeNanos, to = write_varint(to, time.nanos);
  return to;
}

char* write_metadata(char* to, std::span<const Metadata> metadata) {
  for (const Metadata& pair : metadata) {
    *to++ = kEntryMetadata;
    to = write_varint(to, pair_size(pair));
    to = write_text(to, kPairName, pair.name);
    to = write_text(to, kPairValue, pair.value);
  }
  return to;
}

}  // namespace

size_t push_entry_size(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
  size_t content = entry_content_size(WireTime(time), line, metadata);
  return 1 + varint_size(content) + content;
}

void append_push_entry(ByteBuffer& stream, UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
  const WireTime wire_time(time);
  const size_t content = entry_content_size(wire_time, line, metadata);
  char* to = stream.room(1 + kMaxVarintBytes + content);
  *to++ = kStreamEntries;
  to = write_varint(to, content);
  to = write_time(to, wire_time);
  to = write_text(to, kEntryLine, line);
  if (!metadata.empty()) to = write_metadata(to, metadata);
  stream.advance_to(to);
}

void PushBody::add_stream(std::string_view labels, std::string_view entries) {
  const size_t before = headers_.size(), content = text_size(labels) + entries.size();
  char* to = headers_.room(1 + kMaxVarintBytes + text_size(labels));
  *to++ = kRequestStreams;
  to = write_varint(to, content);
  to = write_text(to, kStreamLabels, labels);
  headers_.advance_to(to);
  streams_.push_back({headers_.size(), entries});
  size_bytes_ += headers_.size() - before + entries.size();
}

std::vector<std::string_view> PushBody::fragments() const {
  std::vector<std::string_view> out;
  out.reserve(streams_.size() * 2);
  size_t begin = 0;
  for (const Stream& stream : streams_) {
    out.push_back(headers_.view().substr(begin, stream.header_end - begin));
    if (!stream.entries.empty()) out.push_back(stream.entries);
    begin = stream.header_end;
  }
  return out;
}

void PushBody::clear() {
  headers_.clear();
  streams_.clear();
  size_bytes_ = 0;
}

}  // namespace pipeline
