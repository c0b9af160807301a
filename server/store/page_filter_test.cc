// The substring filter of objects: written, asked, damaged.
#include "server/store/page_filter.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <set>

#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/match/literal_search.h"
#include "server/store/format.h"
#include "server/store/id_set.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::ForgetfulFiles;
using pipeline::LiteralSearcher;

namespace {

// A store for which requests may be dear, and whose bytes can be damaged.
class TestStore final : public ObjectStore {
 public:
  explicit TestStore(ObjectStore& inner) : inner_(inner) {}
  uint64_t worth = 0;
  uint64_t damaged_from = UINT64_MAX, damaged_to = 0;  // bytes that come wrong
  bool fails = false;

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return inner_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    if (fails) return pipeline::fail(pipeline::Errc::kIo, "the store is away");
    TRY(inner_.get_range(key, offset, length, out));
    for (uint64_t at = std::max(offset, damaged_from); at < std::min(offset + length, damaged_to); ++at)
      out[at - offset] = static_cast<char>(out[at - offset] ^ 0x10);
    return {};
  }
  Result<uint64_t> size(const std::string& key) override { return inner_.size(key); }
  Result<void> remove(const std::string& key) override { return inner_.remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return inner_.list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return inner_.remove_unfinished(folder); }
  uint64_t request_worth_bytes() const override { return worth; }

 private:
  ObjectStore& inner_;
};

// An object whose pages are small: each tenant begins a new one.
class Haystack {
 public:
  explicit Haystack(uint64_t seed) : random_(seed) {}

  size_t pick(size_t below) { return random_() % below; }

  std::string line() {
    const std::string number = std::to_string(random_() % 10'000'000);
    switch (pick(6)) {
      case 0:
        return R"({"level":"info","trace":")" + hex(32) + R"(","status":)" + std::to_string(200 + pick(300)) + "}";
      case 1: return "GET /api/v1/users/" + number + " took " + std::to_string(pick(1000)) + "ms from 10.0." + hex(2);
      case 2:
        return "Gr\xc3\xbc\xc3\x9f"
               "e aus \xe6\x9d\xb1\xe4\xba\xac " +
               number + " \xff\xfe\x80 caf\xc3\xa9";
      case 3:
        return "Nov 21 10:11:12 host" + std::to_string(pick(9)) + " sshd[" + number + "]: Failed password for ROOT";
      case 4: return std::string(pick(4), 'x');
      default: return "path=C:\\temp\\" + hex(4) + " msg=\"" + hex(5) + "\"";
    }
  }
  std::string hex(size_t digits) {
    std::string out;
    for (; digits > 0; --digits) out += "0123456789abcdef"[pick(16)];
    return out;
  }
  std::string any_case(std::string text) {
    for (char& c : text)
      if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && pick(2) == 0) c = static_cast<char>(c ^ 0x20);
    return text;
  }

  // A part of a line that is there, or something like it.
  std::string needle() {
    const std::string& line = lines_[pick(lines_.size())];
    const size_t from = line.empty() ? 0 : pick(line.size());
    std::string out = line.substr(from, pick(3) == 0 ? pick(40) : pick(9));
    if (pick(4) == 0 && !out.empty()) out[pick(out.size())] = static_cast<char>(random_());
    if (pick(3) == 0) out = any_case(std::move(out));
    return out;
  }

  void build(ObjectStore& store, const std::string& key, size_t pages, bool with_filter = true) {
    ObjectBuilder builder;
    for (size_t page = 0; page < pages; ++page) {
      const std::string tenant = "t" + std::to_string(10'000 + page);
      for (size_t i = 1 + pick(60); i > 0; --i) {
        std::string text = lines_.emplace_back(line()), trace = hex(1 + pick(3));
        std::vector<MetadataPair> metadata;
        if (page % 3 != 0) metadata = {{"trace", trace}, {"level", "info"}};
        builder.add(tenant, {{"app", pick(2) == 0 ? "a" : "b"}}, static_cast<UnixNanos>(i), text, metadata);
      }
    }
    REQUIRE(builder.write(store, key, {.level = 2, .with_filter = with_filter}));
  }

 private:
  std::mt19937_64 random_;
  std::vector<std::string> lines_;
};

