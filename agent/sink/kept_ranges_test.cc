#include "agent/sink/kept_ranges.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

TEST_SUITE("agent/sink") {
  TEST_CASE("kept ranges: bytes below the position and bytes of records are kept, the rest is not") {
    SinkResume resume;
    resume.positions[{1}] = {{1}, 100, 0};
    auto labels = std::make_shared<const std::string>("{}");
    resume.records.push_back({{1, 1}, "", true, {{{1}, labels, {{300, 400, 0}, {150, 200, 0}}}}});
    resume.records.push_back({{1, 2}, "", false, {{{1}, labels, {{200, 250, 0}}}, {{2}, labels, {{0, 10, 0}}}}});
    KeptRanges kept(resume);
    const auto* one = kept.of({1});
    REQUIRE(one != nullptr);
    for (uint64_t byte = 0; byte < 500; byte++) {
      bool expected = byte < 100 || (byte >= 150 && byte < 250) || (byte >= 300 && byte < 400);
      CHECK(one->has({byte, byte + 1}) == expected);
    }
    REQUIRE(kept.of({2}) != nullptr);
    CHECK(kept.of({2})->has({9, 10}));
    CHECK(!kept.of({2})->has({10, 11}));
    CHECK(kept.of({3}) == nullptr);
  }

  TEST_CASE("kept ranges: what records of several tenants name together is kept once") {
    SinkResume resume;
    auto labels = std::make_shared<const std::string>("{}");
    resume.records.push_back({{1, 1}, "a", false, {{{1}, labels, {{0, 40, 0}, {60, 100, 0}}}}});
    resume.records.push_back({{1, 2}, "b", false, {{{1}, labels, {{0, 200, 0}}}}});
    KeptRanges kept(resume);
    for (uint64_t byte = 0; byte < 300; byte++) CHECK(kept.of({1})->has({byte, byte + 1}) == (byte < 200));
  }
}

}  // namespace

TEST_CASE("sink: an entry is kept when all of its lines are") {
  SinkResume resume;
  resume.positions[{1}] = {{1}, 10, 0};
  KeptRanges kept(resume);
  std::vector<pipeline::ByteRange> lines = {{0, 5}, {5, 10}};
  CHECK(kept.of({1})->has_all(lines));
  lines.push_back({10, 15});
  CHECK(!kept.of({1})->has_all(lines));
}
}  // namespace agent
