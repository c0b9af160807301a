// Ids of lines, and the set of them: written, asked, damaged.
#include "server/store/id_set.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <set>

#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/match/literal_search.h"
#include "server/store/format.h"
#include "server/store/id_keys.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::ForgetfulFiles;
using pipeline::LiteralSearcher;

namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  size_t pick(size_t below) { return engine_() % below; }
  std::string of(std::string_view alphabet, size_t size) {
    std::string out;
    for (; size > 0; --size) out += alphabet[pick(alphabet.size())];
    return out;
  }
  std::string hex(size_t size) { return of("0123456789abcdef", size); }
  std::string uuid() { return hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12); }
  std::string any_case(std::string text) {
    for (char& c : text)
      if (std::isalpha(static_cast<unsigned char>(c)) != 0 && pick(2) == 0) c = static_cast<char>(c ^ 0x20);
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

// The definition, without any haste: the keys of a line are those of its 32 bytes in a row, each by itself.
std::set<uint32_t> keys_of_windows(std::string_view line) {
  std::set<uint32_t> out;
  for (size_t at = 0; at + kIdBytes <= line.size(); ++at)
    for (uint32_t key : id_keys(line.substr(at, kIdBytes))) out.insert(key);
  return out;
}

std::set<uint32_t> keys_of_lines(const std::vector<std::string>& lines) {
  std::string text;
  std::vector<uint64_t> lengths;
  for (const std::string& line : lines) text += line, lengths.push_back(line.size());
  std::vector<uint32_t> keys;
  append_id_keys(text, lengths, keys);
  return {keys.begin(), keys.end()};
}

PageCondition text(std::string needle) {
  PageCondition out;
  out.texts.push_back(std::move(needle));
  return out;
}

struct IdSetFixture {
  ForgetfulFiles files;
  std::unique_ptr<ObjectStore> store = *open_local_store(files, "/data");
  ObjectSummary object;
  FilterReads reads;

  // Each line an entry; metadata of the first if any.
  void build(const std::vector<std::string>& lines, bool with_filter = true) {
    ObjectBuilder builder;
    for (size_t i = 0; i < lines.size(); ++i)
      builder.add("t", {{"app", i % 2 == 0 ? "a" : "b"}}, static_cast<UnixNanos>(i), lines[i]);
    auto written = builder.write(*store, "object", {.level = 2, .with_filter = with_filter});
    REQUIRE(written);
    object = *written;
  }
  bool ask(std::vector<PageCondition> conditions) {
    reads = {};
    return may_have_ids(*store, "object", object, conditions, reads);
  }
  bool ask(const std::string& needle) { return ask(std::vector<PageCondition>{text(needle)}); }
  void damage(uint64_t at) {
    std::string bytes;
    REQUIRE(store->get_range("object", 0, object.size, bytes));
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    REQUIRE(store->remove("object"));
    REQUIRE(store->put("object", bytes));
  }
  uint64_t ids_begin() const { return object.size - object.footer_length - object.ids_length; }
};

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("id keys: a line has the keys of each 32 id bytes in a row, wherever lines begin and end") {
    for (uint64_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      Random random(seed);
      std::vector<std::string> lines;
      std::set<uint32_t> expected;
      for (size_t i = random.pick(20); i > 0; --i) {
        std::string line;
        for (size_t word = random.pick(5); word > 0; --word) {
          const size_t size = random.pick(40) == 0 ? random.pick(5000) : random.pick(70);
          line += random.of(random.pick(3) == 0 ? "ab-" : "0123456789abcdefXYZxyz-", size);
          line += random.of(" _.\"@[`{/:\x80\xc1\xff", random.pick(2));
        }
        expected.merge(keys_of_windows(line));
        lines.push_back(std::move(line));
      }
      CHECK(keys_of_lines(lines) == expected);
    }
  }

  TEST_CASE("id keys: letters of any case; 32 bytes have one key, 31 none, and 36 of a UUID few") {
    Random random(1);
    size_t of_uuids = 0;
    for (int i = 0; i < 200; ++i) {
      const std::string id = random.hex(32), uuid = random.uuid();
      CHECK(id_keys(id).size() == 1);
      CHECK(id_keys(random.any_case(id)) == id_keys(id));
      CHECK(id_keys(id.substr(1)).empty());
      CHECK(id_keys(id.substr(0, 16) + "." + id.substr(16)).empty());
      of_uuids += id_keys(uuid).size();
      CHECK(id_keys("{\"id\":\"" + uuid + "\"}") == id_keys(uuid));
    }
    CHECK(of_uuids < 2 * 200);
    CHECK(keys_of_lines({random.hex(20), random.hex(20)}).empty());  // an id does not go on in the next line
    CHECK(id_keys(std::string(2000, '-')).size() == 1);
  }

  TEST_CASE("id set: whatever is asked, an object that has it is never left out") {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(seed);
      Random random(seed);
      std::vector<std::string> lines;
      for (size_t i = seed == 8 ? 30'000 : random.pick(300); i > 0; --i) {
        switch (random.pick(5)) {
          case 0: lines.push_back(R"({"trace":")" + random.hex(32) + R"(","user":)" + random.hex(3) + "}"); break;
          case 1: lines.push_back("GET /orders/" + random.any_case(random.uuid()) + "/items 200"); break;
          case 2: lines.push_back(random.hex(random.pick(200)) + " done"); break;
          case 3: lines.push_back("C:\\temp\\" + random.hex(40)); break;
          default: lines.push_back("nothing of the kind " + random.hex(9)); break;
        }
      }
      IdSetFixture fixture;
      fixture.build(lines);
      CHECK((fixture.object.ids_length > kIdBlockBytes) == (seed == 8));
      size_t left_out = 0;
      for (int round = 0; round < 400; ++round) {
        std::vector<PageCondition> conditions(1 + random.pick(2));
        for (PageCondition& condition : conditions) {
          for (size_t i = 1 + random.pick(2); i > 0; --i) {
            std::string needle = random.hex(32);
            if (!lines.empty() && random.pick(3) != 0) {
              const std::string& line = lines[random.pick(lines.size())];
              needle = line.substr(random.pick(line.size() + 1), random.pick(3) == 0 ? 33 : 200);
            }
            condition.texts.push_back(random.any_case(std::move(needle)));
          }
          condition.or_backslash = random.pick(5) == 0;
        }
        const bool there = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
          return std::all_of(conditions.begin(), conditions.end(), [&](const PageCondition& condition) {
            if (condition.or_backslash && line.find('\\') != std::string::npos) return true;
            return std::any_of(condition.texts.begin(), condition.texts.end(), [&](const std::string& needle) {
              return LiteralSearcher(needle, pipeline::Case::kIgnoreAscii).is_in(line);
            });
          });
        });
        const bool may = fixture.ask(conditions);
        CHECK((may || !there));
        CHECK(fixture.reads.damaged == 0);
        left_out += !may;
      }
      CHECK(left_out > 20);
    }
  }

  TEST_CASE("id set: an id that is not there costs one small read, and the object is seldom looked at for it") {
    Random random(3);
    std::vector<std::string> lines;
    for (int i = 0; i < 40'000; ++i) lines.push_back("id=" + random.hex(32) + " and text that is not random at all");
    IdSetFixture fixture;
    fixture.build(lines);
    CHECK(fixture.object.ids_length <= 40'000 * 12 / 8 + kIdBlockBytes);
    CHECK(is_id_set_length(fixture.object.ids_length));
    size_t found = 0;
    for (int i = 0; i < 2000; ++i) {
      found += fixture.ask(random.hex(32));
      CHECK(fixture.reads.ranges == 1);
      CHECK(fixture.reads.bytes == kIdBlockBytes);
    }
    CHECK(found < 20);  // 0.3 % are expected
    for (int i = 0; i < 2000; ++i) CHECK(fixture.ask(lines[random.pick(lines.size())].substr(3, 32)));
  }

  TEST_CASE("id set: it does not answer what it cannot know") {
    IdSetFixture fixture;
    Random random(4);
    const std::string absent = random.hex(32);
    fixture.build({"a line with C:\\" + random.hex(32)});
    CHECK_FALSE(fixture.ask(absent));
    CHECK(fixture.ask(absent.substr(1)));
    CHECK(fixture.reads.ranges == 0);
    CHECK(fixture.ask(std::vector<PageCondition>()));
    PageCondition condition = text(absent);
    condition.texts.emplace_back("short");  // one of the two is enough
    CHECK(fixture.ask({condition}));
    CHECK_FALSE(fixture.ask({condition, text(absent)}));
    condition = text(absent);
    condition.or_backslash = true;
    CHECK(fixture.ask({condition}));
    condition = text(absent);
    condition.metadata.emplace_back("trace", "1");
    CHECK(fixture.ask({condition}));
    condition = text(absent);
    condition.not_with.emplace_back("app");
    CHECK(fixture.ask({condition}));
    fixture.object.ids_length = 0;
    CHECK(fixture.ask(absent));

    IdSetFixture none;
    none.build({"no id, no backslash"});
    CHECK(none.object.ids_length == kIdBlockHeader);
    CHECK_FALSE(none.ask(absent));
    condition = text(absent);
    condition.or_backslash = true;
    CHECK_FALSE(none.ask({condition}));

    IdSetFixture plain;
    plain.build({"id=" + random.hex(32)}, false);
    CHECK(plain.object.ids_length == 0);
    CHECK(plain.ask(absent));
  }

  TEST_CASE("id set: long texts of id bytes that would make it large have none") {
    IdSetFixture fixture;
    Random random(5);
    std::vector<std::string> lines;
    for (int i = 0; i < 100; ++i) lines.push_back(random.hex(20'000));
    fixture.build(lines);
    CHECK(fixture.object.ids_length == 0);
    CHECK(fixture.ask(random.hex(32)));
  }

  TEST_CASE("id set: the footer knows what the writer and so the catalogue know") {
    IdSetFixture fixture;
    Random random(6);
    fixture.build({random.uuid(), random.hex(32)});
    auto object = ObjectReader::open(*fixture.store, "object", fixture.object.size, fixture.object.footer_length);
    REQUIRE(object);
    CHECK((*object)->summary() == fixture.object);
    auto rebuilt = ObjectReader::open(*fixture.store, "object");
    REQUIRE(rebuilt);
    CHECK((*rebuilt)->summary() == fixture.object);
  }

  TEST_CASE("id set: damaged bytes, wrong lengths or an object that is gone never leave out anything") {
    IdSetFixture fixture;
    Random random(7);
    const std::string id = random.hex(32), absent = random.hex(32);
    fixture.build({"id=" + id, random.uuid()});
    REQUIRE(fixture.ask(id));
    REQUIRE_FALSE(fixture.ask(absent));
    SUBCASE("any byte of it") {
      for (uint64_t at = fixture.ids_begin(); at < fixture.object.size - fixture.object.footer_length; ++at) {
        fixture.damage(at);
        CHECK(fixture.ask(absent));
        CHECK(fixture.reads.damaged == 1);
        fixture.damage(at);
      }
      CHECK_FALSE(fixture.ask(absent));
    }
    SUBCASE("lengths that are not its own") {
      for (uint64_t wrong : {uint64_t{1}, kIdBlockHeader, fixture.object.ids_length - 1, fixture.object.ids_length + 1,
                             kIdBlockBytes + 1, fixture.object.size, ~uint64_t{0}}) {
        CAPTURE(wrong);
        fixture.object.ids_length = wrong;
        CHECK(fixture.ask(absent));
      }
    }
    SUBCASE("gone") {
      REQUIRE(fixture.store->remove("object"));
      CHECK(fixture.ask(absent));
      CHECK(fixture.reads.damaged == 0);
    }
  }
}
