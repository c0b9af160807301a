#include <doctest/doctest.h>
#include <random>
#include <thread>
#include <zlib.h>

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

using namespace pipeline;

namespace {

constexpr uint64_t kNoLimit = 1ull << 40;

std::string log_text(size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) {
    out +=
        concat("2026-11-01T10:00:00 level=info caller=server.go:", i % 97, " msg=\"request done\" id=", i * 7919, "\n");
  }
  out.resize(size);
  return out;
}

std::vector<std::string_view> cut_randomly(std::string_view text, std::mt19937& random) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t n = std::min<size_t>(text.size(), random() % 3 == 0 ? random() % 100'000 : random() % 300);
    out.push_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

std::string raw_deflate(std::string_view text) {
  std::string gz = gzip_compress(text);
  return gz.substr(10, gz.size() - 18);  // without gzip's header and its trailer
}

template <class Decompress>
Error error_of(Decompress decompress, std::string_view bytes, uint64_t limit) {
  ByteBuffer out;
  auto result = decompress(bytes, limit, out);
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("codec: fragments give their join again, with snappy, gzip and zstd") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (size_t size : {size_t{0}, size_t{1}, size_t{65'535}, size_t{65'536}, size_t{65'537}, size_t{1'500'000}}) {
      std::string text = log_text(size);
      auto fragments = cut_randomly(text, random);
      CAPTURE(size);
      ByteBuffer out;
      CHECK((snappy_compress(fragments) == snappy_compress(fragments)));
      REQUIRE(snappy_uncompress(snappy_compress(fragments), size, out).has_value());
      CHECK((out.view() == text));
      REQUIRE(gunzip(gzip_compress(fragments), size, out).has_value());
      CHECK((out.view() == text));
      REQUIRE(inflate_raw(raw_deflate(text), size, out).has_value());
      CHECK((out.view() == text));
      REQUIRE(zstd_decompress_body(zstd_compress_fragments(fragments), size, out).has_value());
      CHECK((out.view() == text));
      if (size > 0) {
        CHECK(error_of(snappy_uncompress, snappy_compress(text), size - 1).code == Errc::kOverLimit);
        CHECK(error_of(gunzip, gzip_compress(text), size - 1).code == Errc::kOverLimit);
        CHECK(error_of(inflate_raw, raw_deflate(text), size - 1).code == Errc::kOverLimit);
        CHECK(error_of(zstd_decompress_body, zstd_compress_fragments(fragments), size - 1).code == Errc::kOverLimit);
      }
    }
  }

  TEST_CASE("codec: a body over its limit is refused with loki's text") {
    std::string text = log_text(5000);
    const char* exact = "request body too large: decompressed message size too large than max (5000 vs 4096)";
    CHECK(error_of(snappy_uncompress, snappy_compress(text), 4096).message == exact);
    CHECK(error_of(zstd_decompress_body, zstd_compress_fragments(std::vector<std::string_view>{text}), 4096).message ==
          exact);
    CHECK(error_of(gunzip, gzip_compress(text), 4096).message ==
          "request body too large: decompressed message size too large than max (4097 vs 4096)");
  }

  TEST_CASE("codec: a snappy block that claims more than it can hold is refused before memory is spent on it") {
    std::string block;
    for (int i = 0; i < 4; ++i) block += '\xff';
    block += "\x0f\x01\x02";  // claims 4 GiB
    CHECK(error_of(snappy_uncompress, block, kNoLimit).message == "snappy: corrupt input");
    CHECK(error_of(snappy_uncompress, block, 100 << 20).message ==
          "request body too large: decompressed message size too large than max (4294967295 vs 104857600)");
    CHECK(error_of(snappy_uncompress, "", kNoLimit).message == "snappy: corrupt input");
    CHECK(error_of(snappy_uncompress, "\xff\x06\x00\x00sNaPpY", kNoLimit).message == "snappy: corrupt input");
  }

  TEST_CASE("codec: the most compressible text is not taken for a lie") {
    std::string zeros(3'000'000, '\0');
    ByteBuffer out;
    REQUIRE(snappy_uncompress(snappy_compress(zeros), zeros.size(), out).has_value());
    CHECK((out.view() == zeros));
    REQUIRE(zstd_decompress_body(zstd_compress_fragments(std::vector<std::string_view>{zeros}), zeros.size(), out)
                .has_value());
    CHECK((out.view() == zeros));
    REQUIRE(gunzip(gzip_compress(zeros), zeros.size(), out).has_value());
    CHECK((out.view() == zeros));
  }

  TEST_CASE("codec: compressed bytes cut or damaged anywhere are refused or give something, and never reach outside") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::string text = log_text(3000), snappy = snappy_compress(text), gzip = gzip_compress(text),
                raw = raw_deflate(text);
    std::string zstd;
    zstd_compress(text, zstd);
    ByteBuffer out;
    for (size_t n = 0; n < snappy.size(); ++n) {
      CHECK_FALSE(snappy_uncompress(std::string(snappy, 0, n), kNoLimit, out).has_value());
    }
    for (size_t n = 0; n < gzip.size(); ++n) {
      CHECK(gunzip(std::string(gzip, 0, n), kNoLimit, out).error().message == "unexpected EOF");
    }
    for (size_t n = 0; n < raw.size(); ++n) {
      CHECK(inflate_raw(std::string(raw, 0, n), kNoLimit, out).error().message == "unexpected EOF");
    }
    for (size_t n = 0; n < zstd.size(); ++n) {
      CHECK_FALSE(zstd_decompress_body(std::string(zstd, 0, n), kNoLimit, out).has_value());
      CHECK_FALSE(zstd_decompress_page(std::string(zstd, 0, n), text.size(), out).has_value());
    }
    auto damaged = [&](std::string bytes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
      return bytes;
    };
    for (int round = 0; round < 3000; ++round) {
      (void)snappy_uncompress(damaged(snappy), 1 << 20, out).has_value();
      (void)gunzip(damaged(gzip), 1 << 20, out).has_value();
      (void)inflate_raw(damaged(raw), 1 << 20, out).has_value();
      (void)zstd_decompress_body(damaged(zstd), 1 << 20, out).has_value();
      (void)zstd_decompress_page(damaged(zstd), text.size(), out).has_value();
    }
  }

  TEST_CASE("codec: gzip members follow one another, other bytes after them do not") {
    ByteBuffer out;
    REQUIRE(gunzip(gzip_compress("one,") + gzip_compress("two"), kNoLimit, out).has_value());
    CHECK(out.view() == "one,two");
    CHECK_FALSE(gunzip(gzip_compress("one") + "garbage", kNoLimit, out).has_value());
    CHECK(gunzip("not gzip at all", kNoLimit, out).error().message.starts_with("gzip: "));
  }

  TEST_CASE("codec: deflate means raw deflate, a zlib header is refused") {
    std::string wrapped(1000, '\0');
    uLongf size = wrapped.size();
    REQUIRE(compress(reinterpret_cast<Bytef*>(wrapped.data()), &size, reinterpret_cast<const Bytef*>("hello"), 5) ==
            Z_OK);
    wrapped.resize(size);
    CHECK(error_of(inflate_raw, wrapped, kNoLimit).code == Errc::kInvalid);
  }

  TEST_CASE("codec: a zstd page must have exactly the size that is known of it") {
    std::string text = log_text(300'000);
    ByteBuffer frame, out;
    zstd_compress(text, frame);
    CHECK(frame.size() < text.size() / 2);
    REQUIRE(zstd_decompress_page(frame.view(), text.size(), out).has_value());
    CHECK((out.view() == text));
    CHECK(zstd_decompress_page(frame.view(), text.size() + 1, out).error().code == Errc::kCorrupt);
    CHECK(zstd_decompress_page(frame.view(), text.size() - 1, out).error().code == Errc::kCorrupt);
    CHECK(zstd_decompress_page("nonsense", 5, out).error().code == Errc::kCorrupt);
    ByteBuffer empty;
    zstd_compress("", empty);
    REQUIRE(zstd_decompress_page(empty.view(), 0, out).has_value());
    CHECK(out.empty());
    std::string appended = "before";
    zstd_compress(text, appended);
    CHECK((std::string_view(appended).substr(6) == frame.view()));
  }

  TEST_CASE("codec: pages of either effort come back, whatever was compressed before; the one that stays is smaller") {
    std::mt19937 random(3);
    std::string text, noise(10'000, '\0'), fast = "before", small = "before";
    while (text.size() < 250'000) {
      text += concat("{\"time\":\"2026-11-21T10:", 10 + random() % 50, "\",\"level\":\"",
                     random() % 3 == 0 ? "warn" : "info", "\",\"message\":\"",
                     random() % 2 == 0 ? "request served from the cache" : "request handed on to a worker",
                     "\",\"took\":", random() % 5000, ",\"path\":\"/shop/", random() % 40, "\",\"user\":\"user_",
                     random() % 10'000, "\",\"status\":", 200 + random() % 5, "}");
    }
    for (char& byte : noise) byte = static_cast<char>(random());
    for (int round = 0; round < 2; ++round) {
      fast.resize(6), small.resize(6);
      zstd_compress_page(text, fast, ZstdEffort::kFast);
      zstd_compress_page(text, small, ZstdEffort::kSmall);
      CHECK(small.size() < fast.size());
      CHECK(fast.size() < text.size() / 2);
    }
    ByteBuffer level_one;
    zstd_compress(text, level_one);  // with the same context
    CHECK(level_one.size() < text.size() / 2);
    ByteBuffer out;
    for (const std::string* page : {&fast, &small}) {
      CHECK(page->starts_with("before"));
      REQUIRE(zstd_decompress_page(std::string_view(*page).substr(6), text.size(), out).has_value());
      CHECK((out.view() == text));
    }
    for (ZstdEffort effort : {ZstdEffort::kFast, ZstdEffort::kSmall})
      for (const std::string& raw : {std::string(), std::string("x"), noise}) {
        std::string page;
        zstd_compress_page(raw, page, effort);
        REQUIRE(zstd_decompress_page(page, raw.size(), out).has_value());
        CHECK((out.view() == raw));
      }
  }

  TEST_CASE("codec: pages in snappy come back, and a size that their bytes cannot have costs no memory") {
    std::mt19937 random(12);
    std::string noise(10'000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    for (const std::string& raw : {std::string(), std::string("x"), noise, log_text(3000), std::string(300'000, 'x')}) {
      ByteBuffer out;
      std::string page = "before";
      snappy_compress_page(raw, page);
      CHECK(page.starts_with("before"));
      page.erase(0, 6);
      REQUIRE(snappy_uncompress_page(page, raw.size(), out).has_value());
      CHECK((out.view() == raw));
      CHECK(snappy_uncompress_page(page, raw.size() + 1, out).error().code == Errc::kCorrupt);
      if (!raw.empty()) CHECK(snappy_uncompress_page(page, raw.size() - 1, out).error().code == Errc::kCorrupt);
    }
    ByteBuffer out;
    CHECK(snappy_uncompress_page("x", 1 << 30, out).error().code == Errc::kCorrupt);
    CHECK(out.capacity() < 1 << 20);
  }

  TEST_CASE("codec: threads compress pages at the same time, each with its own contexts") {
    std::string text = log_text(100'000);
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        ByteBuffer frame, out;
        zstd_compress(text, frame);
        if (zstd_decompress_page(frame.view(), text.size(), out) && out.view() == text) ++right;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(right == 4);
  }
}