struct PageText {
  std::vector<std::string> lines;
  std::set<std::pair<std::string, std::string>> metadata;
};

std::vector<PageText> read_pages(const std::shared_ptr<const ObjectReader>& object) {
  std::vector<PageText> out;
  std::vector<uint32_t> all(object->pages().size());
  for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  PageCursor cursor(object, all);
  while (cursor.next()) {
    auto entries = cursor.entries();
    REQUIRE(entries);
    PageText& page = out.emplace_back();
    for (size_t i = 0; i < entries->size(); ++i) {
      page.lines.emplace_back(entries->line(i));
      for (const auto& [name, value] : entries->metadata(i)) {
        page.metadata.emplace(name, value);
        page.metadata.emplace(name, kAnyMetadataValue);
      }
    }
  }
  return out;
}

StreamSet all_streams(const ObjectReader& object) {
  StreamSet out;
  out.chosen.assign(object.streams().size(), true);
  for (uint32_t i = 0; i < out.chosen.size(); ++i) out.ordinals.push_back(i);
  return out;
}

std::vector<uint32_t> all_pages(const ObjectReader& object) {
  std::vector<uint32_t> out(object.pages().size());
  for (uint32_t i = 0; i < out.size(); ++i) out[i] = i;
  return out;
}

bool may_hold(const PageText& page, const PageCondition& condition) {
  if (std::any_of(condition.metadata.begin(), condition.metadata.end(),
                  [&](const auto& pair) { return page.metadata.contains(pair); }))
    return true;
  return std::any_of(page.lines.begin(), page.lines.end(), [&](const std::string& line) {
    if (condition.or_backslash && line.find('\\') != std::string::npos) return true;
    return std::any_of(condition.texts.begin(), condition.texts.end(), [&](const std::string& text) {
      return LiteralSearcher(text, pipeline::Case::kIgnoreAscii).is_in(line);
    });
  });
}

struct FilterFixture {
  ForgetfulFiles files;
  std::unique_ptr<ObjectStore> folder = *open_local_store(files, "/data");
  TestStore store{*folder};

  std::shared_ptr<const ObjectReader> open(const std::string& key) {
    auto object = ObjectReader::open(store, key);
    REQUIRE_MESSAGE(object, object.error().message);
    return *object;
  }
  std::vector<uint32_t> ask(const ObjectReader& object, const std::vector<PageCondition>& conditions) {
    reads = {};
    return object.pages_with(conditions, all_streams(object), all_pages(object), reads);
  }
  FilterReads reads;
};

// Where the grids of lines begin: behind the last page of text and the small columns of its group.
PageCondition text(std::string needle) {
  PageCondition out;
  out.texts.push_back(std::move(needle));
  return out;
}

