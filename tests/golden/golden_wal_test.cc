#include <cstdlib>
#include <doctest/doctest.h>

#include "server/ingest/push_decoder.h"
#include "server/ingest/wal_segment.h"
#include "tests/golden/golden_frames.h"

namespace {

std::vector<server::WalFrame> frames_of(std::string_view name) {
  const char* folder = std::getenv("GOLDEN_FOLDER");
  REQUIRE_MESSAGE(folder != nullptr, "run by meson test, or with GOLDEN_FOLDER=tests/golden");
  auto files = pipeline::system_files();
  std::vector<server::WalFrame> found;
  auto report = server::read_wal_segment(*files, pipeline::concat(folder, "/", name),
                                         [&](server::WalFrame frame) -> pipeline::Result<void> {
                                           found.push_back(std::move(frame));
                                           return {};
                                         });
  REQUIRE(report);
  CHECK(report->good_end == report->size);
  CHECK(report->damaged_places == 0);
  return found;
}

void check_frames(const std::vector<server::WalFrame>& found, const std::vector<server::WalFrame>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].number == expected[i].number);
    CHECK(found[i].received == expected[i].received);
    CHECK(found[i].format == expected[i].format);
    CHECK(found[i].encoding == expected[i].encoding);
    CHECK(found[i].tenant == expected[i].tenant);
    CHECK(found[i].batch == expected[i].batch);
    CHECK(found[i].body == expected[i].body);
    CHECK(found[i].line_levels == expected[i].line_levels);
  }
}

// The level of the one entry of the first frame, as a replay finds it.
std::string replayed_level(const server::WalFrame& frame) {
  server::StreamTable streams;
  server::PushRules rules(std::make_shared<const server::TenantLimits>(server::TenantLimits().lifted()));
  const server::LineLevels levels(frame.line_levels);
  server::PushDecoding decoding{frame.tenant, rules, 0};
  decoding.line_levels = &levels;
  auto decoded = server::decode_push_request({frame.format, frame.encoding}, frame.body, decoding, streams);
  REQUIRE_MESSAGE(decoded, decoded.error().message);
  REQUIRE(decoded->entries.columns.size() == 1);
  CHECK(decoded->entries.parts[0].stream->text() == R"({app="golden", service_name="golden"})");
  return std::string(decoded->entries.columns.slice().metadata(0).find("detected_level").value_or("none"));
}

}  // namespace

TEST_SUITE("golden") {
  TEST_CASE("golden: a log segment of version 1 is read whole, and its pushes decode") {
    auto found = frames_of("wal_v1.wal");
    check_frames(found, golden::frames());
    for (size_t i = 0; i < 2; ++i) CHECK(replayed_level(found[i]) == "unknown");
  }

  TEST_CASE("golden: a log segment with levels is read whole, and its levels hold") {
    auto found = frames_of("wal_levels_v1.wal");
    check_frames(found, golden::frames_with_levels());
    CHECK(replayed_level(found[0]) == "info");
    CHECK(replayed_level(found[1]) == "unknown");
  }
}
