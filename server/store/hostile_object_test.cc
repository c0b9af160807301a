// Objects whose checksums are right and whose contents are not: made by newer versions, by other programs, or by
// malice.
#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/checksum.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/base/varint.h"
#include "pipeline/codec/zstd_frame.h"
#include "server/store/format.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::append_fixed;
using pipeline::append_varint;
using pipeline::ByteReader;
using pipeline::Errc;
using pipeline::ForgetfulFiles;

namespace {

// The pages of an object and its raw sections, put together again with right checksums.
class TakenApart {
 public:
  struct Section {
    uint64_t type, version;
    uint8_t flags;
    std::string raw;
  };
  std::string pages;
  std::vector<Section> sections;

  TakenApart(const std::string& object, uint32_t footer_length) : pages(object, 0, object.size() - footer_length) {
    ByteReader trailer(std::string_view(object).substr(object.size() - kObjectTrailerBytes));
    auto table_offset = trailer.fixed<uint64_t>();
    ByteReader table(std::string_view(object).substr(table_offset, trailer.fixed<uint32_t>()));
    for (uint64_t left = table.varint(); left > 0; --left) {
      Section section{};
      section.type = table.varint();
      section.version = table.varint();
      bool compressed = table.fixed<uint8_t>() == 1;
      section.flags = table.fixed<uint8_t>();
      uint64_t offset = table.varint(), stored = table.varint(), raw_length = table.varint();
      table.fixed<uint32_t>();
      section.raw = object.substr(offset, stored);
      if (compressed) {
        std::string raw(raw_length, '\0');
        REQUIRE(pipeline::zstd_decompress_page(section.raw, raw_length, raw.data()));
        section.raw = raw;
      }
      sections.push_back(section);
    }
    REQUIRE(table.ok());
  }

  std::string put_together() const {
    std::string out = pages, table;
    append_varint(table, sections.size());
    for (const Section& section : sections) {
      append_varint(table, section.type);
      append_varint(table, section.version);
      table += '\0';
      table += static_cast<char>(section.flags);
      append_varint(table, out.size());
      append_varint(table, section.raw.size());
      append_varint(table, section.raw.size());
      append_fixed<uint32_t>(table, pipeline::crc32c(section.raw));
      out += section.raw;
    }
    uint64_t table_offset = out.size();
    out += table;
    append_fixed<uint64_t>(out, table_offset);
    append_fixed<uint32_t>(out, static_cast<uint32_t>(table.size()));
    append_fixed<uint32_t>(out, pipeline::crc32c(table));
    append_fixed<uint32_t>(out, kObjectVersion);
    return out += kObjectMagic;
  }
};

struct HostileFixture {
  ForgetfulFiles files;
  std::unique_ptr<ObjectStore> store = *open_local_store(files, "/data");
  uint64_t written = 0;

