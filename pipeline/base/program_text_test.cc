#include "pipeline/base/program_text.h"

#include <doctest/doctest.h>
#include <fstream>
#include <string>

namespace pipeline {
namespace {
uint64_t resident_file_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssFile:")) return std::stoull(line.substr(8));
  return 0;
}
}  // namespace

TEST_SUITE("base") {
  TEST_CASE("program text: less of the files is resident after the release, and the program goes on") {
    const uint64_t before = resident_file_kib();
    CHECK(release_program_text() > 100'000);
    const uint64_t after = resident_file_kib();
    CHECK(after < before);
    CHECK(release_program_text() > 100'000);  // again: nothing to lose
    CHECK(std::to_string(after) != "");
  }
}
}  // namespace pipeline
