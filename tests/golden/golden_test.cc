// Files written by old versions must open for ever and hold what was written.
#include <cstdlib>
#include <doctest/doctest.h>

#include "pipeline/base/checksum.h"
#include "server/store/id_set.h"
#include "tests/golden/golden_entries.h"

TEST_SUITE("golden") {
  TEST_CASE("golden: an object of version 1 opens and holds what was written") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE_MESSAGE(folder != nullptr, "run by meson test, or with GOLDEN_FOLDER=tests/golden");
    auto files = pipeline::system_files();
    auto store = server::open_local_store(*files, folder);
    REQUIRE(store);
    auto object = server::ObjectReader::open(**store, "object_v1.lseg");
    REQUIRE_MESSAGE(object, object.error().message);
    auto expected = golden::entries();
    auto found = server::read_entries(*object);
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(*found == expected);

    CHECK((*object)->cluster() == golden::kCluster);
    CHECK((*object)->inputs() == golden::kInputs);
    CHECK((*object)->producers() == golden::kProducers);
    const server::ObjectSummary& summary = (*object)->summary();
    CHECK(summary.object == golden::kObject);
    CHECK(summary.level == 2);
    CHECK(summary.tenants == std::vector<std::string>{"", "fake"});
    CHECK(summary.rows == expected.size());
    CHECK(summary.streams == 3);
    CHECK(summary.min_time == -1);
    CHECK(summary.max_time == expected.back().time);
    CHECK((*object)->pages().size() == 4);
  }

  TEST_CASE("golden: an object of pages in snappy, as flushes write them since 2026-11-22, holds what was written") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE(folder != nullptr);
    auto files = pipeline::system_files();
    auto store = server::open_local_store(*files, folder);
    REQUIRE(store);
    auto object = server::ObjectReader::open(**store, "snappy_object_v1.lseg");
    REQUIRE_MESSAGE(object, object.error().message);
    auto found = server::read_entries(*object);
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(*found == golden::entries());
    CHECK((*object)->summary().level == 0);
  }

  TEST_CASE("golden: the substring filter of version 1 still says where needles are") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE(folder != nullptr);
    auto files = pipeline::system_files();
    auto store = server::open_local_store(*files, folder);
    REQUIRE(store);
    auto object = server::ObjectReader::open(**store, "filtered_object_v1.lseg");
    REQUIRE_MESSAGE(object, object.error().message);
    CHECK(*server::read_entries(*object) == golden::entries());
    REQUIRE((*object)->has_filter());

    server::StreamSet streams = (*object)->select("fake", {});
    auto pages_with = [&](server::PageCondition condition) {
      server::FilterReads reads;
      auto pages = (*object)->pages_with({&condition, 1}, streams, {0, 1, 2, 3}, reads);
      CHECK(reads.damaged == 0);
      return pages;
    };
    auto of_texts = [](std::vector<std::string> texts) {
      server::PageCondition out;
      out.texts = std::move(texts);
      return out;
    };
    auto of_metadata = [](std::string name, std::string value) {
      server::PageCondition out;
      out.metadata.emplace_back(std::move(name), std::move(value));
      return out;
    };
    using Pages = std::vector<uint32_t>;
    CHECK(pages_with(of_texts({"before 1970"})) == Pages{0});
    CHECK(pages_with(of_texts({"msg=\"REQUEST 77 done"})) == Pages{1});
    CHECK(pages_with(of_texts({"bbbbb"})) == Pages{2});
    CHECK(pages_with(of_texts({"later \xff\n\xc3\xa9"})) == Pages{3});
    CHECK(pages_with(of_texts({"0b6e4f1d9a7c35820fe1d2c3b4a59687"})).empty());
    CHECK(pages_with(of_texts({"bbbbb", "before 1970"})) == Pages{0, 2});
    CHECK(pages_with(of_metadata("trace_id", "23757")) == Pages{1});
    CHECK(pages_with(of_metadata("trace_id", "23758")).empty());
    CHECK(pages_with(of_metadata("empty", "")) == Pages{3});
    CHECK((*object)->summary().ids_length == 0);  // written before there were id sets
  }

  TEST_CASE("golden: the id set of version 1, written since 2026-11-22, still says which ids an object has") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE(folder != nullptr);
    auto files = pipeline::system_files();
    auto store = server::open_local_store(*files, folder);
    REQUIRE(store);
    auto object = server::ObjectReader::open(**store, "ids_object_v1.lseg");
    REQUIRE_MESSAGE(object, object.error().message);
    CHECK(*server::read_entries(*object) == golden::id_entries());
    const server::ObjectSummary& summary = (*object)->summary();
    CHECK(summary.ids_length == server::kIdBlockHeader + ((golden::kIds + 1) * 12 + 7) / 8);
    auto may_have = [&](std::string text) {
      server::PageCondition condition;
      condition.texts.push_back(std::move(text));
      server::FilterReads reads;
      const bool may = server::may_have_ids(**store, "ids_object_v1.lseg", summary, {&condition, 1}, reads);
      CHECK(reads.damaged == 0);
      CHECK(reads.ranges == 1);
      return may;
    };
    for (int i = 0; i < golden::kIds; ++i) CHECK(may_have(golden::id(i)));
    CHECK(may_have("6f9619ff-8b86-d011-b42d-00c04fc964"));
    CHECK_FALSE(may_have("0b6e4f1d9a7c35820fe1d2c3b4a59687"));
  }

  TEST_CASE("golden: an id set of several blocks is written as ever") {
    server::IdSetBuilder builder;
    for (int i = 0; i < 20'000; ++i) {
      const std::string id = golden::id(i);
      const uint64_t length = id.size();
      builder.add_page(id, {&length, 1});
    }
    const std::string set = builder.finish(1 << 20);
    CHECK(set.size() == 2 * server::kIdBlockBytes);
    CHECK(pipeline::crc32c(set) == 2789257507U);
  }
}
