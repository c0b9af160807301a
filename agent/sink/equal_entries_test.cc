#include "agent/sink/equal_entries.h"

#include <doctest/doctest.h>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/push_writer.h"

namespace agent {
namespace {

using pipeline::ByteBuffer;
using pipeline::Metadata;

TEST_SUITE("agent/sink") {
  TEST_CASE("equal entries: the n-th of equal ones gets +n ns, others keep their time") {
    ByteBuffer stream;
    EqualEntries equal;
    CHECK(equal.append(stream, 100, "a", {}) == 100);
    CHECK(equal.append(stream, 100, "a", {}) == 101);
    CHECK(equal.append(stream, 100, "b", {}) == 100);
    CHECK(equal.append(stream, 100, "a", {}) == 102);
    CHECK(equal.append(stream, 50, "a", {}) == 50);
    CHECK(equal.append(stream, 101, "a", {}) == 103);  // 101 and 102 are taken by then
    std::vector<Metadata> metadata{{"k", "v"}};
    CHECK(equal.append(stream, 100, "a", metadata) == 100);
    CHECK(equal.append(stream, 100, "a", metadata) == 101);
  }

  TEST_CASE("equal entries: entries written without it count too") {
    ByteBuffer stream;
    for (int i = 0; i < 1000; i++) pipeline::append_push_entry(stream, i, "x");
    EqualEntries equal;
    CHECK(equal.append(stream, 500, "x", {}) == 1000);
    CHECK(equal.append(stream, 500, "y", {}) == 500);
    stream.clear(), equal.clear();
    CHECK(equal.append(stream, 500, "x", {}) == 500);
  }

  TEST_CASE("equal entries: no two entries come out equal, and the same input gives the same bytes") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    ByteBuffer streams[2];
    for (ByteBuffer& stream : streams) {
      std::mt19937 random(seed);
      EqualEntries equal;
      for (int i = 0; i < 3000; i++)
        equal.append(stream, static_cast<int64_t>(random() % 50), std::string(1, static_cast<char>('a' + random() % 3)),
                     {});
    }
    CHECK(streams[0].view() == streams[1].view());
    pipeline::PushBody body;
    body.add_stream("{a=\"b\"}", streams[0].view());
    std::string bytes;
    for (auto fragment : body.fragments()) bytes += fragment;
    pipeline::PushCollector collector;
    REQUIRE(pipeline::decode_push(bytes, collector));
    std::set<std::pair<int64_t, std::string>> seen;
    for (auto& entry : collector.streams[0].entries) CHECK(seen.insert({entry.time, entry.line}).second);
    CHECK(seen.size() == 3000);
  }

  TEST_CASE("equal entries: a hundred thousand equal lines do not take for ever") {
    ByteBuffer stream;
    EqualEntries equal;
    for (int i = 0; i < 100'000; i++) REQUIRE(equal.append(stream, 7, "same", {}) == 7 + i);
  }
}

}  // namespace
}  // namespace agent
