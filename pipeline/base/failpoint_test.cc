#include "pipeline/base/failpoint.h"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pipeline {
namespace {

TEST_SUITE("base") {
  FailpointTable table_of(std::string_view text) {
    auto table = FailpointTable::parse(text);
    REQUIRE(table);
    return *std::move(table);
  }

  TEST_CASE("failpoint: an error comes at each pass, or at the one that is asked for, and only at its name") {
    auto table = table_of("a:error,b:error:2");
    CHECK(table.pass("c"));
    for (int i = 0; i < 3; ++i) {
      auto passed = table.pass("a");
      REQUIRE_FALSE(passed);
      CHECK(passed.error().code == Errc::kUnavailable);
      CHECK(passed.error().message == "failpoint a");
    }
    CHECK(table.pass("b"));
    CHECK_FALSE(table.pass("b"));
    CHECK(table.pass("b"));
  }

  TEST_CASE("failpoint: sleep waits as long as it is told") {
    auto table = table_of("a:sleep=20");
    auto start = std::chrono::steady_clock::now();
    CHECK(table.pass("a"));
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(20));
  }

  TEST_CASE("failpoint: kill ends the process as kill -9 does") {
    auto table = table_of("a:kill:2");
    const pid_t child = ::fork();
    if (child == 0) {
      (void)table.pass("a");
      (void)table.pass("a");
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
  }

  TEST_CASE("failpoint: a wrong text says what is wrong with it") {
    auto message = [](std::string_view text) {
      auto table = FailpointTable::parse(text);
      REQUIRE_FALSE(table);
      return table.error().message;
    };
    CHECK(message("a:explode") == "\"a:explode\": the action is none of kill, error, sleep=MS");
    CHECK(message("a") == "\"a\": the action is none of kill, error, sleep=MS");
    CHECK(message("a:sleep=x") == "\"a:sleep=x\": the action is none of kill, error, sleep=MS");
    CHECK(message(":kill") == "\":kill\" names no failpoint");
    CHECK(message("a:kill:0") == "\"a:kill:0\": \"0\" is no number of a pass");
    CHECK(FailpointTable::parse(""));
  }

  TEST_CASE("failpoint: where nothing is set passing one does nothing") {
    CHECK(failpoint("base.test"));
    pass_failpoint("base.test");
  }

}  // TEST_SUITE

}  // namespace
}  // namespace pipeline
