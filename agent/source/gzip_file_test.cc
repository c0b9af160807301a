#include "agent/source/gzip_file.h"

#include <doctest/doctest.h>
#include <random>

#include "agent/source/file_handle.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;

namespace {
std::string numbers(size_t bytes) {
  std::mt19937_64 random(7);
  std::string text;
  while (text.size() < bytes) text += "line " + std::to_string(random()) + "\n";
  return text;
}

std::string read(const FileHandle& file, uint64_t position, size_t length) {
  std::string to(length, '\0');
  auto size = file.read_at(position, to.data(), length);
  REQUIRE(size.has_value());
  to.resize(*size);
  return to;
}
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: the text of a compressed file can be read anywhere, in any order, also after a rest") {
    TempFolder folder;
    const std::string text = numbers(3 << 20);
    folder.append("a.gz", pipeline::gzip_compress(text.substr(0, 1000)) + pipeline::gzip_compress(text.substr(1000)));
    auto file = *FileHandle::open_gzip(folder.at("a.gz"));
    CHECK(file->is_gzip());
    CHECK(*file->head() == text.substr(0, kFingerprintBytes));
    std::mt19937_64 random(1);
    for (int i = 0; i < 60; ++i) {
      uint64_t position = random() % (text.size() + 1000);
      size_t length = random() % 600'000;
      std::string want = position < text.size() ? text.substr(position, length) : "";
      CHECK((read(*file, position, length) == want));
      if (i % 7 == 0) file->rest();
    }
    CHECK(file->status()->size_bytes == text.size());
    CHECK(read(*file, text.size(), 10) == "");
  }

  TEST_CASE("source: the size of a compressed file is a hint until its end was seen") {
    TempFolder folder;
    const std::string text = numbers(2 << 20);
    folder.append("a.gz", pipeline::gzip_compress(text));
    auto file = *FileHandle::open_gzip(folder.at("a.gz"));
    CHECK(file->status()->size_bytes == text.size());  // as the last bytes say
    folder.append("b.gz", pipeline::gzip_compress(text) + pipeline::gzip_compress("two\n"));
    auto two = *FileHandle::open_gzip(folder.at("b.gz"));
    CHECK(two->status()->size_bytes == 4);
    CHECK(read(*two, 1 << 20, 100).size() == 100);
    CHECK(two->status()->size_bytes > (1 << 20));  // never less than what was read
    CHECK(read(*two, 0, 3 << 20).size() == text.size() + 4);
    CHECK(two->status()->size_bytes == text.size() + 4);
  }

  TEST_CASE("source: a compressed file that is cut short or damaged gives its text up to there, then an error") {
    TempFolder folder;
    const std::string text = numbers(1 << 20), packed = pipeline::gzip_compress(text);
    folder.append("cut.gz", packed.substr(0, packed.size() / 2));
    auto cut = *FileHandle::open_gzip(folder.at("cut.gz"));
    std::string got = read(*cut, 0, text.size());
    CHECK(got.size() > text.size() / 3);
    CHECK(text.starts_with(got));
    char byte;
    auto fault = cut->read_at(got.size(), &byte, 1);
    REQUIRE(!fault.has_value());
    CHECK(fault.error().code == pipeline::Errc::kCorrupt);
    CHECK(fault.error().message == "gzip: unexpected end");
    folder.append("cut.gz", packed.substr(packed.size() / 2));  // its writer was not done
    cut->rest();
    CHECK((read(*cut, got.size(), text.size()) == text.substr(got.size())));

    folder.append("plain.gz", "no gzip at all");
    CHECK(!(*FileHandle::open_gzip(folder.at("plain.gz")))->head().has_value());
    folder.append("empty.gz", "");
    CHECK(!(*FileHandle::open_gzip(folder.at("empty.gz")))->head().has_value());
  }

  TEST_CASE("source: whether a file has writers is known, also when it is deleted") {
    TempFolder folder;
    folder.append("a", "x\n");
    auto file = *FileHandle::open(folder.at("a"));
    CHECK(file->writers() == FileHandle::Writers::kNone);
    int fd = ::open(folder.at("a").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(file->writers() == FileHandle::Writers::kSome);
    folder.remove("a");
    CHECK(file->writers() == FileHandle::Writers::kSome);
    ::close(fd);
    CHECK(file->writers() == FileHandle::Writers::kNone);
  }
}
