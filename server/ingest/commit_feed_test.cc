#include <doctest/doctest.h>
#include <thread>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

namespace {

// Counts the lines that a tenant's pushes brought.
class FeedReader : public CommitListener {
 public:
  void on_entries(uint64_t frame, std::span<const HeadAddition> added) override {
    std::lock_guard lock(mutex_);
    CHECK(frame > last_frame_);
    last_frame_ = frame;
    for (const HeadAddition& addition : added) {
      CHECK(addition.stream->tenant() == "fake");
      for (size_t i = 0; i < addition.run.entries.size(); ++i)
        frames_[std::string(addition.run.entries.line(i))].push_back(frame);
    }
  }
  std::map<std::string, std::vector<uint64_t>> frames() {
    std::lock_guard lock(mutex_);
    return frames_;
  }

 private:
  std::mutex mutex_;
  uint64_t last_frame_ = 0;
  std::map<std::string, std::vector<uint64_t>> frames_;  // by line
};

}  // namespace

TEST_CASE(
    "ingest: the feed tells of a tenant's entries once they are acknowledged, large and small pushes, until one "
    "leaves") {
  IngestHouse house;
  FeedReader reader;
  CHECK(house.push(body_of("x", {"before"})).status == 204);
  house.ingest->feed().listen("fake", reader);
  CHECK(house.push(body_of("x", {"small"})).status == 204);
  CHECK(house.push(body_of("x", {"other tenant"}), "", "other").status == 204);
  CHECK(house.push(body_of("x", {std::string(200'000, 'l'), "large"})).status == 204);
  house.ingest->feed().leave("fake", reader);
  CHECK(house.push(body_of("x", {"after"})).status == 204);
  std::vector<std::string> lines;
  for (const auto& [line, frames] : reader.frames()) lines.push_back(line.substr(0, 8));
  CHECK(lines == std::vector<std::string>{"large", "llllllll", "small"});
}

TEST_CASE("ingest: who listens and then takes a view finds every entry in one of them, and knows what is in both") {
  IngestHouse house;
  for (int round = 0; round < 20; ++round) {
    FeedReader reader;
    std::map<std::string, int> seen;
    uint64_t last_frame = 0;
    std::thread tail([&] {
      house.ingest->feed().listen("fake", reader);
      last_frame = house.ingest->view("fake")->last_frame();
      seen = house.lines();
    });
    for (int i = 0; i < 10; ++i) {
      CHECK(house.push(body_of("x", {concat("line ", round, " ", i)}, 1'700'000'000'000'000'000 + i)).status == 204);
      if (i == round % 10) REQUIRE(house.flush());
    }
    tail.join();
    for (const auto& [line, frames] : reader.frames()) {
      CHECK(frames.size() == 1);
      if (frames[0] <= last_frame) CHECK(seen[line] == 1);
      if (frames[0] > last_frame) ++seen[line];  // lines() looked later than last_frame: it may have seen it too
    }
    for (int i = 0; i < 10; ++i) CHECK(seen[concat("line ", round, " ", i)] >= 1);
    house.ingest->feed().leave("fake", reader);
  }
}

TEST_SUITE_END();
