#include "agent/spool/spool_damage.h"

#include <doctest/doctest.h>

#include "agent/spool/spool_log.h"
#include "pipeline/base/testing/forgetful_files.h"

namespace agent {
namespace {

using pipeline::concat;
using pipeline::ForgetfulFiles;

constexpr auto kFolder = "/data/spool/hub";

SpoolFrame frame_of(uint64_t seq, std::string body) {
  SpoolFrame frame;
  frame.number = {1, seq};
  frame.closed = static_cast<int64_t>(seq);
  frame.entries = 5;
  frame.body = std::make_shared<const std::string>(std::move(body));
  return frame;
}

// A spool of one sealed segment, of whose frames the first is done.
struct Damaged {
  ForgetfulFiles files;
  SpoolName name;

  Damaged() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    auto log = *SpoolLog::open(files, {kFolder});
    std::vector<SpoolFrame> group{frame_of(1, "first body"), frame_of(2, "second body"), frame_of(3, "third body")};
    REQUIRE(log->append(group, {false, false, false}));
    auto taken = log->take(1, 0);
    REQUIRE(taken.size() == 1);
    log->done(taken[0].id);
    log.reset();
    name = list_spool(files, kFolder)->at(0);
  }
  void break_text(const std::string& text) {
    std::string path = concat(kFolder, "/", name.text());
    auto file = *files.open(path);
    std::string bytes = *file->read(0, *file->size());
    bytes[bytes.find(text)] ^= 1;
    REQUIRE(file->truncate(0));
    REQUIRE(file->append(bytes));
  }
  SpoolSegmentReport inspect() {
    auto report = inspect_segment(files, kFolder, name, SpoolCheck::kBodies);
    REQUIRE(report);
    return *report;
  }
};
}  // namespace

TEST_SUITE("agent/spool") {
  TEST_CASE("spool: tells what waits in a segment, and that nothing of it is damaged") {
    Damaged spool;
    SpoolSegmentReport report = spool.inspect();
    CHECK(report.sealed);
    CHECK(report.frames == 3);
    CHECK(report.waiting_frames == 2);
    CHECK(report.waiting_entries == 10);
    CHECK(report.closed == std::pair<pipeline::UnixNanos, pipeline::UnixNanos>(2, 3));
    CHECK(report.damage.empty());
  }

  TEST_CASE("spool: tells where a segment is damaged") {
    Damaged spool;
    SUBCASE("a body") { spool.break_text("second body"); }
    SUBCASE("a header") { spool.break_text("SKSG"); }
    SUBCASE("the index") { spool.break_text("SKSI"); }
    SUBCASE("the beginning") { spool.break_text("SKDW"); }
    CHECK(spool.inspect().damage.size() == 1);
  }

  TEST_CASE("spool: a repaired segment has the whole frames that wait, and the old one is kept") {
    Damaged spool;
    spool.break_text("second body");
    auto kept = repair_segment(spool.files, kFolder, spool.name);
    REQUIRE(kept);
    CHECK(*kept == 1);
    auto segments = *list_spool(spool.files, kFolder);
    REQUIRE(segments.size() == 1);
    CHECK(spool.files.list(kFolder)->size() == 3);
    spool.name = segments[0];
    CHECK(spool.inspect().damage.empty());
    auto log = *SpoolLog::open(spool.files, {kFolder});
    auto taken = log->take(1 << 20, 0);
    REQUIRE(taken.size() == 1);
    CHECK(*taken[0].frame.body == "third body");
    CHECK(taken[0].frame.number == BatchNumber{1, 3});
  }
}

}  // namespace agent
