#include <cstdlib>
#include <doctest/doctest.h>

#include "server/ingest/push_decoder.h"
#include "server/ingest/wal_segment.h"
#include "tests/golden/golden_frames.h"

TEST_SUITE("golden") {
  TEST_CASE("golden: a log segment of version 1 is read whole, and its pushes decode") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE_MESSAGE(folder != nullptr, "run by meson test, or with GOLDEN_FOLDER=tests/golden");
    auto files = pipeline::system_files();
    std::vector<server::WalFrame> found;
    auto report = server::read_wal_segment(*files, pipeline::concat(folder, "/wal_v1.wal"),
                                           [&](server::WalFrame frame) -> pipeline::Result<void> {
                                             found.push_back(std::move(frame));
                                             return {};
                                           });
    REQUIRE(report);
    CHECK(report->good_end == report->size);
    CHECK(report->damaged_places == 0);
    auto expected = golden::frames();
    REQUIRE(found.size() == expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].number == expected[i].number);
      CHECK(found[i].received == expected[i].received);
      CHECK(found[i].format == expected[i].format);
      CHECK(found[i].encoding == expected[i].encoding);
      CHECK(found[i].tenant == expected[i].tenant);
      CHECK(found[i].batch == expected[i].batch);
      CHECK(found[i].body == expected[i].body);
    }
    server::StreamTable streams;
    server::PushRules rules(std::make_shared<const server::TenantLimits>(server::TenantLimits().lifted()));
    for (size_t i = 0; i < 2; ++i) {
      server::PushDecoding decoding{found[i].tenant, rules, 0};
      auto decoded =
          server::decode_push_request({found[i].format, found[i].encoding}, found[i].body, decoding, streams);
      REQUIRE_MESSAGE(decoded, decoded.error().message);
      REQUIRE(decoded->entries.columns.size() == 1);
      CHECK(decoded->entries.parts[0].stream->text() == R"({app="golden", service_name="golden"})");
    }
  }
}
