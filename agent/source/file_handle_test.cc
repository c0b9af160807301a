#include "agent/source/file_handle.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>

#include "agent/source/open_files.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using namespace agent::testing;
using pipeline::Errc;

namespace {
struct Rig {
  TempFolder folder;
  pipeline::Registry metrics;
  OpenFiles files{100, metrics};

  std::shared_ptr<FileHandle> open(const std::string& name) {
    auto handle = FileHandle::open(folder.at(name), &files);
    REQUIRE(handle.has_value());
    return *handle;
  }
  static std::string text(const FileHandle& handle, uint64_t at = 0) {
    std::string text(100, '\0');
    auto size = handle.read_at(at, text.data(), text.size());
    text.resize(size ? *size : 0);
    return text;
  }
};
}  // namespace

TEST_SUITE_BEGIN("agent/source");

TEST_CASE("file handle: reading a file leaves the time at which it was last read by others") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'001, 0}};  // read before it was written: due to be noted
  REQUIRE(::utimensat(AT_FDCWD, rig.folder.at("a.log").c_str(), long_ago, 0) == 0);
  auto handle = rig.open("a.log");
  CHECK(Rig::text(*handle) == "one\n");
  REQUIRE(handle->park());
  CHECK(Rig::text(*handle) == "one\n");
  struct stat status;
  REQUIRE(::stat(rig.folder.at("a.log").c_str(), &status) == 0);
  CHECK(status.st_atim.tv_sec == 1'000'000'000);
}

TEST_CASE("file handle: a parked file uses no descriptor, tells its size and opens again when it is read") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  auto handle = rig.open("a.log");
  CHECK(rig.files.open() == 1);
  REQUIRE(handle->park());
  CHECK_FALSE(handle->is_open());
  CHECK(rig.files.open() == 0);
  rig.folder.append("a.log", "two\n");
  CHECK(handle->status()->size_bytes == 8);
  CHECK_FALSE(handle->is_open());
  CHECK(Rig::text(*handle, 4) == "two\n");
  CHECK(handle->is_open());
  CHECK(rig.files.open() == 1);
  handle.reset();
  CHECK(rig.files.open() == 0);
}

TEST_CASE("file handle: a parked file is found under the name it has now, never under one that is another file's") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  auto handle = rig.open("a.log");
  REQUIRE(handle->park());
  rig.folder.rename("a.log", "a.log.1");
  CHECK(handle->status().error().code == Errc::kNotFound);
  rig.folder.append("a.log", "other\n");
  CHECK(handle->status().error().code == Errc::kNotFound);
  CHECK(Rig::text(*handle) == "");
  CHECK_FALSE(handle->is_open());
  handle->set_path(rig.folder.at("a.log.1"));
  CHECK(Rig::text(*handle) == "one\n");
}

TEST_CASE("file handle: a file made at the inode of a parked one that was deleted is another file") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  auto handle = rig.open("a.log");
  InodeKey key = handle->status()->key;
  REQUIRE(handle->park());
  rig.folder.remove("a.log");
  for (int i = 0; i < 50; ++i) {  // the system gives the inode to one of the next files, mostly the first
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // times of birth are as fine as the system's tick
    rig.folder.append("a.log", "one\n");
    auto next = rig.open("a.log");
    if (next->status()->key == key) {
      CHECK_FALSE(handle->is_same_file(*next));
      CHECK_FALSE(handle->is_same_file(rig.folder.at("a.log")));
      CHECK(Rig::text(*handle) == "");
      return;
    }
    next.reset();
    rig.folder.remove("a.log");
  }
  MESSAGE("this file system did not use the inode again");
}

TEST_CASE("file handle: a deleted file and one without a name are not parked, for nobody could open them again") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  auto handle = rig.open("a.log");
  handle->set_path("");
  CHECK_FALSE(handle->park());
  handle->set_path(rig.folder.at("a.log"));
  rig.folder.remove("a.log");
  CHECK_FALSE(handle->park());
  CHECK(Rig::text(*handle) == "one\n");
}

TEST_CASE("file handle: one thread parks while another reads, and every read is right") {
  Rig rig;
  rig.folder.append("a.log", "one\n");
  auto handle = rig.open("a.log");
  std::atomic<bool> stop{false};
  std::thread parker([&] {
    while (!stop) (void)handle->park();
  });
  int right = 0;
  for (int i = 0; i < 2000; ++i) right += Rig::text(*handle) == "one\n" ? 1 : 0;
  stop = true;
  parker.join();
  CHECK(right == 2000);
}

TEST_SUITE_END();
