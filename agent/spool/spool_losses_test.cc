#include "agent/spool/spool_losses.h"

#include <doctest/doctest.h>

#include "agent/spool/spool_damage.h"
#include "agent/spool/spool_log.h"
#include "pipeline/base/testing/forgetful_files.h"

namespace agent {
namespace {

using pipeline::concat;
using pipeline::ForgetfulFiles;

constexpr auto kFolder = "/data/spool/hub";
constexpr uint64_t kHome = 7;
constexpr pipeline::UnixNanos kEver = std::numeric_limits<pipeline::UnixNanos>::min();

std::string origins_of(uint64_t file, uint64_t bytes) { return encode_origins({kHome, {{{file}, 0, bytes, bytes}}}); }

std::vector<SpoolPart> parts_of(const std::string& origins) {
  auto parsed = parse_origins(origins);
  REQUIRE(parsed);
  return std::move(parsed->parts);
}

std::vector<LostFrame> read_losses(ForgetfulFiles& files) {
  auto lost = read_spool_losses(files, concat(kFolder, "/losses"));
  REQUIRE(lost);
  return *std::move(lost);
}

// A spool whose frames are of one file each.
struct Spooled {
  ForgetfulFiles files;
  std::unique_ptr<SpoolLog> log;
  std::map<uint64_t, uint64_t> waiting;                      // bytes by file, as open() found them
  std::map<std::string, std::map<uint64_t, uint64_t>> lost;  // bytes by reason and file
  uint64_t segment_bytes = 1 << 20, seq = 0;

