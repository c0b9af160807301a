#include "pipeline/codec/push_writer.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/codec/push.pb.h"
#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"

using namespace pipeline;

namespace {

class RandomPush {
 public:
  explicit RandomPush(uint32_t seed) : random_(seed) {}

  std::vector<CollectedStream> make() {
    std::vector<CollectedStream> streams(number(4));
    for (CollectedStream& stream : streams) {
      stream.labels = text(40);
      stream.announced = number(20);
      for (size_t i = 0; i < stream.announced; ++i) stream.entries.push_back(entry());
    }
    return streams;
  }

 private:
  size_t number(size_t below) { return random_() % below; }
  std::string text(size_t max) {
    std::string out(number(8) == 0 ? 0 : number(max), '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }
  UnixNanos time() {
    switch (number(6)) {
      case 0: return 0;
      case 1: return static_cast<UnixNanos>(number(1'000'000'000));  // no seconds
      case 2: return static_cast<UnixNanos>(number(2'000'000'000)) * 1'000'000'000;
      case 3: return -static_cast<UnixNanos>(random_());
      case 4: return number(2) == 0 ? std::numeric_limits<UnixNanos>::min() : std::numeric_limits<UnixNanos>::max();
      default: return 1'700'000'000'000'000'000 + static_cast<UnixNanos>(random_());
    }
  }
  CollectedEntry entry() {
    CollectedEntry out{time(), text(number(5) == 0 ? 40'000 : 300), {}};
    for (size_t n = number(3) == 0 ? number(5) : 0; n > 0; --n) out.metadata.emplace_back(text(20), text(200));
    return out;
  }

  std::mt19937 random_;
};

std::string joined(const PushBody& body) {
  std::string out;
  for (std::string_view fragment : body.fragments()) out += fragment;
  return out;
}

std::string written_by_us(const std::vector<CollectedStream>& streams) {
  PushBody body;
  std::vector<ByteBuffer> buffers(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    for (const CollectedEntry& entry : streams[i].entries) {
      std::vector<Metadata> metadata;
      for (const auto& [name, value] : entry.metadata) metadata.push_back({name, value});
      size_t before = buffers[i].size();
      append_push_entry(buffers[i], entry.time, entry.line, metadata);
      REQUIRE(buffers[i].size() - before == push_entry_size(entry.time, entry.line, metadata));
    }
    body.add_stream(streams[i].labels, buffers[i].view());
  }
  std::string out = joined(body);
  REQUIRE(out.size() == body.size_bytes());
  return out;
}

std::string written_by_protobuf(const std::vector<CollectedStream>& streams) {
  push_schema::PushRequest request;
  for (const CollectedStream& stream : streams) {
    auto* s = request.add_streams();
    s->set_labels(stream.labels);
    for (const CollectedEntry& entry : stream.entries) {
      auto* e = s->add_entries();
      int64_t seconds = entry.time / 1'000'000'000, nanos = entry.time % 1'000'000'000;
      if (nanos < 0) seconds -= 1, nanos += 1'000'000'000;
      e->mutable_timestamp()->set_seconds(seconds);
      e->mutable_timestamp()->set_nanos(static_cast<int32_t>(nanos));
      e->set_line(entry.line);
      for (const auto& [name, value] : entry.metadata) {
        auto* pair = e->add_structuredmetadata();
        pair->set_name(name), pair->set_value(value);
      }
    }
  }
  return request.SerializeAsString();
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("codec: a push request of ours equals libprotobuf's byte for byte, and is read back as it was") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    for (uint32_t round = 0; round < 300; ++round) {
      CAPTURE(round);
      auto streams = RandomPush(seed + round).make();
      std::string ours = written_by_us(streams);
      REQUIRE((ours == written_by_protobuf(streams)));
      PushCollector read;
      REQUIRE(decode_push(ours, read).has_value());
      REQUIRE((read.streams == streams));
    }
  }

  TEST_CASE("codec: a push body without streams is empty, and can be used again after clear") {
    PushBody body;
    CHECK(body.empty());
    CHECK(body.fragments().empty());
    body.add_stream("{a=\"b\"}", "");
    CHECK(body.size_bytes() == 11);
    CHECK(joined(body) == "\x0a\x09\x0a\x07{a=\"b\"}");
    body.clear();
    CHECK(body.size_bytes() == 0);
    CHECK(body.fragments().empty());
  }

  TEST_CASE("codec: lines at the borders of a longer length are written right") {
    for (size_t n : {0u, 1u, 106u, 107u, 108u, 127u, 128u, 16'360u, 16'383u, 16'384u, 2'097'151u, 2'097'152u}) {
      CAPTURE(n);
      std::vector<CollectedStream> streams = {{"{}", 1, {{1'700'000'000'000'000'001, std::string(n, 'x'), {}}}}};
      CHECK((written_by_us(streams) == written_by_protobuf(streams)));
    }
  }
}
