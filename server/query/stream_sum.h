// A hash of the labels of a stream, the same wherever the stream lies: in an object or in the head. No label set is
// made for it. Equal sums are taken for equal sets (128 bits).
#pragma once

#include "pipeline/base/hash.h"
#include "server/ingest/stream.h"
#include "server/store/object_reader.h"

namespace server {

class StreamSum {
 public:
  void add(std::string_view name, std::string_view value) {
    constexpr uint64_t kOther = 0x9e3779b97f4a7c15;
    const uint64_t named = pipeline::hash64(name);
    sum_.low += pipeline::hash64(value, named);
    sum_.high += pipeline::hash64(value, named ^ kOther);
  }
  const pipeline::Hash128& sum() const { return sum_; }

 private:
  pipeline::Hash128 sum_;
};

inline pipeline::Hash128 stream_sum(const ObjectReader& object, const StreamInfo& stream) {
  StreamSum sum;
  for (uint32_t i = 0; i < stream.label_count; ++i) {
    const auto [name, value] = object.label(stream, i);
    sum.add(name, value);
  }
  return sum.sum();
}

inline pipeline::Hash128 stream_sum(const Stream& stream) {
  StreamSum sum;
  for (const auto& [name, value] : stream.label_views()) sum.add(name, value);
  return sum.sum();
}

}  // namespace server
