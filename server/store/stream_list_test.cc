#include "server/store/stream_list.h"

#include <doctest/doctest.h>
#include <random>

using namespace server;

TEST_SUITE_BEGIN("store");

namespace {

struct Page {
  uint32_t first_stream = 0;
  std::vector<PageRun> runs;
};

// What a writer would make: streams one after the other over pages, some over several.
struct Laid {
  std::vector<StreamInfo> streams;
  std::vector<Page> pages{1};

  explicit Laid(uint32_t seed) {
    std::mt19937 random(seed);
    uint32_t tenant = 0, label = 0;
    for (uint32_t number = 0; number < 500; ++number) {
      if (random() % 100 == 0) ++tenant;
      StreamInfo stream;
      stream.tenant = number == 0 ? 0 : tenant;
      if (number == 0) tenant = 0;
      stream.first_label = label;
      stream.label_count = random() % 5;
      label += stream.label_count;
      if (random() % 10 == 0) pages.emplace_back();
      stream.first_page = static_cast<uint32_t>(pages.size() - 1);
      UnixNanos time = static_cast<UnixNanos>(random()) - 1'000'000;
      stream.min_time = time;
      for (uint32_t left = random() % 20 == 0 ? 1 + random() % 4 : 1; left > 0; --left) {
        PageRun run{number, 0, 1 + static_cast<uint32_t>(random() % 100), time,
                    time + static_cast<UnixNanos>(random() % 1000)};
        Page& page = pages.back();
        for (const PageRun& before : page.runs) run.first_row += before.rows;
        if (page.runs.empty()) page.first_stream = number;
        page.runs.push_back(run);
        stream.rows += run.rows;
        stream.max_time = time = run.max_time;
        if (left > 1) pages.emplace_back();
      }
      stream.last_page = static_cast<uint32_t>(pages.size() - 1);
      stream.raw_bytes = random();
      stream.volume_bytes = seed % 2 == 0 ? stream.raw_bytes : random();
      streams.push_back(stream);
    }
  }
  StreamList list() const {
    StreamList out;
    for (const StreamInfo& stream : streams) REQUIRE(out.add(stream));
    for (uint32_t page = 0; page < pages.size(); ++page)
      for (const PageRun& run : pages[page].runs) {
        CHECK_FALSE(out.is_complete());
        REQUIRE(out.add_run(page, run));
      }
    CHECK(out.is_complete());
    return out;
  }
};

}  // namespace

TEST_CASE("stream list: streams and runs come out as they went in") {
  for (uint32_t seed : {1, 2, 3}) {
    const Laid laid(seed);
    const StreamList list = laid.list();
    REQUIRE(list.size() == laid.streams.size());
    for (size_t i = 0; i < list.size(); ++i) CHECK(list[i] == laid.streams[i]);
    for (uint32_t page = 0; page < laid.pages.size(); ++page) {
      const auto& runs = laid.pages[page].runs;
      const auto got = list.runs(page, laid.pages[page].first_stream, static_cast<uint32_t>(runs.size()));
      CHECK(std::equal(got.begin(), got.end(), runs.begin(), runs.end()));
    }
    for (uint32_t tenant = 0; tenant <= laid.streams.back().tenant + 1; ++tenant) {
      const auto [first, last] = list.of_tenant(tenant);
      for (uint32_t i = 0; i < list.size(); ++i) CHECK((laid.streams[i].tenant == tenant) == (i >= first && i < last));
    }
    CHECK(list.memory_bytes() < 130 * list.size());  // capacities of growing vectors, and the few wide ones
  }
}

TEST_CASE("stream list: what cannot be right is refused") {
  StreamList list;
  const StreamInfo stream{0, 0, 2, 10, 20, 3, 5, 5, 0, 0};
  auto refuses = [&](auto change) {
    StreamInfo wrong = stream;
    change(wrong);
    return !list.add(wrong);
  };
  CHECK(refuses([](StreamInfo& s) { s.rows = 0; }));
  CHECK(refuses([](StreamInfo& s) { s.max_time = 9; }));
  CHECK(refuses([](StreamInfo& s) { s.first_page = 1; }));
  CHECK(refuses([](StreamInfo& s) { s.first_label = 1; }));
  CHECK(refuses([](StreamInfo& s) { s.tenant = 1000; }));
  CHECK(refuses([](StreamInfo& s) { s.raw_bytes = uint64_t{1} << 32; }));  // more than a page holds
  REQUIRE(list.add(stream));
  CHECK_FALSE(list.is_complete());
  for (const PageRun& wrong : {PageRun{0, 0, 2, 10, 20}, PageRun{0, 0, 3, 11, 20}, PageRun{1, 0, 3, 10, 20}}) {
    StreamList other = list;
    CHECK_FALSE(other.add_run(0, wrong));
  }
  StreamList other = list;
  CHECK_FALSE(other.add_run(1, {0, 0, 3, 10, 20}));
  CHECK(list.add_run(0, {0, 0, 3, 10, 20}));
  CHECK(list.is_complete());
  CHECK_FALSE(list.add_run(1, {0, 0, 3, 10, 20}));
}

TEST_SUITE_END();