  Spooled() { pipeline::set_log_level(pipeline::LogLevel::kError); }
  void note(const LostFrame& frame) {
    for (const SpoolLoss& loss : frame.losses)
      for (const SpoolPart& part : parts_of(loss.origins)) lost[loss.reason][part.file.value] += part.bytes;
  }
  void open() {
    log.reset();
    waiting.clear(), lost.clear();
    auto opened = SpoolLog::open(
        files, {kFolder, segment_bytes},
        [&](const SpoolEntry& entry) {
          for (const SpoolPart& part : parts_of(entry.origins)) waiting[part.file.value] += part.bytes;
        },
        [&](const LostFrame& frame) { note(frame); });
    REQUIRE(opened);
    log = *std::move(opened);
  }
  void append(uint64_t file, uint64_t bytes, bool take = false, size_t body_bytes = 10) {
    SpoolFrame frame;
    frame.number = {1, ++seq};
    frame.closed = static_cast<int64_t>(seq);
    frame.entries = 1, frame.line_bytes = bytes;
    frame.origins = origins_of(file, bytes);
    frame.body = std::make_shared<const std::string>(body_bytes, static_cast<char>('a' + seq));
    REQUIRE(log->append(std::vector<SpoolFrame>{frame}, {take}));
  }
  // What is told while it runs.
  void take_lost() {
    for (const LostFrame& frame : log->take_dropped().frames) note(frame);
  }
  std::vector<SpoolLog::Taken> take() { return log->take(1 << 30, kEver); }
};

using Bytes = std::map<uint64_t, uint64_t>;
}  // namespace

TEST_SUITE("agent/spool") {
  TEST_CASE("spool origins: are read as they were written, and nothing else is") {
    SpoolOrigins origins{kHome, {{{1}, 0, 100, 80}, {{300}, 1 << 20, 1 << 21, 5}}};
    std::string bytes = encode_origins(origins);
    CHECK(parse_origins(bytes) == origins);
    CHECK(parse_origins("") == SpoolOrigins());
    CHECK(encode_origins({}) == "");
    for (size_t size = 1; size < bytes.size(); size++) CHECK_FALSE(parse_origins(bytes.substr(0, size)));
    CHECK_FALSE(parse_origins(bytes + "x"));
  }

  TEST_CASE("spool origins: of very many files the largest are named, the others summed") {
    SpoolOrigins origins{kHome, {}};
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 20'000; i++) {
      origins.parts.push_back({{i}, 1 << 30, (1 << 30) + i, i});
      sum += i;
    }
    std::string bytes = encode_origins(origins, kMostOriginsBytes);
    CHECK(bytes.size() <= kMostOriginsBytes);
    CHECK(bytes.size() > kMostOriginsBytes - 100);
    auto parsed = parse_origins(bytes);
    REQUIRE(parsed);
    CHECK(parsed->parts.front().file == FileId{20'000});
    CHECK(parsed->parts.back().file == FileId());
    for (const SpoolPart& part : parsed->parts) sum -= part.bytes;
    CHECK(sum == 0);
  }

  TEST_CASE("spool losses: what is dropped is told by file, and again by a later run") {
    Spooled f;
    f.segment_bytes = 200;
    f.open();
    f.append(1, 100, false, 200);
    f.append(2, 50, false, 200);
    f.append(1, 30);
    REQUIRE(f.log->drop_oldest_segment());
    f.log->drop_older(3);
    f.take_lost();
    CHECK(f.lost["spool:spool_full"] == Bytes{{1, 100}});
    CHECK(f.lost["spool:spool_max_age"] == Bytes{{2, 50}});
    const auto told = f.lost;
    f.open();
    CHECK(f.lost == told);
    CHECK(f.waiting == Bytes{{1, 30}});
    CHECK(f.log->find({{1, 1}, {1, 2}, {1, 3}, {1, 4}}).size() == 3);  // none of them is to be built again
  }

  TEST_CASE("spool losses: a damaged frame is told by file, and is not tried again") {
    Spooled f;
    f.open();
    f.append(1, 100);
    f.append(2, 50);
    f.log.reset();
    const std::string path = concat(kFolder, "/", list_spool(f.files, kFolder)->at(0).text());
    auto file = *f.files.open(path);
    std::string bytes = *file->read(0, *file->size());
    bytes[bytes.find("bbbb")] ^= 1;
    REQUIRE(file->truncate(0));
    REQUIRE(file->append(bytes));
    SUBCASE("while it is sent") {
      f.open();
      CHECK(f.take().size() == 1);
      f.take_lost();
    }
    SUBCASE("by repair") {
      CHECK(*repair_segment(f.files, kFolder, list_spool(f.files, kFolder)->at(0)) == 1);
      f.open();
    }
    CHECK(f.lost["spool:corrupt"] == Bytes{{1, 100}});
    f.open();
    CHECK(f.lost["spool:corrupt"] == Bytes{{1, 100}});
    CHECK(f.waiting == Bytes{{2, 50}});
  }

  TEST_CASE("spool losses: what was refused when it was sent is told once, and the frame is done") {
    Spooled f;
    f.open();
    f.append(1, 100, true);
    f.append(2, 50, true);
    auto lost = share_of(*parse_origins(origins_of(1, 100)), 1, 4);
    f.log->done({1, 8}, {{"sink:rejected", "no", {0, 1, 10}, encode_origins(lost)}});
    CHECK(f.log->take_dropped().frames.empty());  // who says done() knows
    f.open();
    CHECK(f.lost["sink:rejected"] == Bytes{{1, 25}});
    CHECK(f.waiting == Bytes{{2, 50}});
  }

  // As kill -9 does, every write may be the last one; as a power cut does, also what was not synced is gone.
  TEST_CASE("spool losses: a byte is waiting, sent or lost, whenever the process or the power goes") {
    for (uint64_t n = 0;; n++) {
      for (uint64_t seed = 0; seed < 4; seed++) {
        Spooled f;
        f.segment_bytes = 400;
        f.open();
        f.files.cut_power_at(n);
        Bytes spooled, sent;
        for (uint64_t i = 0; i < 6; i++) {
          SpoolFrame frame;
          frame.number = {1, i + 1};
          frame.origins = origins_of(i, 10 + i);
          frame.body = std::make_shared<const std::string>(200, 'x');
          if (f.log->append(std::vector<SpoolFrame>{frame}, {false})) spooled[i] = 10 + i;
          if (i == 2) (void)f.log->drop_oldest_segment();
          if (i != 4) continue;
          for (auto& taken : f.log->take(1, kEver)) {
            for (const SpoolPart& part : parts_of(taken.frame.origins)) sent[part.file.value] += part.bytes;
            f.log->done(taken.id);
          }
        }
        const bool all = !f.files.power_is_off();
        f.log.reset();
        f.files.restart(seed);
        f.open();
        CAPTURE(n);
        CAPTURE(seed);
        Bytes known = f.waiting;
        for (const auto& [reason, files] : f.lost)
          for (const auto& [file, bytes] : files) known[file] += bytes;
        for (const auto& [file, bytes] : spooled) {
          CHECK(known[file] <= bytes);  // never twice
          if (!sent.contains(file)) CHECK(known[file] == bytes);
        }
        if (all && seed == 3) return;
      }
    }
  }

  TEST_CASE("spool losses: any damaged byte costs one loss at most, a torn tail the ones it cuts") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders(kFolder));
    const std::string path = concat(kFolder, "/losses");
    {
      auto losses = *SpoolLosses::open(files, kFolder);
      for (uint64_t i = 1; i <= 3; i++) losses->add({{1, i, {1, i}, {{"a", "", {1, 1, 1}, origins_of(i, 10)}}}});
    }
    const std::string whole = *(*files.open_to_read(path))->read(0, 1 << 20);
    for (size_t at = 8; at < whole.size(); at++) {
      for (bool torn : {false, true}) {
        std::string bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
        if (torn) bytes.resize(at);
        REQUIRE(files.remove(path));
        REQUIRE((*files.create(path))->append(bytes));
        size_t found = 0;
        auto losses = *SpoolLosses::open(files, kFolder, [&](const LostFrame&) { found++; });
        CAPTURE(at);
        CHECK(found == (torn ? (at - 8) / ((whole.size() - 8) / 3) : 2));
        losses->add({{1, 9, {1, 9}, {}}});
        CHECK(read_losses(files).back().offset == 9);
      }
    }
  }

