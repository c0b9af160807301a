#include <doctest/doctest.h>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

TEST_CASE("ingest: beyond its budget pushes are held back, and go on when the head was flushed") {
  IngestHouse house;
  house.options.push.budget_bytes = 20'000;
  house.restart();
  CHECK(house.push(body_of("x", {std::string(30'000, 'a')})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  auto also = house.begin(body_of("x", {"also"}));
  for (int i = 0; i < 3; ++i) house.loop->turn(20ms);
  CHECK_FALSE(*held);
  REQUIRE(house.flush());
  CHECK(house.wait(held).status == 204);
  CHECK(house.wait(also).status == 204);
}

TEST_CASE("ingest: a push held too long is 503 with Retry-After") {
  IngestHouse house;
  house.options.push.budget_bytes = 1;
  house.restart();
  CHECK(house.push(body_of("x", {"fills"})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  house.loop->turn(10ms);
  CHECK_FALSE(*held);
  house.clock.advance(9s);
  auto answer = house.wait(held);
  CHECK(answer.status == 503);
  CHECK(answer.body == "The server cannot accept more requests at this time.\n");
  CHECK(answer.headers.get("Retry-After") == "1");
}

TEST_CASE("ingest: while it stops, what is held and what comes is 503") {
  IngestHouse house;
  house.options.push.budget_bytes = 1;
  house.restart();
  CHECK(house.push(body_of("x", {"fills"})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  house.ingest->refuse();
  CHECK(house.wait(held).status == 503);
  CHECK(house.push(body_of("x", {"late"})).status == 503);
}

TEST_SUITE_END();
