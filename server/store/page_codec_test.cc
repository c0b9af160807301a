#include "server/store/page_codec.h"

#include <doctest/doctest.h>
#include <functional>
#include <random>

#include "server/store/metadata_groups.h"

using namespace server;
using pipeline::ByteBuffer;
using pipeline::Errc;

namespace {

// Calls `decode` with `raw` broken in many ways, as if the checksum were right.
void break_in_many_ways(const std::string& raw, uint64_t seed, const std::function<void(std::string_view)>& decode) {
  std::mt19937_64 random(seed);
  for (size_t size = 0; size < raw.size(); ++size) decode(std::string(raw.data(), size));
  for (int round = 0; round < 2000; ++round) {
    std::string broken = raw;
    for (uint64_t n = 1 + random() % 4; n > 0; --n) {
      broken[random() % broken.size()] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    decode(broken);
  }
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("pages: stored raw where nothing makes them smaller, padded for readers where asked") {
    std::string repeated(10'000, 'x'), noise;
    std::mt19937_64 random(1);
    for (int i = 0; i < 1000; ++i) noise += static_cast<char>(random());
    using Effort = std::optional<PageEffort>;
    for (Effort effort : {Effort(), Effort(PageEffort::kLeast), Effort(PageEffort::kFast), Effort(PageEffort::kSmall)})
      for (const std::string& raw : {repeated, noise, std::string()}) {
        std::string stored;
        append_page(stored, PageEncoding::kPlain, raw, 17, effort);
        CHECK(stored.size() <= raw.size() + kPageHeaderBytes);
        if (effort && !raw.empty() && raw.front() == 'x') CHECK(stored.size() < 1000);
        ByteBuffer buffer;
        auto back = decode_page(stored, PageEncoding::kPlain, 17, true, buffer);
        REQUIRE(back);
        CHECK(*back == raw);
        CHECK(buffer.capacity() >= raw.size() + kTextPadding);
        CHECK(decode_page(stored, PageEncoding::kPlain, 16, true, buffer).error().code == Errc::kCorrupt);
        CHECK(decode_page(stored, PageEncoding::kPacked, 17, true, buffer).error().code == Errc::kInvalid);
      }
  }

  TEST_CASE("pages: hostile bytes behind a right checksum are refused or give safe columns") {
    for (PageEffort effort : {PageEffort::kLeast, PageEffort::kSmall}) {
      std::string stored;
      append_page(stored, PageEncoding::kPlain, std::string(500, 'x'), 17, effort);
      break_in_many_ways(stored, 1, [](std::string_view bytes) {
        ByteBuffer buffer;
        (void)decode_page(bytes, PageEncoding::kPlain, 17, true, buffer);
      });
    }

    // Built by the writer's own pieces: lengths 0..299, metadata on every second row.
    std::string metadata, columns;
    std::vector<uint32_t> offsets{0};
    for (int i = 0; i < 300; ++i) {
      std::string value = std::to_string(i);
      if (i % 2 == 0) append_metadata(metadata, std::vector<MetadataPair>{{"id", value}, {"level", "info"}});
      offsets.push_back(static_cast<uint32_t>(metadata.size()));
    }
    MetadataKeys keys;
    append_metadata_columns(columns, offsets, metadata, keys);
    std::vector<uint32_t> back;
    std::string text;
    REQUIRE(decode_metadata_columns(columns, 300, keys.names(), back, text));
    CHECK(back == offsets);
    CHECK(text == metadata);
    break_in_many_ways(columns, 2, [&](std::string_view bytes) {
      if (!decode_metadata_columns(bytes, 300, keys.names(), back, text)) return;
      REQUIRE(back.size() == 301);
      for (size_t i = 0; i < 300; ++i) {
        for (auto [name, value] : MetadataView(std::string_view(text).substr(back[i], back[i + 1] - back[i]))) {
          REQUIRE(name.size() + value.size() <= text.size());
        }
      }
    });
  }

  TEST_CASE("pages: metadata comes back, whether rows repeat few different ones or many") {
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    for (uint32_t kinds : {1U, 2U, 8U, 127U, 128U, 129U, 200U, 1000U}) {
      for (size_t longest : {5U, 2000U}) {
        std::string metadata, columns;
        std::vector<uint32_t> offsets{0};
        const uint32_t rows = 1 + static_cast<uint32_t>(random() % 3000);
        for (uint32_t row = 0; row < rows; ++row) {
          const uint32_t kind = (row < kinds ? row : static_cast<uint32_t>(random())) % kinds;
          const std::string id = std::to_string(kind), text(kind % longest, 'x'), level = std::to_string(kind % 3);
          std::vector<MetadataPair> pairs;
          if (kind % 2 == 0) pairs.emplace_back("id", id);
          if (kind % 5 != 0) pairs.emplace_back("level", level);
          if (kind % 7 != 0) pairs.emplace_back("text", text);
          append_metadata(metadata, pairs);
          offsets.push_back(static_cast<uint32_t>(metadata.size()));
        }
        MetadataKeys keys;
        append_metadata_columns(columns, offsets, metadata, keys);
        std::vector<uint32_t> back;
        std::string text;
        REQUIRE(decode_metadata_columns(columns, rows, keys.names(), back, text));
        CHECK(back == offsets);
        CHECK(text == metadata);
      }
    }
  }

  TEST_CASE("pages: rows in groups of metadata have the wanted values, and broken bytes give safe groups or none") {
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 100; ++round) {
      const uint32_t rows = 1 + static_cast<uint32_t>(random() % 200);
      std::string metadata, columns;
      std::vector<uint32_t> offsets{0};
      for (uint32_t i = 0; i < rows; ++i) {
        const std::string level = std::to_string(random() % 3), node = std::to_string(random() % 5),
                          id = std::to_string(i);
        std::vector<MetadataPair> pairs;
        if (round % 2 == 0 || random() % 4 != 0) pairs.emplace_back("level", level);
        if (random() % 3 != 0) pairs.emplace_back("node", node);
        if (random() % 2 != 0) pairs.emplace_back("id", id);
        append_metadata(metadata, pairs);
        offsets.push_back(static_cast<uint32_t>(metadata.size()));
      }
      MetadataKeys keys;
      append_metadata_columns(columns, offsets, metadata, keys);
      const std::vector<std::string> wanted = {"node", "nope", "level"};
      MetadataGroups groups;
      REQUIRE(group_metadata_columns(columns, rows, keys.names(), &wanted, groups));
      if (!groups.exist()) continue;  // small pages have few values twice
      for (uint32_t row = 0; row < rows; ++row) {
        const MetadataView all(std::string_view(metadata).substr(offsets[row], offsets[row + 1] - offsets[row]));
        const MetadataView some(groups.metadata.at(groups.group_of.empty() ? 0 : groups.group_of.at(row)));
        for (const std::string& name : wanted) CHECK(all.find(name) == some.find(name));
        CHECK(!some.find("id"));
      }
      if (round >= 3) continue;
      break_in_many_ways(columns, 2, [&](std::string_view bytes) {
        MetadataGroups broken;
        if (!group_metadata_columns(bytes, rows, keys.names(), nullptr, broken) || !broken.exist()) return;
        for (const uint32_t group : broken.group_of) REQUIRE(group < broken.metadata.size());
      });
    }
  }
}
