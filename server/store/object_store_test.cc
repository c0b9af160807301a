#include "server/store/object_store.h"

#include <doctest/doctest.h>

#include "pipeline/base/testing/forgetful_files.h"

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

  TEST_CASE("local store: an object is there after commit and not before") {
    ForgetfulFiles files;
    auto store = *open_local_store(files, "/data/objects/");
    CHECK(store->list("c/l0")->empty());
    {
      auto upload = *store->create("c/l0/a.lseg");
      REQUIRE(upload->append("abc"));
      CHECK(store->list("c/l0")->empty());
      REQUIRE(upload->append("def"));
      REQUIRE(upload->commit());
    }
    {
      auto given_up = *store->create("c/l0/b.lseg");
      REQUIRE(given_up->append("xyz"));
    }
    CHECK(store->list("c/l0") == std::vector<std::string>{"c/l0/a.lseg"});
    CHECK(files.list("/data/objects/c/l0") == std::vector<std::string>{"a.lseg"});
    std::string out;
    REQUIRE(store->get_range("c/l0/a.lseg", 1, 4, out));
    CHECK(out == "bcde");
    CHECK(store->size("c/l0/a.lseg") == 6);
    CHECK(store->get_range("c/l0/a.lseg", 3, 4, out).error().code == Errc::kCorrupt);
    CHECK(store->get_range("c/l0/b.lseg", 0, 1, out).error().code == Errc::kNotFound);
    CHECK(store->put("c/l0/a.lseg", "again").error().code == Errc::kInvalid);
    REQUIRE(store->remove("c/l0/a.lseg"));
    REQUIRE(store->remove("c/l0/a.lseg"));
    CHECK(store->list("c/l0")->empty());
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
}
