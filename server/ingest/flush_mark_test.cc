#include "server/ingest/flush_mark.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

TEST_CASE("flush mark: without an earlier log every commit tells its own frame") {
  FlushMark mark(true);
  CHECK(mark.before_commit(7) == 7);
  CHECK(mark.after_commit(7, 7) == 0);
}

TEST_CASE("flush mark: commits during a recovery are told by its end") {
  FlushMark mark(false);
  CHECK(mark.before_commit(7) == 0);
  CHECK(mark.after_commit(7, 0) == 0);
  CHECK(mark.on_recovered() == 7);
  CHECK(mark.before_commit(9) == 9);
  CHECK(mark.after_commit(9, 9) == 0);
}

TEST_CASE("flush mark: a commit on its way when the recovery ends is told afterwards, by itself") {
  FlushMark mark(false);
  CHECK(mark.before_commit(7) == 0);
  CHECK(mark.on_recovered() == 0);
  CHECK(mark.after_commit(7, 0) == 7);
}

TEST_SUITE_END();
