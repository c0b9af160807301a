#include "agent/sink/open_batch.h"

#include <doctest/doctest.h>

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

namespace agent {
namespace {

using pipeline::ByteBuffer;
using pipeline::PushCollector;

std::vector<pipeline::CollectedStream> decode(std::string_view body) {
  PushCollector collector;
  REQUIRE(pipeline::decode_push(body, collector));
  return collector.streams;
}

TEST_SUITE("agent/sink") {
  TEST_CASE("open batch: groups entries by stream in the order of their first entry") {
    OpenBatch batch("", 1 << 20);
    uint32_t a = batch.stream(R"({app="a"})"), b = batch.stream(R"({app="b"})");
    CHECK(batch.stream(R"({app="a"})") == a);
    batch.add(b, 10, "one", {});
    batch.add(a, 11, "two", {});
    batch.add(b, 12, "three", {});
    std::vector<pipeline::Metadata> metadata{{"trace", "x"}};
    batch.add(b, 12, "three", metadata);
    batch.add(b, 12, "three", {});
    CHECK(batch.volume().entries == 5);
    auto streams = decode(batch.take(Compression::kIdentity).body);
    REQUIRE(streams.size() == 2);
    CHECK(streams[0].labels == R"({app="b"})");
    REQUIRE(streams[0].entries.size() == 4);
    CHECK(streams[0].entries[2].metadata[0].second == "x");
    CHECK(streams[0].entries[3].time == 13);  // equal to an entry before
    CHECK(streams[1].entries[0].line == "two");
    CHECK(batch.empty());
  }

  TEST_CASE("open batch: starts empty again after it was taken, without any stream of before") {
    OpenBatch batch("", 1 << 20);
    batch.add(batch.stream(R"({app="a"})"), 10, "one", {});
    batch.take(Compression::kIdentity);
    batch.add(batch.stream(R"({app="b"})"), 5, "two", {});
    auto streams = decode(batch.take(Compression::kIdentity).body);
    REQUIRE(streams.size() == 1);
    CHECK(streams[0].labels == R"({app="b"})");
    CHECK(streams[0].entries[0].time == 5);
  }

  TEST_CASE("open batch: does not keep streams, or memory, that a later batch has no use for") {
    OpenBatch batch("", 1000);
    uint64_t generation = batch.generation();
    for (int i = 0; i < 500; i++) batch.add(batch.stream(pipeline::concat("{n=\"", i, "\"}")), 1, "x", {});
    batch.take(Compression::kIdentity);
    CHECK(batch.generation() != generation);
  }

  TEST_CASE("open batch: joins lines that follow each other in bytes and read time, and only those") {
    OpenBatch batch("", 1 << 20);
    auto labels = std::make_shared<const std::string>("{}"), other = std::make_shared<const std::string>("{a=\"1\"}");
    uint32_t s = batch.stream("{a=\"b\"}");
    auto add = [&](uint64_t file, const auto& with, pipeline::ByteRange origin) {
      batch.add(s, origin.read_time, "x", {});
      return batch.note({file}, with, origin);
    };
    CHECK(add(1, labels, {0, 10, 100}));
    CHECK(!add(1, labels, {10, 20, 101}));
    CHECK(!add(1, labels, {30, 40, 103}));  // a line was dropped
    CHECK(!add(1, labels, {40, 50, 200}));  // another read
    CHECK(add(2, labels, {0, 10, 201}));    // another file
    CHECK(!add(1, labels, {50, 60, 202}));  // and back
    CHECK(!add(1, other, {60, 70, 203}));   // other labels
    CHECK(!add(2, labels, {10, 20, 300}));
    auto content = batch.take(Compression::kSnappy);
    REQUIRE(content.segments.size() == 5);
    CHECK(content.segments[0].ranges == std::vector<LineRange>{{0, 20, 100}, {30, 40, 103}, {40, 50, 200}});
    CHECK(content.segments[1].file == FileId{2});
    CHECK(content.segments[3].labels == other);
    CHECK(content.files == std::vector<FileId>{{1}, {2}});
  }

  TEST_CASE("open batch: every compression gives the same request") {
    auto body_in = [](Compression compression) {
      OpenBatch batch("", 1 << 20);
      for (int i = 0; i < 1000; i++) batch.add(batch.stream("{a=\"b\"}"), i, "hello hello hello", {});
      return batch.take(compression).body;
    };
    std::string plain = body_in(Compression::kIdentity);
    ByteBuffer out;
    REQUIRE(pipeline::snappy_uncompress(body_in(Compression::kSnappy), 1 << 30, out));
    CHECK(out.view() == plain);
    ByteBuffer block;  // Loki: gunzip, then snappy
    REQUIRE(pipeline::gunzip(body_in(Compression::kGzip), 1 << 30, block));
    REQUIRE(pipeline::snappy_uncompress(block.view(), 1 << 30, out));
    CHECK(out.view() == plain);
    REQUIRE(pipeline::zstd_decompress_body(body_in(Compression::kZstd), 1 << 30, out));
    CHECK(out.view() == plain);
  }
}

}  // namespace
}  // namespace agent
