#include "agent/source/block_reader.h"

#include <doctest/doctest.h>

#include "agent/source/source_options.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using agent::testing::TempFolder;
using pipeline::Batch;
using pipeline::ByteRange;
using pipeline::LabelTable;

namespace {
struct Reader {
  MemoryBudget memory{64 << 20};
  LabelTable labels;
  Batch batch{labels};
  BlockReader block{memory};
  TempFolder folder;
  Cursor cursor;
  size_t max_line_bytes = 1000;
  int64_t time = 100;

  BlockReader::Outcome read(Tail tail = Tail::kKeep) {
    auto handle = FileHandle::open(folder.at("f"));
    REQUIRE(handle.has_value());
    batch.clear();
    auto outcome = block.read(**handle, cursor, max_line_bytes, tail, 0, time, batch);
    REQUIRE(outcome.has_value());
    return *outcome;
  }
  std::vector<std::string> lines() const { return {batch.lines.begin(), batch.lines.end()}; }
};
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: whole lines become entries with their bytes and rising read times") {
    Reader r;
    r.folder.append("f", "one\ntwo\r\n\nrest");
    auto outcome = r.read();
    CHECK(r.lines() == std::vector<std::string>{"one", "two", ""});
    CHECK(r.batch.origins == std::vector<ByteRange>{{0, 4, 100}, {4, 9, 101}, {9, 10, 102}});
    CHECK(r.batch.times == std::vector<pipeline::UnixNanos>{100, 101, 102});
    CHECK(outcome.at_end);
    CHECK(r.cursor.position == 10);
    CHECK(r.cursor.seen == 14);
    r.folder.append("f", " of it\nlast");
    r.read();
    CHECK(r.lines() == std::vector<std::string>{"rest of it"});
    r.read(Tail::kDeliver);
    CHECK(r.lines() == std::vector<std::string>{"last"});
    CHECK(r.batch.origins[0] == ByteRange{21, 25, 100});
    CHECK(r.cursor.position == 25);
  }

  TEST_CASE("source: a byte order mark at the start of a file is not part of its first line") {
    Reader r;
    r.folder.append("f", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n");
    r.read();
    CHECK(r.lines() == std::vector<std::string>{"one", "\xEF\xBB\xBFtwo"});
    CHECK(r.batch.origins[0] == ByteRange{0, 7, 100});
  }

  TEST_CASE("source: a line across blocks is read whole") {
    Reader r;
    r.max_line_bytes = kDefaultMaxLineBytes;
    std::string text;
    std::vector<std::string> want;
    while (text.size() < 3 * kBlockBytes) {
      want.push_back("line " + std::to_string(want.size()) + std::string(want.size() % 977, 'x'));
      text += want.back() + "\n";
    }
    r.folder.append("f", text);
    std::vector<std::string> got;
    for (bool end = false; !end;) {
      end = r.read().at_end;
      for (auto line : r.batch.lines) got.emplace_back(line);
    }
    CHECK(got == want);
    CHECK(r.cursor.position == text.size());
  }

  TEST_CASE("source: a line longer than the limit is cut and counted, wherever its end is") {
    Reader r;
    for (size_t length : {1001u, 5000u, unsigned(kBlockBytes) - 1, unsigned(kBlockBytes), 1'000'000u}) {
      CAPTURE(length);
      std::error_code ignored;
      std::filesystem::remove(r.folder.at("f"), ignored);
      r.cursor = Cursor{};
      r.folder.append("f", "before\n" + std::string(length, 'y') + "\nafter\n");
      std::vector<std::string> got;
      uint64_t cut_lines = 0, cut_bytes = 0;
      for (bool end = false; !end;) {
        auto outcome = r.read();
        end = outcome.at_end;
        cut_lines += outcome.cut_lines, cut_bytes += outcome.cut_bytes;
        for (auto line : r.batch.lines) got.emplace_back(line);
        if (r.cursor.cut_line_at) CHECK(r.cursor.position == 7);  // a checkpoint stays before the line
      }
      CHECK(got == std::vector<std::string>{"before", std::string(1000, 'y'), "after"});
      CHECK(cut_lines == 1);
      CHECK(cut_bytes == length - 1000);
      CHECK(r.cursor.position == 7 + length + 1 + 6);
    }
  }

  TEST_CASE("source: a line may be longer than a block where the limit allows it") {
    Reader r;
    r.max_line_bytes = 1 << 20;
    r.folder.append("f", std::string(700'000, 'z'));
    auto outcome = r.read();
    CHECK(outcome.at_end);
    CHECK(r.batch.empty());
    r.folder.append("f", "!\nnext\n");
    r.read();
    CHECK(r.lines() == std::vector<std::string>{std::string(700'000, 'z') + "!", "next"});
    CHECK(r.memory.used_bytes() > kBlockBytes);
    r.block.shrink();
    CHECK(r.memory.used_bytes() == kBlockBytes);
  }

  TEST_CASE("source: exactly a block without a newline is the end of the file, not a busy loop") {
    Reader r;
    r.max_line_bytes = 1 << 20;
    r.folder.append("f", std::string(kBlockBytes, 'z'));
    CHECK(r.read().at_end);
    r.max_line_bytes = kBlockBytes;
    CHECK(r.read().at_end);
    CHECK(r.batch.empty());
  }

  TEST_CASE("source: recorded bytes are read again as the same lines with the same times") {
    Reader r;
    r.folder.append("f", "one\n" + std::string(5000, 'y') + "\nthree\nfour");
    auto handle = FileHandle::open(r.folder.at("f"));
    auto again = [&](uint64_t begin, uint64_t end) {
      Cursor cursor;
      cursor.position = begin;
      r.batch.clear();
      auto outcome = r.block.read_until(end, **handle, cursor, r.max_line_bytes, 0, 7, r.batch);
      REQUIRE(outcome.has_value());
      CHECK(outcome->at_end);
      return cursor.position;
    };
    CHECK(again(0, 4 + 5001 + 6) == 5011);
    CHECK(r.lines() == std::vector<std::string>{"one", std::string(1000, 'y'), "three"});
    CHECK(r.batch.times == std::vector<pipeline::UnixNanos>{7, 8, 9});
    CHECK(again(4, 1004) == 1004);  // a cut line whose end had not been seen
    CHECK(r.lines() == std::vector<std::string>{std::string(1000, 'y')});
    CHECK(again(5011, 5015) == 5015);  // a last line without a newline
    CHECK(r.lines() == std::vector<std::string>{"four"});
    CHECK(again(5011, 5030) == 5011);  // the file became shorter: the rest cannot be read
  }

  TEST_CASE("source: a file at a reused inode is not the file that was there before") {
    InodeKey key{1, 2};
    auto identity = FileIdentity::of(key, "hello");
    CHECK(identity.matches(key, "hello"));
    CHECK(identity.matches(key, "hello world"));
    CHECK_FALSE(identity.matches(key, "hell"));
    CHECK_FALSE(identity.matches(key, "jello world"));
    CHECK_FALSE(identity.matches({1, 3}, "hello"));
    CHECK(FileIdentity::of(key, "").matches(key, "anything"));
    std::string head(2000, 'a');
    CHECK(FileIdentity::of(key, head).fingerprint_bytes == kFingerprintBytes);
  }
}