  std::string make(int entries) {
    ObjectBuilder builder;
    for (int i = 0; i < entries; ++i) {
      builder.add(i % 9 == 0 ? "t" : "u", {{"app", std::to_string(i % 4)}, {"pod", std::to_string(i % 7)}}, i * i,
                  "line " + std::to_string(i), {{"k", "v"}});
    }
    ObjectWriterOptions options{.object = {1, 2}, .level = 2, .inputs = {{3, 4}}};
    options.effort = PageEffort::kSmall;
    summary = *builder.write(*store, "original", options);
    std::string bytes;
    REQUIRE(store->get_range("original", 0, summary.size, bytes));
    return bytes;
  }
  // Everything a reader can be asked.
  Result<std::vector<PlainEntry>> use(const std::string& bytes) {
    std::string key = "object-" + std::to_string(written++);
    REQUIRE(store->put(key, bytes));
    TRY_LET(auto object, ObjectReader::open(*store, key));
    std::vector<LabelTest> tests = {{"app", [](std::string_view v) { return v != "1"; }}};
    for (const std::string& tenant : object->tenants()) {
      (void)object->pages_of(object->select(tenant, tests), 0, 1000);
    }
    for (const StreamInfo& stream : object->streams()) (void)object->labels(stream);
    auto entries = read_entries(object);
    (void)store->remove(key);
    return entries;
  }
  ObjectSummary summary;
};

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("object: an unknown section is ignored where optional and refused where critical") {
    HostileFixture fixture;
    TakenApart parts(fixture.make(20), fixture.summary.footer_length);
    auto expected = *fixture.use(parts.put_together());
    CHECK(expected.size() == 20);
    const size_t known_sections = parts.sections.size();
    SUBCASE("unknown type") { parts.sections.push_back({99, 1, 0, "something new"}); }
    SUBCASE("a newer form of a section that every object has") {}
    SUBCASE("fields") { parts.sections.insert(parts.sections.begin(), {8, 1, 0, "columns"}); }
    CHECK(*fixture.use(parts.put_together()) == expected);
    for (auto& section : parts.sections) {
      if (section.flags == 0) section.flags = kSectionCritical;
    }
    if (parts.sections.size() == known_sections) parts.sections[2].version = 2;
    auto refused = fixture.use(parts.put_together());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::kInvalid);
    CHECK(refused.error().message.find("made by a newer version: section ") != std::string::npos);
  }

  TEST_CASE("object: a filter that is none is left aside") {
    HostileFixture fixture;
    TakenApart parts(fixture.make(20), fixture.summary.footer_length);
    auto expected = *fixture.use(parts.put_together());
    parts.sections.push_back({7, 1, 0, "grams"});
    CHECK(*fixture.use(parts.put_together()) == expected);
    parts.sections.back().version = 2;
    CHECK(*fixture.use(parts.put_together()) == expected);
  }

  TEST_CASE("object: without one of its sections it is refused") {
    HostileFixture fixture;
    const TakenApart whole(fixture.make(20), fixture.summary.footer_length);
    for (size_t i = 0; i < whole.sections.size(); ++i) {
      TakenApart parts = whole;
      if (whole.sections[i].flags == 0) continue;  // an optional one
      parts.sections.erase(parts.sections.begin() + static_cast<ptrdiff_t>(i));
      auto refused = fixture.use(parts.put_together());
      REQUIRE_FALSE(refused);
      CHECK(refused.error().message.ends_with(": absent"));
    }
  }

  TEST_CASE("object: one that was written before volumes were counted has the raw bytes for them") {
    HostileFixture fixture;
    TakenApart parts(fixture.make(20), fixture.summary.footer_length);
    auto open = [&](const std::string& key) { return *ObjectReader::open(*fixture.store, key); };
    uint64_t volume = 0, raw = 0;
    const auto original = open("original");
    for (const StreamInfo& stream : original->streams()) volume += stream.volume_bytes, raw += stream.raw_bytes;
    CHECK(volume > raw);
    std::erase_if(parts.sections, [](const auto& section) { return section.flags == 0; });
    REQUIRE(fixture.store->put("old", parts.put_together()));
    const auto old = open("old");
    for (const StreamInfo& stream : old->streams()) CHECK(stream.volume_bytes == stream.raw_bytes);
  }

  TEST_CASE("object: hostile sections behind right checksums never crash a reader") {
    HostileFixture fixture;
    const TakenApart whole(fixture.make(60), fixture.summary.footer_length);
    for (uint64_t seed = 0; seed < 4000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      TakenApart parts = whole;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        std::string& raw = parts.sections[random() % parts.sections.size()].raw;
        if (raw.empty()) continue;
        switch (random() % 4) {
          case 0: raw.resize(random() % raw.size()); break;
          case 1: raw[random() % raw.size()] = static_cast<char>(0xff); break;
          default: raw[random() % raw.size()] = static_cast<char>(random() % 16); break;
        }
      }
      (void)fixture.use(parts.put_together());
    }
  }
}
