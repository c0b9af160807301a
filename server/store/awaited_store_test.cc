#include "server/store/awaited_store.h"

#include <doctest/doctest.h>

#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::Errc;
using pipeline::fail;

TEST_SUITE_BEGIN("server/store");

namespace {

struct AwaitedHouse {
  pipeline::ForgetfulFiles files;
  std::atomic<bool> away{false};
  AwaitedStoreOptions options;

  AwaitedHouse() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    options.cluster = {1, 2};
    options.place = "s3://b/p";
    options.retry = 1ms;
    options.prepare = [this]() -> Result<void> {
      if (away) return fail(Errc::kUnavailable, "connection refused");
      return {};
    };
  }
  Result<std::unique_ptr<AwaitedStore>> open() {
    return AwaitedStore::open(*open_local_store(files, "/data"), options);
  }
};

}  // namespace

TEST_CASE("awaited store: the first start needs the store, a later one goes on without it until it is there") {
  AwaitedHouse house;
  house.away = true;
  auto refused = house.open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "connection refused");

  house.options.must_be_there = false;
  auto store = house.open();
  REQUIRE(store);
  CHECK((*store)->trouble() == "connection refused");
  auto put = (*store)->put("c/l0/a", "abc");
  REQUIRE_FALSE(put);
  CHECK(put.error().code == Errc::kUnavailable);
  CHECK(put.error().message == "the store s3://b/p is not there since the start: connection refused");
  CHECK_FALSE(house.files.open_to_read("/data/c/l0/a"));

  house.away = false;
  while ((*store)->trouble()) std::this_thread::sleep_for(1ms);
  CHECK((*store)->put("c/l0/a", "abc"));
  CHECK((*store)->size("c/l0/a") == 3);
}

TEST_CASE("awaited store: another cluster's store is refused, at the start and later, and never written to") {
  AwaitedHouse house;
  REQUIRE(house.open());
  house.options.cluster = {3, 4};
  house.options.must_be_there = false;
  auto refused = house.open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("belongs to cluster") != std::string::npos);

  house.away = true;
  auto late = house.open();
  REQUIRE(late);
  house.away = false;
  while ((*late)->trouble()->find("belongs to cluster") == std::string::npos) std::this_thread::sleep_for(1ms);
  CHECK_FALSE((*late)->put("c/l0/a", "abc"));
}

TEST_CASE("awaited store: a store that says nothing holds the start up for no longer than it is told") {
  AwaitedHouse house;
  std::atomic<bool> release{false};
  house.options.must_be_there = false;
  house.options.first_wait = 10ms;
  house.options.prepare = [&]() -> Result<void> {
    while (!release) std::this_thread::sleep_for(1ms);
    return {};
  };
  auto store = house.open();
  REQUIRE(store);
  CHECK((*store)->trouble() == "no answer yet");
  release = true;
}

TEST_SUITE_END();