constexpr std::string_view kAbsent = "5f3c9a1e5b2d4806a9c4e17d20b8f63x";

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("filter: ten thousand needles are found wherever a full scan finds them") {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(seed);
      FilterFixture fixture;
      Haystack haystack(seed);
      haystack.build(fixture.store, "object", seed == 12 ? 1100 : 1 + haystack.pick(90));
      auto object = fixture.open("object");
      const auto pages = read_pages(object);
      size_t kept = 0, asked = 0, held = 0;
      for (int round = 0; round < (seed == 12 ? 100 : 1000); ++round) {
        fixture.store.worth = haystack.pick(3) * haystack.pick(100'000);
        std::vector<PageCondition> conditions(1 + haystack.pick(2));
        for (PageCondition& condition : conditions) {
          for (size_t i = haystack.pick(3); i > 0 || condition.texts.empty(); i -= i > 0)
            condition.texts.push_back(haystack.needle());
          condition.or_backslash = haystack.pick(5) == 0;
          if (haystack.pick(5) == 0) condition.metadata.emplace_back("trace", haystack.hex(haystack.pick(4)));
        }
        const auto found = fixture.ask(*object, conditions);
        const bool may = may_have_ids(fixture.store, "object", object->summary(), conditions, fixture.reads);
        CHECK(fixture.reads.damaged == 0);
        CHECK(std::is_sorted(found.begin(), found.end()));
        asked += pages.size(), kept += found.size();
        for (uint32_t page = 0; page < pages.size(); ++page) {
          const bool holds = std::all_of(conditions.begin(), conditions.end(),
                                         [&](const auto& condition) { return may_hold(pages[page], condition); });
          held += holds;
          CHECK((may || !holds));
          if (holds && !std::binary_search(found.begin(), found.end(), page)) {
            CAPTURE(page);
            FAIL_CHECK("a page that holds '" << conditions[0].texts[0] << "' was left out");
          }
        }
      }
      CHECK(kept < asked);
      CHECK(held <= kept);
    }
  }

  TEST_CASE("filter: an absent id opens no page, and what is too short opens all") {
    FilterFixture fixture;
    Haystack haystack(7);
    haystack.build(fixture.store, "object", 200);
    auto object = fixture.open("object");
    CHECK(fixture.ask(*object, {text(std::string(kAbsent))}).empty());
    CHECK(fixture.reads.ranges > 0);
    CHECK(fixture.reads.bytes > 0);
    CHECK(fixture.ask(*object, {text("abc")}).size() == 200);
    CHECK(fixture.reads.ranges == 0);
    CHECK(fixture.ask(*object, {text("12345")}).size() == 200);
    // One text of several that cannot be looked for is enough to say nothing.
    PageCondition either = text(std::string(kAbsent));
    either.texts.emplace_back("ab");
    CHECK(fixture.ask(*object, {either}).size() == 200);
    CHECK(fixture.ask(*object, {either, text(std::string(kAbsent))}).empty());
    CHECK(fixture.ask(*object, {}).size() == 200);
    fixture.store.worth = 1 << 20;
    CHECK(fixture.ask(*object, {text(std::string(kAbsent))}).empty());
    CHECK(fixture.reads.ranges <= 2);
  }

  TEST_CASE("filter: a page with an entry of a stream that passes unasked stays") {
    FilterFixture fixture;
    ObjectBuilder builder;
    for (int i = 0; i < 9; ++i)
      builder.add("t" + std::to_string(i), {{"app", "x"}, {i % 3 == 0 ? "trace" : "pod", "1"}}, i, "some line");
    REQUIRE(builder.write(fixture.store, "object", {.level = 2, .with_filter = true}));
    auto object = fixture.open("object");
    PageCondition condition;
    condition.metadata = {{"trace", "77"}};
    CHECK(fixture.ask(*object, {condition}).empty());
    condition.not_with = {"other"};
    CHECK(fixture.ask(*object, {condition}).empty());
    condition.not_with = {"trace"};
    CHECK(fixture.ask(*object, {condition}) == std::vector<uint32_t>{0, 3, 6});
    CHECK(fixture.ask(*object, {condition, text(std::string(kAbsent))}).empty());
  }

  TEST_CASE("filter: without one, every page stays") {
    FilterFixture fixture;
    Haystack haystack(3);
    haystack.build(fixture.store, "object", 20, false);
    auto object = fixture.open("object");
    CHECK_FALSE(object->has_filter());
    CHECK(fixture.ask(*object, {text(std::string(kAbsent))}).size() == 20);
    CHECK(fixture.reads.damaged == 0);
  }

  TEST_CASE("filter: where its bytes are damaged or cannot be read, every page stays and somebody hears of it") {
    FilterFixture fixture;
    Haystack haystack(5);
    haystack.build(fixture.store, "object", 600);  // two parts
    auto object = fixture.open("object");
    const auto pages = read_pages(object);
    const auto right = fixture.ask(*object, {text("Failed password")});
    CHECK(right.size() < 600);
    uint64_t last_page_end = 0;
    for (const PageInfo& page : object->pages())
      for (const auto& column : page.columns) last_page_end = std::max(last_page_end, column.offset + column.length);
    SUBCASE("all of the last part") {
      fixture.store.damaged_from = last_page_end;
      fixture.store.damaged_to = UINT64_MAX;
      const auto found = fixture.ask(*object, {text(std::string(kAbsent))});
      CHECK(found.size() == 600 - kFilterPartPages);
      CHECK(found.front() == kFilterPartPages);
      CHECK(fixture.reads.damaged == 1);
    }
    SUBCASE("a few bytes anywhere: never a wrong answer") {
      std::mt19937_64 random(11);
      const uint64_t begin = kObjectHeaderBytes, end = object->summary().size - object->summary().footer_length;
      for (int i = 0; i < 400; ++i) {
        fixture.store.damaged_from = begin + random() % (end - begin);
        fixture.store.damaged_to = fixture.store.damaged_from + 1 + random() % 3000;
        const auto found = fixture.ask(*object, {text("Failed password")});
        CHECK(std::includes(found.begin(), found.end(), right.begin(), right.end()));
        CHECK((found == right || fixture.reads.damaged > 0));
      }
    }
    SUBCASE("the store is away") {
      fixture.store.fails = true;
      CHECK(fixture.ask(*object, {text(std::string(kAbsent))}).size() == 600);
      CHECK(fixture.reads.damaged == 2);
    }
    SUBCASE("its section in the footer") {
      std::string bytes;
      REQUIRE(fixture.store.get_range("object", 0, object->summary().size, bytes));
      size_t harmed = 0;
      const size_t footer = bytes.size() - object->summary().footer_length;
      for (size_t at = footer; at < bytes.size(); at += 1 + at % 3) {
        std::string wrong = bytes;
        wrong[at] = static_cast<char>(wrong[at] ^ 0x04);
        const std::string key = "wrong-" + std::to_string(at);
        REQUIRE(fixture.store.put(key, wrong));
        auto opened = ObjectReader::open(fixture.store, key);
        REQUIRE(fixture.store.remove(key));
        if (!opened) continue;  // a section that nobody can do without
        REQUIRE(fixture.store.put(key + "x", wrong));
        auto again = fixture.open(key + "x");
        const auto found = fixture.ask(*again, {text("Failed password")});
        CHECK((found.size() == 600 || (found == right && again->summary().ids_length == 0)));
        CHECK(fixture.reads.damaged == 1);
        ++harmed;
      }
      CHECK(harmed > 50);
    }
  }

  TEST_CASE("filter: hostile bytes in its section are refused or safe to use") {
    FilterFixture fixture;
    Haystack haystack(9);
    haystack.build(fixture.store, "object", 40);
    auto object = fixture.open("object");
    FilterBuilder builder;
    const auto pages = read_pages(object);
    for (const PageText& page : pages) {
      std::string all;
      for (const std::string& line : page.lines) all += line;
      builder.add_page(all, {}, {});
    }
    REQUIRE(builder.finish_part(1000, [](std::string_view) { return Result<void>(); }));
    const std::string raw = encode_filter(builder.parts());
    std::vector<FilterPart> parts;
    CHECK(decode_filter(raw, 40, 1 << 30, parts));
    CHECK(parts.size() == 1);
    CHECK_FALSE(decode_filter(raw, 41, 1 << 30, parts));
    CHECK_FALSE(decode_filter(raw, 40, 1000, parts));
    for (uint64_t seed = 0; seed < 20000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string wrong = raw;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) wrong[random() % wrong.size()] = static_cast<char>(random());
      if (random() % 4 == 0) wrong.resize(random() % wrong.size());
      parts.clear();
      if (!decode_filter(wrong, 40, 1 << 20, parts)) continue;
      for (const FilterPart& part : parts) {
        for (const FilterGrid* grid : {&part.lines, &part.metadata}) {
          CHECK(grid->offset + grid->length() <= 1 << 20);
          CHECK(grid->size_of.size() == part.pages());
          for (uint8_t size : grid->size_of) CHECK((size == FilterGrid::kNoSize || size < grid->sizes.size()));
        }
      }
    }
  }
}
