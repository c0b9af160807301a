#include "agent/sink/batch_parts.h"

#include <doctest/doctest.h>

#include "agent/sink/body_encoding.h"
#include "agent/sink/open_batch.h"
#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"

namespace agent {
namespace {

// Entries 1, 2, ... of `streams` in turn.
ClosedBatch batch_of(int entries, const std::vector<std::string>& streams,
                     Compression encoding = Compression::kSnappy) {
  OpenBatch open("team", 1 << 20);
  for (int i = 0; i < entries; i++) {
    pipeline::Metadata metadata{"n", "v"};
    open.add(open.stream(streams[static_cast<size_t>(i) % streams.size()]), 1000 + i, "line " + std::to_string(i + 1),
             {&metadata, i % 2 == 0 ? size_t{1} : size_t{0}});
  }
  auto content = open.take(encoding);
  ClosedBatch batch;
  batch.number = {1, 1};
  batch.tenant = "team";
  batch.encoding = encoding;
  batch.body = std::make_shared<const std::string>(std::move(content.body));
  batch.volume = content.volume;
  batch.hold = 7;
  return batch;
}

std::vector<pipeline::CollectedStream> streams_of(const ClosedBatch& batch) {
  pipeline::ByteBuffer plain;
  REQUIRE(uncompress_body(*batch.body, batch.encoding, plain));
  pipeline::PushCollector collector;
  REQUIRE(pipeline::decode_push(plain.view(), collector));
  return collector.streams;
}

TEST_SUITE("agent/sink") {
  TEST_CASE("batch parts: halves have every entry once, in order, whatever the encoding") {
    for (Compression encoding :
         {Compression::kSnappy, Compression::kGzip, Compression::kZstd, Compression::kIdentity}) {
      for (int entries : {2, 3, 7, 100}) {
        ClosedBatch batch = batch_of(entries, {"{a=\"1\"}", "{a=\"2\"}", "{a=\"3\"}"}, encoding);
        auto halves = split_batch(batch, {1, 5}, {1, 6});
        REQUIRE(halves);
        auto& [first, second] = *halves;
        CHECK(first.number == BatchNumber{1, 5});
        CHECK(second.number == BatchNumber{1, 6});
        CHECK(first.tenant == "team");
        CHECK(first.hold == 7);
        CHECK(first.volume.entries == static_cast<uint64_t>(entries / 2));
        CHECK(first.volume.entries + second.volume.entries == batch.volume.entries);
        CHECK(first.volume.bytes + second.volume.bytes == batch.volume.bytes);
        std::vector<pipeline::CollectedEntry> all, joined;
        for (auto& stream : streams_of(batch)) all.insert(all.end(), stream.entries.begin(), stream.entries.end());
        for (const ClosedBatch* half : {&first, &second})
          for (auto& stream : streams_of(*half)) {
            CHECK(!stream.entries.empty());
            joined.insert(joined.end(), stream.entries.begin(), stream.entries.end());
          }
        CHECK(all == joined);
        CHECK(*split_batch(batch, {1, 5}, {1, 6})->first.body == *first.body);  // the same again
      }
    }
  }

  TEST_CASE("batch parts: one entry is not split, and neither is what is no batch") {
    auto one = split_batch(batch_of(1, {"{a=\"1\"}"}), {1, 5}, {1, 6});
    REQUIRE(!one);
    CHECK(one.error().code == pipeline::Errc::kOverLimit);
    ClosedBatch broken = batch_of(2, {"{a=\"1\"}"});
    broken.body = std::make_shared<const std::string>("nonsense");
    CHECK(!split_batch(broken, {1, 5}, {1, 6}));
    CHECK(!batch_as_json(broken, {}, ""));
  }

  TEST_CASE("batch parts: refused entries are counted by reason, a refused stream with all its entries") {
    ClosedBatch batch = batch_of(10, {"{a=\"1\", b=\"x\"}", "{a=\"2\"}"});
    using Counts = std::map<std::string, uint64_t>;
    CHECK(count_refused(batch, {{"line_too_long", 3, ""}}) == Counts{{"line_too_long", 3}});
    CHECK(count_refused(batch, {{"label_name_too_long", 0, "{a=\"1\",b=\"x\", service_name=\"s\"}"}}) ==
          Counts{{"label_name_too_long", 5}});
    CHECK(count_refused(batch, {{"invalid_labels", 0, ""}}) == Counts{{"invalid_labels", 10}});
    CHECK(count_refused(batch, {{"a", 8, ""}, {"b", 5, ""}}) == Counts{{"a", 8}, {"b", 2}});
    CHECK(count_refused(batch, {}).empty());
    CHECK(count_refused(batch, {{"label_name_too_long", 0, "{a=\"9\"}"}}) == Counts{{"label_name_too_long", 10}});
  }

  TEST_CASE("batch parts: dead letters are JSON lines of the refused streams, or of all") {
    ClosedBatch batch = batch_of(2, {"{a=\"1\"}", "{a=\"2\"}"});
    auto all = batch_as_json(batch, {}, ",\"reason\":\"x\"");
    REQUIRE(all);
    CHECK(*all ==
          "{\"timestamp\":\"1970-01-01T00:00:00.000001Z\",\"labels\":{\"a\":\"1\"},\"line\":\"line 1\","
          "\"structured_metadata\":{\"n\":\"v\"},\"reason\":\"x\"}\n"
          "{\"timestamp\":\"1970-01-01T00:00:00.000001001Z\",\"labels\":{\"a\":\"2\"},\"line\":\"line 2\","
          "\"reason\":\"x\"}\n");
    CHECK(*batch_as_json(batch, {{"r", 1, "{a=\"9\"}"}}, ",\"reason\":\"x\"") == *all);
    CHECK(*batch_as_json(batch, {{"r", 1, "{a=\"2\"}"}}, "") ==
          "{\"timestamp\":\"1970-01-01T00:00:00.000001001Z\",\"labels\":{\"a\":\"2\"},\"line\":\"line 2\"}\n");
  }
}

}  // namespace
}  // namespace agent
