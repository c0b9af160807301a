#include "agent/sink/spool_shares.h"

#include <doctest/doctest.h>
#include <random>

namespace agent {
namespace {

struct Shares {
  std::map<FileId, uint64_t> positions;
  SpoolShares shares{"uuid", [this](FileId file) { return positions[file]; }};

  std::string frame(std::vector<SpoolPart> parts) { return encode_origins({shares.home(), std::move(parts)}); }
};

constexpr FileId kFile{1}, kOther{2};

}  // namespace

TEST_SUITE("agent/sink") {
  TEST_CASE("spool shares: what lies above the position is not counted, it waits anyway") {
    Shares f;
    const std::string first = f.frame({{kFile, 0, 100, 90}}),
                      second = f.frame({{kFile, 100, 200, 100}, {kOther, 0, 7, 7}});
    f.shares.add(first, true);
    f.shares.add(second, true);
    CHECK(f.shares.below_position(kFile) == 0);
    CHECK_FALSE(f.shares.may_hold(kFile));  // what waits is known
    f.positions[kFile] = 50;
    CHECK(f.shares.below_position(kFile) == 50);  // at most
    f.positions[kFile] = 100;
    CHECK(f.shares.below_position(kFile) == 90);
    f.positions[kFile] = 300;
    CHECK(f.shares.below_position(kFile) == 190);
    f.shares.remove(first, true);
    CHECK(f.shares.below_position(kFile) == 100);
    f.shares.remove(second, true);
    CHECK(f.shares.below_position(kFile) == 0);
  }

  TEST_CASE("spool shares: frames of an older version, or of another store, may be of any file") {
    Shares f;
    std::string other = encode_origins({f.shares.home() + 1, {{kFile, 0, 10, 10}}});
    SUBCASE("older version") { other = ""; }
    SUBCASE("another store") {}
    SUBCASE("of too many files") { other = f.frame({{kOther, 0, 1, 1}, {{}, 0, 0, 5}}); }
    f.positions[kFile] = 100;
    f.shares.add(other, true);
    CHECK(f.shares.may_hold(kFile));
    CHECK(f.shares.below_position(kFile) == 0);
    f.shares.remove(other, true);
    CHECK_FALSE(f.shares.may_hold(kFile));
  }

  TEST_CASE("spool shares: frames of streams of an earlier run may be of any stream, and of no file") {
    Shares f;
    const FileId stream{kFirstStream + 1};
    const std::string frame = f.frame({{stream, 0, 10, 10}});
    f.shares.add(frame, true);
    CHECK(f.shares.may_hold(stream));
    CHECK_FALSE(f.shares.may_hold({kFirstStream + 2}));
    f.shares.remove(frame, true);
    f.shares.add(frame, false);
    CHECK(f.shares.may_hold({kFirstStream + 2}));
    CHECK_FALSE(f.shares.may_hold(kFile));
    f.shares.remove(frame, false);
    CHECK_FALSE(f.shares.may_hold({kFirstStream + 2}));
  }

  TEST_CASE("spool shares: agrees with adding up every frame, in any order") {
    const uint32_t seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937 random(seed);
    Shares f;
    std::vector<SpoolPart> there;
    for (uint64_t end = 0, i = 0; i < 2000; i++) {
      if (random() % 2 || there.empty()) {
        const uint64_t begin = end;
        end += 1 + random() % 100;
        there.push_back({kFile, begin, end, end - begin});
        f.shares.add(f.frame({there.back()}), true);
      } else {
        const size_t one = random() % there.size();
        f.shares.remove(f.frame({there[one]}), true);
        there.erase(there.begin() + static_cast<std::ptrdiff_t>(one));
      }
      uint64_t& position = f.positions[kFile];
      position += random() % (end - position + 1);
      uint64_t sum = 0;
      for (const SpoolPart& part : there) sum += std::min(part.end, position) - std::min(part.begin, position);
      REQUIRE(f.shares.below_position(kFile) == sum);
    }
  }
}

}  // namespace agent
