#include "server/clock_file.h"

#include <doctest/doctest.h>

#include "pipeline/base/testing/forgetful_files.h"

using namespace server;

TEST_SUITE("server") {
  TEST_CASE("clock file: what was written last is read, and a power cut at any moment leaves that or the one before") {
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      pipeline::ForgetfulFiles files;
      REQUIRE(files.make_folders("/data"));
      CHECK(read_clock_file(files, "/data/clock") == 0);
      REQUIRE(write_clock_file(files, "/data/clock", 1'700'000'000'000'000'000));
      REQUIRE(files.sync_folder("/data"));
      CHECK(read_clock_file(files, "/data/clock") == 1'700'000'000'000'000'000);
      files.cut_power_at(files.operations() + n);
      const bool written = bool(write_clock_file(files, "/data/clock", 1'800'000'000'000'000'000));
      const bool done = !files.power_is_off();
      files.restart(n);
      const auto read = read_clock_file(files, "/data/clock");
      CHECK((read == 1'700'000'000'000'000'000 || read == 1'800'000'000'000'000'000));
      CHECK(write_clock_file(files, "/data/clock", 1'900'000'000'000'000'000));  // beside what a dead program left
      CHECK(read_clock_file(files, "/data/clock") == 1'900'000'000'000'000'000);
      CHECK(written == done);
      if (done) break;
    }
  }

  TEST_CASE("clock file: what is no number is as if there were none") {
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    for (const char* text : {"", "17", "x\n", "17 \n", "99999999999999999999\n"}) {
      CAPTURE(text);
      (void)files.remove("/data/clock");
      REQUIRE((*files.create("/data/clock"))->append(text));
      CHECK(read_clock_file(files, "/data/clock") == 0);
    }
  }
}
