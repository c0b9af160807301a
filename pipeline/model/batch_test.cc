#include "pipeline/model/batch.h"

#include <doctest/doctest.h>

using namespace pipeline;

TEST_SUITE("model") {
  TEST_CASE("model: retain keeps rows, fields and metadata together") {
    LabelTable table;
    auto labels = table.intern(LabelSet::from({{"app", "x"}}));
    Batch batch(table);
    batch.add("one", 1, labels, {0, 4});
    batch.add("two", 2, labels, {4, 8});
    batch.add("three", 3, labels, {8, 14});
    batch.field("n").values[2] = {FieldValue::Kind::kText, "3", 0, 0};
    batch.mutable_metadata(2).push_back({"k", "v"});
    batch.retain({0, 1, 1});
    REQUIRE(batch.size() == 2);
    CHECK(batch.lines[1] == "three");
    CHECK(batch.origins[batch.origin_begin[1]] == ByteRange{8, 14});
    CHECK(batch.value(1, "n").text == "3");
    CHECK(batch.value(0, "n").kind == FieldValue::Kind::kAbsent);
    CHECK(batch.value(0, "app").text == "x");
    CHECK(batch.metadata(1)[0].value == "v");
  }

  TEST_CASE("model: a repeated row is several equal ones with one origin, and may be none") {
    LabelTable table;
    auto labels = table.intern(LabelSet::from({{"app", "x"}}));
    Batch batch(table);
    batch.add("one", 1, labels, {0, 4});
    batch.add("two", 2, labels, {4, 8});
    batch.add("three", 3, labels, {8, 14});
    batch.field("n").values[2] = {FieldValue::Kind::kText, "3", 0, 0};
    batch.mutable_metadata(2).push_back({"k", "v"});
    batch.push_mask({0, 1, 1});
    batch.repeat({1, 0, 2});
    REQUIRE(batch.size() == 3);
    CHECK(batch.lines == std::vector<std::string_view>{"one", "three", "three"});
    CHECK(batch.value(2, "n").text == "3");
    CHECK(batch.metadata(1)[0].value == "v");
    CHECK(batch.metadata(0).empty());
    CHECK(batch.origins[batch.origin_begin[2]] == ByteRange{8, 14});
    CHECK(!batch.active(0));
    CHECK(batch.active(2));
  }

  TEST_CASE("model: seed labels follow their rows, and first labels stay what they are") {
    LabelTable table;
    auto first = table.intern(LabelSet::from({{"app", "x"}}));
    auto other = table.intern(LabelSet::from({{"app", "y"}}));
    Batch batch(table);
    for (int use = 0; use < 2; ++use) {
      batch.clear();
      batch.add("one", 1, first, {0, 4});
      batch.add("two", 2, first, {4, 8});
      CHECK(batch.seed_labels(1) == first);
      batch.set_seed_labels(1, other);
      batch.add("three", 3, first, {8, 14});
      batch.insert(0, "zero", 0, first, {{0, 4}});
      CHECK(batch.value(2, "app").text == "y");
      CHECK(batch.value(3, "app").text == "x");
      batch.retain({0, 1, 1, 1});
      CHECK(batch.value(1, "app").text == "y");
      batch.repeat({0, 2, 1});
      CHECK(batch.value(1, "app").text == "y");
      CHECK(batch.value(2, "app").text == "x");
      CHECK(batch.first_labels == std::vector<LabelTable::Id>(3, first));
    }
  }

  TEST_CASE("model: names out of the data take columns up to a bound, and are values like others beyond it") {
    LabelTable table;
    auto labels = table.intern(LabelSet::from({{"n70", "label"}}));
    Batch batch(table);
    auto text = [](std::string_view value) { return FieldValue{.kind = FieldValue::Kind::kText, .text = value}; };
    for (int use = 0; use < 2; ++use) {
      batch.clear();
      CHECK(!batch.has_row_values());
      for (int i = 0; i < 3; ++i) batch.add("line", i, labels, {0, 4});
      for (int n = 0; n < 100; ++n) batch.set_value(1, "n" + std::to_string(n), text("first"));
      batch.set_value(1, "n99", text("again"));
      CHECK(batch.fields().size() == Batch::kMostColumns);
      CHECK(batch.row_values(1).size() == 100 - Batch::kMostColumns);
      CHECK(batch.row_values(0).empty());
      CHECK(batch.value(1, "n3").text == "first");
      CHECK(batch.value(1, "n99").text == "again");
      CHECK(batch.value(0, "n70").text == "label");
      CHECK(batch.value(1, "n70").text == "first");
      batch.remove_row_value(1, "n70");
      CHECK(batch.value(1, "n70").text == "label");

      batch.insert(3, "added", 9, labels, {{4, 9}});
      batch.insert(0, "zero", 0, labels, {{0, 4}});
      CHECK(batch.value(2, "n99").text == "again");
      batch.retain({1, 0, 1, 1, 1});
      CHECK(batch.value(1, "n99").text == "again");
      batch.repeat({1, 2, 0, 1});
      CHECK(batch.value(2, "n99").text == "again");
      CHECK(batch.row_values(3).empty());
      CHECK(batch.field("n99").values[1].text == "again");  // from now on a column
      CHECK(batch.field("n99").values[0].kind == FieldValue::Kind::kAbsent);
      CHECK(!batch.row_values(2).contains("n99"));
      batch.clear_fields(2);
      CHECK(batch.value(2, "n98").kind == FieldValue::Kind::kAbsent);
      CHECK(batch.value(1, "n98").text == "first");
    }
  }

  TEST_CASE("model: metadata of an earlier use of the batch does not come back") {
    LabelTable table;
    auto labels = table.intern(LabelSet());
    Batch batch(table);
    for (int use = 0; use < 3; ++use) {
      batch.clear();
      CHECK(!batch.has_metadata());
      batch.add("one", 1, labels, {0, 4});
      CHECK(batch.metadata(0).empty());
      batch.mutable_metadata(0).push_back({"k", "v"});
      batch.add("two", 2, labels, {4, 8});
      CHECK(batch.metadata(0).size() == 1);
      CHECK(batch.metadata(1).empty());
      batch.mutable_metadata(1).push_back({"l", "w"});
      batch.retain({0, 1});
      CHECK(batch.metadata(0)[0].name == "l");
    }
  }

  TEST_CASE("model: the arena never moves what it holds") {
    Arena arena;
    std::string_view first = arena.copy("first");
    for (int i = 0; i < 10'000; ++i) arena.copy("0123456789abcdef");
    CHECK(first == "first");
    CHECK(arena.copy(std::string(200'000, 'x')).size() == 200'000);
  }
}
