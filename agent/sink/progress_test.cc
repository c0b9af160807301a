#include "agent/sink/progress.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

constexpr FileId kFile{7};

struct Fixture {
  std::vector<FilePosition> first_seen;
  Progress progress{{}, [this](FilePosition p) { first_seen.push_back(p); }};
  uint64_t at() const { return progress.position(kFile).value().position; }
};

TEST_SUITE("agent/sink") {
  TEST_CASE("progress: the position is the lowest byte that is not acked") {
    Fixture f;
    auto a = f.progress.new_hold(), b = f.progress.new_hold();
    f.progress.hold(a, kFile, 0);
    f.progress.pass({kFile, 100, 1});
    f.progress.hold(b, kFile, 100);
    f.progress.pass({kFile, 250, 2});
    CHECK(f.at() == 0);
    SUBCASE("acked in order") {
      f.progress.release(a, {kFile});
      CHECK(f.at() == 100);
      f.progress.release(b, {kFile});
      CHECK(f.at() == 250);
    }
    SUBCASE("acked out of order") {
      f.progress.release(b, {kFile});
      CHECK(f.at() == 0);
      f.progress.release(a, {kFile});
      CHECK(f.at() == 250);
    }
  }

  TEST_CASE("progress: a batch that begins inside a block holds all of it") {
    Fixture f;
    f.progress.pass({kFile, 0, 0});
    auto a = f.progress.new_hold(), b = f.progress.new_hold();
    f.progress.hold(a, kFile, 50);  // behind a line that was dropped
    CHECK(f.at() == 0);
    f.progress.hold(b, kFile, 80);
    f.progress.pass({kFile, 100, 1});
    f.progress.release(a, {kFile});
    CHECK(f.at() == 0);  // some of what was dropped lies behind `a`
    f.progress.release(b, {kFile});
    CHECK(f.at() == 100);
  }

  TEST_CASE("progress: a stream is followed like a file, but nothing of it is to be saved") {
    Fixture f;
    constexpr FileId kStream{kFirstStream + 1};
    auto batch = f.progress.new_hold();
    f.progress.hold(batch, kStream, 1);
    f.progress.pass({kStream, 5, 9});
    CHECK(f.progress.position(kStream)->position == 1);
    f.progress.release(batch, {kStream});
    CHECK(f.progress.position(kStream)->position == 5);
    CHECK(f.first_seen.empty());
    CHECK(f.progress.take_changed().empty());
  }

  TEST_CASE("progress: the first position of a new file is told before it can be in any batch") {
    Fixture f;
    f.progress.hold(f.progress.new_hold(), kFile, 40);
    REQUIRE(f.first_seen.size() == 1);
    CHECK(f.first_seen[0] == FilePosition{kFile, 40, 0});
    f.progress.pass({kFile, 100, 9});
    CHECK(f.first_seen.size() == 1);
  }

  TEST_CASE("progress: a joined line that began before the batch's other lines lowers the position") {
    Fixture f;
    auto a = f.progress.new_hold();
    f.progress.pass({kFile, 10, 1});  // a partial line is open from 10 on
    f.progress.hold(a, kFile, 50);
    f.progress.hold(a, kFile, 10);
    f.progress.pass({kFile, 90, 2});
    CHECK(f.at() == 10);
  }

  TEST_CASE("progress: only positions that moved are given out for saving, each once") {
    Fixture f;
    auto a = f.progress.new_hold();
    f.progress.hold(a, kFile, 0);
    f.progress.pass({kFile, 100, 5});
    CHECK(f.progress.take_changed().empty());  // still at 0
    f.progress.release(a, {kFile});
    CHECK(f.progress.take_changed() == std::vector<FilePosition>{{kFile, 100, 5}});
    CHECK(f.progress.take_changed().empty());
  }

  TEST_CASE("progress: a forgotten file is unknown, and a late ack for it does no harm") {
    Fixture f;
    auto a = f.progress.new_hold();
    f.progress.hold(a, kFile, 0);
    f.progress.forget(kFile);
    CHECK(!f.progress.position(kFile));
    f.progress.release(a, {kFile});
    CHECK(f.progress.take_changed().empty());
  }

  TEST_CASE("progress: starts where the store says") {
    Progress progress({{kFile, {kFile, 77, 3}}}, [](FilePosition) { FAIL("known file told as new"); });
    CHECK(progress.position(kFile) == FilePosition{kFile, 77, 3});
    progress.pass({kFile, 80, 4});
    CHECK(progress.take_changed().size() == 1);
  }
}

}  // namespace
}  // namespace agent
