#include "server/ingest/syslog_push.h"

#include <doctest/doctest.h>

#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"

using namespace server;
using pipeline::CollectedEntry;

TEST_SUITE_BEGIN("ingest");

namespace {

constexpr pipeline::UnixNanos kNow = 1'763'748'000'000'000'000;  // 2025-11-21T18:00:00Z

std::vector<pipeline::CollectedStream> taken(SyslogPush& push) {
  std::string body = push.take();
  pipeline::ByteBuffer buffer;
  REQUIRE(pipeline::snappy_uncompress(body, 1 << 20, buffer));
  pipeline::PushCollector collector;
  REQUIRE(pipeline::decode_push(buffer.view(), collector));
  return collector.streams;
}

}  // namespace

TEST_CASE("syslog: messages become entries of their host and program") {
  SyslogPush push;
  CHECK(push.empty());
  CHECK(push.add(R"(<165>1 2025-11-21T17:59:59.5Z web-1 shop 111 ID47 [a@1 b="c\"d"] text)", kNow));
  CHECK(push.add("<34>Nov 21 17:59:58 web-2 su[230]: failed", kNow));
  CHECK(push.add("<13>1 - - - - - - bare", kNow));
  CHECK(push.size_bytes() > 0);
  auto streams = taken(push);
  CHECK(push.empty());
  REQUIRE(streams.size() == 3);
  CHECK(streams[0].labels == R"({app="shop", host="web-1", job="syslog"})");
  CHECK(streams[0].entries == std::vector<CollectedEntry>{{kNow - 500'000'000,
                                                           "text",
                                                           {{"facility", "local4"},
                                                            {"severity", "notice"},
                                                            {"proc_id", "111"},
                                                            {"msg_id", "ID47"},
                                                            {"sd_a_1_b", "c\"d"}}}});
  CHECK(streams[1].labels == R"({app="su", host="web-2", job="syslog"})");
  CHECK(streams[1].entries.at(0).time == kNow - 2'000'000'000);
  CHECK(streams[1].entries.at(0).line == "failed");
  CHECK(streams[2].labels == R"({job="syslog"})");
  CHECK(streams[2].entries.at(0).time == kNow);
}

TEST_CASE("syslog: what is no message is kept as it came") {
  SyslogPush push;
  CHECK_FALSE(push.add("<999>1 nonsense", kNow));
  auto streams = taken(push);
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].labels == R"({job="syslog"})");
  CHECK(streams[0].entries == std::vector<CollectedEntry>{{kNow, "<999>1 nonsense", {{"syslog_fault", "priority"}}}});
}

TEST_SUITE_END();
