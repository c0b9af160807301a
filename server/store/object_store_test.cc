#include "server/store/object_store.h"

#include <doctest/doctest.h>

#include "pipeline/base/testing/forgetful_files.h"
#include "server/store/cluster_marker.h"
#include "server/store/testing/store_checks.h"

using namespace server;
using pipeline::Errc;
using pipeline::ForgetfulFiles;

TEST_SUITE("server/store") {
  TEST_CASE("ulid: text and bytes read back, and ids rise even when the clock goes back") {
    pipeline::FakeClock clock;
    UlidMaker maker(clock, 7);
    Ulid last;
    for (int i = 0; i < 1000; ++i) {
      if (i % 100 == 0) clock.jump_wall(std::chrono::milliseconds(i % 200 == 0 ? 5 : -3));
      Ulid id = maker.make();
      CHECK(id > last);
      CHECK(id.text() > last.text());
      CHECK(Ulid::parse(id.text()) == id);
      CHECK(Ulid::from_bytes(id.bytes()) == id);
      last = id;
    }
    CHECK(last.time() / 1'000'000 >= 1'700'000'000'000);
    CHECK(Ulid{0x0191'2345'6789'abcd, 0x0123'4567'89ab'cdef}.text() == "01J4HMASW9NF6G28T5CY4TQKFF");
    CHECK_FALSE(Ulid::parse("01J4HMASW9NF6G28T5CY4TQKF"));
    CHECK_FALSE(Ulid::parse("81J4HMASW9NF6G28T5CY4TQKFF"));
    CHECK_FALSE(Ulid::parse("01J4HMASW9NF6G28T5CY4TQKFU"));
  }

  TEST_CASE("local store: does what every store does") {
    ForgetfulFiles files;
    auto store = *open_local_store(files, "/data/objects/");
    check_object_store(*store, "c/l0");
    check_large_objects(*store, "c/l0", 3'000'000);
    check_many_threads(*store, "c/l0", 4);
  }

  TEST_CASE("local store: of an object given up nothing stays in the folder") {
    ForgetfulFiles files;
    auto store = *open_local_store(files, "/data");
    REQUIRE((*store->create("c/l0/b.lseg"))->append("xyz"));
    REQUIRE(store->put("c/l0/a.lseg", "abc"));
    CHECK(files.list("/data/c/l0") == std::vector<std::string>{"a.lseg"});
  }

  TEST_CASE("cluster marker: a store belongs to the first cluster that opens it") {
    ForgetfulFiles files;
    auto store = *open_local_store(files, "/data");
    pipeline::FakeClock clock;
    UlidMaker ulids(clock, 3);
    const Ulid first = ulids.make(), second = ulids.make();
    REQUIRE(claim_store(*store, first, "/data"));
    REQUIRE(claim_store(*store, first, "/data"));
    auto refused = claim_store(*store, second, "/data");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::kInvalid);
    CHECK(refused.error().message.find(first.text()) != std::string::npos);
    CHECK(refused.error().message.find("use another prefix") != std::string::npos);
    REQUIRE(store->remove("cluster.json"));
    REQUIRE(store->put("cluster.json", "{}"));
    CHECK(claim_store(*store, first, "/data").error().code == Errc::kCorrupt);
  }

  TEST_CASE("cluster marker: a power cut at any moment of the first start leaves a store that can be claimed") {
    const Ulid cluster{1, 2};
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      ForgetfulFiles files;
      files.cut_power_at(n);
      if (auto store = open_local_store(files, "/data")) (void)claim_store(**store, cluster, "/data");
      const bool done = !files.power_is_off();
      files.restart(n);
      auto store = *open_local_store(files, "/data");
      auto claimed = claim_store(*store, cluster, "/data");
      REQUIRE_MESSAGE(claimed, (claimed ? "" : claimed.error().message));
      REQUIRE(claim_store(*store, cluster, "/data"));
      if (done) break;
    }
  }

  TEST_CASE("local store: a committed object survives a power cut at any later moment, an unfinished one never shows") {
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      ForgetfulFiles files;
      files.cut_power_at(n);
      bool first = false, second = false;
      if (auto store = open_local_store(files, "/data")) {
        first = (*store)->put("c/l0/a.lseg", "aaaa").has_value();
        second = (*store)->put("c/l2/b.lseg", "bbbb").has_value();
      }
      bool done = !files.power_is_off();
      files.restart(n);
      auto store = *open_local_store(files, "/data");
      std::string out;
      for (auto [key, promised, content] :
           {std::tuple("c/l0/a.lseg", first, "aaaa"), {"c/l2/b.lseg", second, "bbbb"}}) {
        auto read = store->get_range(key, 0, 4, out);
        CHECK((read || !promised));
        if (read) CHECK(out == content);
      }
      REQUIRE(store->remove_unfinished("c/l0"));
      REQUIRE(store->remove_unfinished("c/l2"));
      if (auto names = files.list("/data/c/l0")) CHECK(names->size() == store->list("c/l0")->size());
      if (done) break;
    }
  }

  TEST_CASE("local store: what this program is writing is not taken for what a dead one left") {
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data/c/l0"));
    { auto left = *files.create("/data/c/l0/dead.lseg.part"); }
    auto store = *open_local_store(files, "/data");
    auto upload = *store->create("c/l0/mine.lseg");
    REQUIRE(upload->append("abc"));
    CHECK(store->remove_unfinished("c/l0") == 1);
    REQUIRE(upload->commit());
    CHECK(store->size("c/l0/mine.lseg") == 3);
  }

  TEST_CASE("local store: what a dead program left of a key does not stand in the way of that key") {
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data/c/generations"));
    {
      auto left = *files.create("/data/c/generations/4.part");
      REQUIRE(left->append("of the dead"));
    }
    auto store = *open_local_store(files, "/data");
    REQUIRE(store->put("c/generations/4", "mine"));
    std::string out;
    REQUIRE(store->get_range("c/generations/4", 0, 4, out));
    CHECK(out == "mine");
    CHECK(store->size("c/generations/4") == 4);
  }

  TEST_CASE("local store: a key that this program is writing is refused until that has ended") {
    pipeline::ForgetfulFiles files;
    auto store = *open_local_store(files, "/data");
    {
      auto first = *store->create("c/l0/a.lseg");
      REQUIRE(first->append("first"));
      auto second = store->create("c/l0/a.lseg");
      REQUIRE(!second);
      CHECK(second.error().code == Errc::kInvalid);
      REQUIRE(first->commit());
      CHECK(store->size("c/l0/a.lseg") == 5);
    }
    { auto given_up = *store->create("c/l0/b.lseg"); }
    REQUIRE(store->put("c/l0/b.lseg", "again"));
  }
}
