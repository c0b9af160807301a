#include <doctest/doctest.h>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

TEST_CASE("ingest: a numbered batch is stored once, also across restarts and flushes") {
  IngestHouse house;
  std::string number = concat(kProducer, "/1/7");
  CHECK(house.push(body_of("x", {"first"}), number).status == 204);
  CHECK(house.push(body_of("x", {"second"}), number).status == 204);
  CHECK(house.counted("skidway_server_duplicate_batches_total") == 1);
  CHECK(house.lines() == Lines{{"first", 1}});
  for (int step = 0; step < 4; ++step) {
    if (step == 1) REQUIRE(house.flush());
    step == 2 ? house.restart() : house.crash();
    CAPTURE(step);
    CHECK(house.push(body_of("x", {"again"}), number).status == 204);
    CHECK(house.lines() == Lines{{"first", 1}});
  }
  CHECK(house.push(body_of("x", {"next"}), concat(kProducer, "/1/8")).status == 204);
  CHECK(house.push(body_of("x", {"epoch"}), concat(kProducer, "/2/7")).status == 204);
  CHECK(house.push(body_of("x", {"tenant"}), number, "other").status == 204);
  CHECK(house.lines() == Lines{{"epoch", 1}, {"first", 1}, {"next", 1}});
  CHECK(house.lines("other") == Lines{{"tenant", 1}});
}

TEST_CASE("ingest: a batch number that cannot be remembered is refused, and flushes go on") {
  IngestHouse house;
  for (std::string_view number : {"/0/18446744073709551615", "/18446744073709551615/1", "/1/9223372036854775807"}) {
    CAPTURE(number);
    auto answer = house.push(body_of("x", {"too far"}), concat(kProducer, number));
    CHECK(answer.status == 400);
    CHECK(answer.body.find("numbers end at 9223372036854775806") != std::string::npos);
  }
  CHECK(house.push(body_of("x", {"the last"}), concat(kProducer, "/1/9223372036854775806")).status == 204);
  REQUIRE(house.flush());
  house.crash();
  CHECK(house.push(body_of("x", {"again"}), concat(kProducer, "/1/9223372036854775806")).status == 204);
  CHECK(house.lines() == Lines{{"the last", 1}});
}

TEST_CASE("ingest: a second copy that comes while the first is on its way waits for its outcome") {
  IngestHouse house;
  std::string number = concat(kProducer, "/1/1");
  auto disk = house.files.hold();
  auto first = house.begin(body_of("x", {"one"}), number);
  auto second = house.begin(body_of("x", {"copy"}), number);
  disk.unlock();
  CHECK(house.wait(first).status == 204);
  CHECK(house.wait(second).status == 204);
  CHECK(house.lines() == Lines{{"one", 1}});

  number = concat(kProducer, "/1/2");
  house.files.fail_at(house.files.operations() + 1);  // the sync
  disk = house.files.hold();
  first = house.begin(body_of("x", {"two"}), number);
  second = house.begin(body_of("x", {"two"}), number);
  disk.unlock();
  auto answer = house.wait(first);
  CHECK(answer.status == 503);
  CHECK(answer.headers.get("Retry-After") == "1");
  CHECK(house.wait(second).status == 503);
  CHECK(house.lines() == Lines{{"one", 1}});
  CHECK(house.push(body_of("x", {"two"}), number).status == 204);  // a failed number is not a stored one
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
  house.ingest.reset();
  house.open();
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
}

TEST_SUITE_END();
