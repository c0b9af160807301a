#include "tests/golden/golden_spool.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <limits>

#include "agent/spool/spool_damage.h"
#include "agent/spool/spool_log.h"
#include "pipeline/base/testing/forgetful_files.h"

TEST_SUITE("golden") {
  TEST_CASE("golden: a spool of version 1 is sent whole, with and without its index, and nobody knows of which files") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE_MESSAGE(folder != nullptr, "run by meson test, or with GOLDEN_FOLDER=tests/golden");
    pipeline::set_log_level(pipeline::LogLevel::kError);
    auto disk = pipeline::system_files();
    auto file = disk->open_to_read(pipeline::concat(folder, "/spool_v1.spool"));
    REQUIRE(file);
    std::string bytes = *(*file)->read(0, *(*file)->size());
    SUBCASE("sealed") {}
    SUBCASE("left open by a crash") { bytes.resize(bytes.size() - 16); }
    pipeline::ForgetfulFiles files;
    const std::string spool = "/data/spool/hub";
    REQUIRE(files.make_folders(spool));
    REQUIRE((*files.create(pipeline::concat(spool, "/", golden::kSpoolSegment.text())))->append(bytes));

    auto report = agent::inspect_segment(files, spool, golden::kSpoolSegment, agent::SpoolCheck::kBodies);
    REQUIRE(report);
    CHECK(report->waiting_frames == 3);
    CHECK(report->waiting_entries == 60);
    size_t found = 0;
    auto log = agent::SpoolLog::open(files, {spool}, [&](const agent::SpoolEntry& entry) {
      found++;
      CHECK(entry.origins.empty());
    });
    REQUIRE(log);
    CHECK(found == 3);
    auto taken = (*log)->take(1 << 20, std::numeric_limits<pipeline::UnixNanos>::min());
    auto expected = golden::spool_frames();
    REQUIRE(taken.size() == expected.size());
    for (size_t i = 0; i < taken.size(); ++i) {
      CHECK(taken[i].frame.number == expected[i].number);
      CHECK(taken[i].frame.producer == expected[i].producer);
      CHECK(taken[i].frame.tenant == expected[i].tenant);
      CHECK(taken[i].frame.encoding == expected[i].encoding);
      CHECK(taken[i].frame.closed == expected[i].closed);
      CHECK(taken[i].frame.entries == expected[i].entries);
      CHECK(taken[i].frame.line_bytes == expected[i].line_bytes);
      CHECK(*taken[i].frame.body == *expected[i].body);
      CHECK(taken[i].frame.origins.empty());
    }
    // What is spooled now goes behind it, and a repaired segment keeps what it has.
    (*log)->done(taken[0].id);
    log->reset();
    REQUIRE(agent::repair_segment(files, spool, golden::kSpoolSegment));
    log = agent::SpoolLog::open(files, {spool});
    REQUIRE(log);
    CHECK((*log)->waiting().frames == 2);
  }
}