  TEST_CASE("spool losses: nothing is forgotten on a full disk, and written when there is room") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders(kFolder));
    auto losses = *SpoolLosses::open(files, kFolder);
    files.fill_disk_after(4);
    losses->add({{1, 1, {1, 1}, {{"a", "", {1, 1, 1}, origins_of(1, 10)}}}});
    CHECK(losses->has(1, 1));
    files.fill_disk_after(1 << 20);
    losses->add({{1, 2, {1, 2}, {{"a", "", {1, 1, 1}, origins_of(1, 10)}}}});
    CHECK(read_losses(files).size() == 2);
  }

  TEST_CASE(
      "spool losses: very many are folded into sums, but for the last ones and those of segments that are there") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders(kFolder));
    constexpr uint64_t kMany = 100'000;
    auto losses = *SpoolLosses::open(files, kFolder);
    losses->add({{2, 1, {1, 1}, {{"a", "", {1, 1, 1}, origins_of(1, 10)}}}});
    for (uint64_t i = 2; i <= kMany; i++) {
      losses->add({{1, i, {1, i}, {{i % 2 ? "a" : "b", "text", {1, 1, 1}, i % 5 ? origins_of(1 + i % 3, 10) : ""}}}});
      if (i % 1000 == 0) losses->forget(1);
    }
    std::map<std::string, SpoolVolume> volumes;
    std::map<std::string, Bytes> bytes;
    uint64_t unknown = 0, size = 0;
    for (const LostFrame& frame : read_losses(files)) {
      for (const SpoolLoss& loss : frame.losses) {
        volumes[loss.reason].add(loss.volume);
        if (loss.origins.empty()) unknown += loss.volume.entries;
        for (const SpoolPart& part : parts_of(loss.origins)) bytes[loss.reason][part.file.value] += part.bytes;
      }
      size++;
    }
    CHECK(size < 30'000);
    CHECK(volumes["a"].entries == kMany / 2);
    CHECK(volumes["b"].entries == kMany / 2);
    CHECK(unknown == kMany / 5);
    uint64_t all = 0;
    for (const auto& [reason, files_of] : bytes)
      for (const auto& [file, sum] : files_of) all += sum;
    CHECK(all == 10 * (kMany - kMany / 5));
    CHECK(losses->has(2, 1));
    losses.reset();
    losses = *SpoolLosses::open(files, kFolder);
    CHECK(losses->has(2, 1));
  }

  TEST_CASE("spool losses: sums of files that are forgotten go, when there is much of them") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders(kFolder));
    auto losses = *SpoolLosses::open(files, kFolder);
    for (uint64_t i = 1; i <= 10'000; i++)
      losses->add({{1, i, {1, i}, {{"a", std::string(100, 'x'), {1, 1, 1}, origins_of(1 + i % 2, 10)}}}}),
          losses->forget(1);
    losses = *SpoolLosses::open(files, kFolder);
    losses->keep_only({});
    losses->fold([](uint64_t, FileId file) { return file != FileId{2}; });
    Bytes bytes;
    for (const LostFrame& frame : read_losses(files))
      for (const SpoolLoss& loss : frame.losses)
        for (const SpoolPart& part : parts_of(loss.origins)) bytes[part.file.value] += part.bytes;
    CHECK(bytes[1] == 50'000);
    CHECK(bytes[2] == 10 * SpoolLosses::kKept / 2);
  }
}

}  // namespace agent
