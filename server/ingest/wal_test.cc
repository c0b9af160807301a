#include "server/ingest/wal.h"

#include <doctest/doctest.h>
#include <map>

#include "pipeline/base/checksum.h"
#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"

using namespace server;
using pipeline::concat;
using pipeline::Errc;
using pipeline::ForgetfulFiles;
using pipeline::Registry;

TEST_SUITE_BEGIN("server/ingest");

namespace {

constexpr auto kFolder = "/data/wal";

WalFrame frame_of(std::string body, std::optional<BatchNumber> batch = std::nullopt) {
  WalFrame frame;
  frame.tenant = "team-a";
  frame.received = 1'700'000'000'000'000'000;
  frame.batch = batch;
  frame.body = std::move(body);
  frame.body_crc = pipeline::crc32c(frame.body);
  return frame;
}

// A log and what replays of it find.
struct WalFolder {
  ForgetfulFiles files;
  Registry registry;
  std::unique_ptr<Wal> wal;
  std::vector<std::string> bodies;      // of the last replay
  std::map<uint64_t, WalFrame> frames;  // likewise, by number
  uint64_t segment_bytes = 1 << 20, least_number = 1;

  WalFolder& open(uint64_t flushed_through = 0) {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    bodies.clear(), frames.clear();
    auto opened = Wal::open(files, registry, {kFolder, segment_bytes, least_number}, flushed_through);
    REQUIRE(opened);
    wal = *std::move(opened);
    REQUIRE(wal->replay([&](WalFrame frame) -> pipeline::Result<void> {
      bodies.push_back(frame.body);
      frames.emplace(frame.number, std::move(frame));
      return {};
    }));
    return *this;
  }
  WalFolder& close() {
    wal.reset();
    return *this;
  }
  pipeline::Result<void> append(std::vector<std::string> group) {
    std::vector<WalFrame> made;
    for (std::string& body : group) made.push_back(frame_of(std::move(body)));
    std::vector<WalFrame*> pointers;
    for (WalFrame& frame : made) pointers.push_back(&frame);
    return wal->append(pointers);
  }
  std::vector<std::string> segments() { return *files.list(kFolder); }
  std::string content(const std::string& name) {
    auto file = *files.open_to_read(concat(kFolder, "/", name));
    return *file->read(0, *file->size());
  }
  void replace(const std::string& name, std::string_view bytes) {
    std::string path = concat(kFolder, "/", name);
    REQUIRE(files.remove(path));
    auto file = *files.create(path);
    REQUIRE(file->append(bytes));
    REQUIRE(file->sync());
    REQUIRE(files.sync_folder(kFolder));
  }
  uint64_t counted(std::string_view name) { return registry.counter(name, "").value(); }
};

}  // namespace

TEST_CASE("wal: gives back every frame, whole and in order") {
  WalFolder log;
  log.open();
  BatchNumber number{{7, 9}, 3, 41};
  WalFrame numbered = frame_of("numbered", number);
  numbered.format = BodyFormat::kJson;
  numbered.encoding = BodyEncoding::kGzip;
  numbered.tenant = "";
  WalFrame* one = &numbered;
  REQUIRE(log.wal->append({&one, 1}));
  std::string large(300'000, 'x');
  REQUIRE(log.append({"a", large, "", "b"}));
  log.close().open();
  CHECK(log.bodies == std::vector<std::string>{"numbered", "a", large, "", "b"});
  const WalFrame& first = log.frames.at(1);
  CHECK(first.batch == number);
  CHECK(first.format == BodyFormat::kJson);
  CHECK(first.encoding == BodyEncoding::kGzip);
  CHECK(first.tenant.empty());
  CHECK(first.received == 1'700'000'000'000'000'000);
  CHECK_FALSE(log.frames.at(2).batch);
  CHECK(log.frames.at(5).tenant == "team-a");
}

TEST_CASE("wal: an empty folder makes no file, and frames get rising numbers across restarts") {
  WalFolder log;
  CHECK(log.open().segments().empty());
  REQUIRE(log.append({"a"}));
  log.close().open();
  REQUIRE(log.append({"b"}));
  log.close().open();
  CHECK(log.frames.at(1).body == "a");
  CHECK(log.frames.at(2).body == "b");
  CHECK(log.segments().size() == 2);
}

TEST_CASE("wal: numbers go on after the flushed ones where no segment is left") {
  WalFolder log;
  log.open(41);
  REQUIRE(log.append({"a"}));
  log.close().open(41);
  CHECK(log.frames.at(42).body == "a");
}

TEST_CASE("wal: numbers begin where the clock is, and only rise though it goes back") {
  WalFolder log;
  log.least_number = 1000;
  log.open(41);
  CHECK(log.wal->last_number() == 999);
  REQUIRE(log.append({"a"}));
  log.least_number = 500;
  log.close().open(41);
  REQUIRE(log.append({"b"}));
  log.least_number = 2000;
  log.close().open(1001);
  REQUIRE(log.append({"c"}));
  log.close().open(1001);
  CHECK(log.bodies == std::vector<std::string>{"c"});
  CHECK(log.frames.at(2000).body == "c");
}

TEST_CASE("wal: a torn tail is cut at every byte of the last frame, what was before stays") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"first", "second"}));
  uint64_t before = log.content(log.segments()[0]).size();
  REQUIRE(log.append({"the last one"}));
  log.close();
  std::string name = log.segments()[0], whole = log.content(name);
  for (size_t size = before; size < whole.size(); ++size) {
    log.replace(name, whole.substr(0, size));
    log.open();
    CAPTURE(size);
    CHECK(log.bodies == std::vector<std::string>{"first", "second"});
    CHECK(log.content(name).size() == before);  // cut for good
    REQUIRE(log.append({"new"}));
    log.close().open();
    CHECK(log.bodies == std::vector<std::string>{"first", "second", "new"});
    CHECK(log.counted("skidway_server_wal_damaged_frames_total") == 0);
    log.close();
    REQUIRE(log.files.remove(concat(kFolder, "/", log.segments()[1])));
  }
}

TEST_CASE("wal: a tail of garbage or of zeros is cut") {
  for (std::string tail : {std::string(5000, '\0'), std::string(70'000, 'S'), std::string("SKWFSKWFSKWF")}) {
    WalFolder log;
    log.open();
    REQUIRE(log.append({"kept"}));
    log.close();
    std::string name = log.segments()[0], whole = log.content(name);
    log.replace(name, whole + tail);
    log.open();
    CHECK(log.bodies == std::vector<std::string>{"kept"});
    CHECK(log.counted("skidway_server_wal_cut_bytes_total") == tail.size());
    CHECK(log.content(name) == whole);
  }
}

TEST_CASE("wal: a segment of another version is refused and stays as it is") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"acknowledged"}));
  log.close();
  const std::string name = log.segments()[0];
  std::string newer = log.content(name);
  newer[7] = 2;
  log.replace(name, newer);
  auto opened = Wal::open(log.files, log.registry, {kFolder, 1 << 20}, 0);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::kInvalid);
  CHECK(opened.error().message ==
        "/data/wal/00000000000000000001.wal: made by another version of this program: format 2");
  CHECK(log.content(name) == newer);
}

TEST_CASE("wal: damage in the middle costs the frame it lies in, at every byte") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"first"}));
  std::string name = log.segments()[0];
  uint64_t begin = log.content(name).size();
  REQUIRE(log.append({"second"}));
  uint64_t end = log.content(name).size();
  REQUIRE(log.append({"third"}));
  log.close();
  std::string whole = log.content(name);
  for (uint64_t at = begin; at < end; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    log.replace(name, damaged);
    uint64_t counted = log.counted("skidway_server_wal_damaged_frames_total");
    log.open();
    CAPTURE(at);
    CHECK(log.bodies == std::vector<std::string>{"first", "third"});
    CHECK(log.counted("skidway_server_wal_damaged_frames_total") == counted + 1);
    log.close();
  }
}

TEST_CASE("wal: a damaged frame longer than the reading window is skipped") {
  WalFolder log;
  log.segment_bytes = 64 << 20;
  log.open();
  REQUIRE(log.append({"first", std::string(3 << 20, 'x'), "third"}));
  log.close();
  std::string name = log.segments()[0], whole = log.content(name);
  size_t body = whole.find("xxxx");
  for (size_t at : {body + 100, body - 30}) {  // in the body; in the header: found by searching
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    log.replace(name, damaged);
    log.open();
    CHECK(log.bodies == std::vector<std::string>{"first", "third"});
    log.close();
  }
}

TEST_CASE("wal: levels come back with their frame, and damage to them, at every byte, costs them alone") {
  WalFolder log;
  log.open();
  WalFrame first = frame_of("first"), second = frame_of(std::string(100'000, 'x')), third = frame_of("third");
  first.line_levels = "some levels", second.line_levels = std::string(2000, '\x21');
  WalFrame* group[] = {&first, &second, &third};
  REQUIRE(log.wal->append(group));
  log.close().open();
  CHECK(log.frames.at(1).line_levels == first.line_levels);
  CHECK(log.frames.at(2).line_levels == second.line_levels);
  CHECK(log.frames.at(3).line_levels.empty());
  CHECK(log.counted("skidway_server_wal_damaged_frames_total") == 0);
  log.close();
  const std::string name = log.segments()[0], whole = log.content(name);
  const size_t begin = whole.find("SKWL"), end = begin + kWalLevelsHeaderBytes + first.line_levels.size();
  for (size_t at = begin; at < end; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    log.replace(name, damaged);
    const uint64_t counted = log.counted("skidway_server_wal_damaged_frames_total");
    log.open();
    CAPTURE(at);
    CHECK(log.bodies == std::vector<std::string>{first.body, second.body, third.body});
    CHECK(log.frames.at(1).line_levels.empty());
    CHECK(log.frames.at(2).line_levels == second.line_levels);
    CHECK(log.counted("skidway_server_wal_damaged_frames_total") == counted + 1);
    log.close();
  }
}

TEST_CASE("wal: where levels are torn off at the end, at every byte, their frame stays") {
  WalFolder log;
  log.open();
  WalFrame frame = frame_of("kept"), *one = &frame;
  frame.line_levels = "levels";
  REQUIRE(log.wal->append({&one, 1}));
  log.close();
  const std::string name = log.segments()[0], whole = log.content(name);
  const size_t begin = whole.find("SKWL");
  for (size_t size = begin; size <= whole.size(); ++size) {
    log.replace(name, whole.substr(0, size));
    log.open();
    CAPTURE(size);
    CHECK(log.bodies == std::vector<std::string>{"kept"});
    CHECK(log.frames.at(1).line_levels == (size < whole.size() ? "" : "levels"));
    CHECK(log.content(name).size() == (size < whole.size() ? begin : size));
    log.close();
  }
}

TEST_CASE("wal: levels that stand behind another frame than theirs are none") {
  WalFrame frame = frame_of("a");
  frame.number = 7, frame.line_levels = "levels";
  std::string bytes;
  append_wal_levels(bytes, frame, 1);
  REQUIRE(wal_levels_bytes(bytes) == bytes.size());
  CHECK(parse_wal_levels(bytes, 7, 1) == "levels");
  CHECK_FALSE(parse_wal_levels(bytes, 8, 1));
  CHECK_FALSE(parse_wal_levels(bytes, 7, 2));
}

TEST_CASE("wal: frames of another segment inside a body are not taken for frames") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"inner"}));
  log.close();
  std::string inner = log.content(log.segments()[0]).substr(kWalSegmentHeaderBytes);
  log.open();
  REQUIRE(log.append({concat("padding", inner, "padding"), "after"}));
  log.close();
  std::string name = log.segments()[1], damaged = log.content(name);
  damaged[kWalSegmentHeaderBytes + 4] ^= 1;  // its header: the reader has to search
  log.replace(name, damaged);
  log.open();
  CHECK(log.bodies == std::vector<std::string>{"inner", "after"});
}

TEST_CASE("wal: segments are rotated by size and deleted when all their frames are flushed") {
  WalFolder log;
  log.segment_bytes = 1000;
  log.open();
  for (int i = 0; i < 6; ++i) REQUIRE(log.append({std::string(600, 'x')}));  // two a segment
  CHECK(log.segments().size() == 3);
  log.wal->release_through(3);
  CHECK(log.segments().size() == 2);
  log.wal->release_through(4);
  CHECK(log.segments().size() == 1);
  log.wal->release_through(6);
  CHECK(log.segments().empty());
  REQUIRE(log.append({"next"}));
  log.close().open(6);
  CHECK(log.frames.at(7).body == "next");
}

TEST_CASE("wal: the segment of a quiet server is deleted at the next append") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"a"}));
  log.wal->release_through(1);
  CHECK(log.segments().size() == 1);
  REQUIRE(log.append({"b"}));
  CHECK(log.segments() == std::vector<std::string>{"00000000000000000002.wal"});
}

TEST_CASE("wal: flushed frames are not replayed, and their segments vanish at the start") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"a", "b"}));
  log.close().open(1);
  CHECK(log.bodies == std::vector<std::string>{"b"});
  log.close().open(2);
  CHECK(log.bodies.empty());
  CHECK(log.segments().empty());
  REQUIRE(log.append({"c"}));
  CHECK(log.wal->last_number() == 3);
}

TEST_CASE("wal: a full disk refuses the group, keeps the others and goes on when there is room") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"kept"}));
  log.files.fill_disk_after(100);
  auto full = log.append({std::string(50'000, 'x'), "y"});
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::kOverLimit);
  log.files.fill_disk_after(1 << 30);
  REQUIRE(log.append({"later"}));
  log.close().open();
  CHECK(log.bodies == std::vector<std::string>{"kept", "later"});
  CHECK(log.segments().size() == 1);  // truncated back, not given up
}

TEST_CASE("wal: a full disk at the first append leaves no file behind") {
  WalFolder log;
  log.open();
  log.files.fill_disk_after(3);
  CHECK_FALSE(log.append({"a"}));
  CHECK(log.segments().empty());
  log.files.fill_disk_after(1 << 30);
  REQUIRE(log.append({"b"}));
  log.close().open();
  CHECK(log.bodies == std::vector<std::string>{"b"});
}

TEST_CASE("wal: after a failed sync the segment is never written again") {
  WalFolder log;
  log.open();
  REQUIRE(log.append({"kept"}));
  log.files.fail_at(log.files.operations() + 1);  // append, then sync
  CHECK_FALSE(log.append({"refused"}));
  std::string sealed = log.content(log.segments()[0]);
  REQUIRE(log.append({"later"}));
  CHECK(log.segments().size() == 2);
  CHECK(log.content(log.segments()[0]) == sealed);
  log.close();
  log.files.restart();  // the power was cut: what was refused was never synced
  log.open();
  CHECK(log.bodies == std::vector<std::string>{"kept", "later"});
}

TEST_CASE("wal: whatever single operation fails, what was acknowledged is found again") {
  for (uint64_t n = 0;; ++n) {
    WalFolder log;
    log.segment_bytes = 200;
    log.open();
    log.files.fail_at(n);
    std::vector<std::string> acknowledged;
    for (int i = 0; i < 6; ++i) {
      std::string body = concat("body ", i, std::string(60, '.'));
      if (log.append({body})) acknowledged.push_back(body);
    }
    uint64_t operations = log.files.operations();
    CAPTURE(n);
    CHECK(acknowledged.size() >= 5);
    log.close();
    log.files.restart();
    log.open();
    CHECK(log.bodies == acknowledged);
    if (operations <= n) break;
  }
}

TEST_CASE("wal: a power cut at any operation loses nothing acknowledged and invents nothing") {
  for (uint64_t n = 0;; ++n) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      WalFolder log;
      log.segment_bytes = 400;
      log.open();
      log.files.cut_power_at(n);
      std::vector<std::string> sent, acknowledged;
      for (int i = 0; i < 6; ++i) {
        std::string body = concat("body ", i, std::string(100, static_cast<char>('a' + i)));
        sent.push_back(body);
        if (log.append({body})) acknowledged.push_back(body);
      }
      bool done = !log.files.power_is_off();
      log.close();
      log.files.restart(seed);
      log.open();
      CAPTURE(n);
      CAPTURE(seed);
      REQUIRE(log.bodies.size() >= acknowledged.size());
      for (size_t i = 0; i < log.bodies.size(); ++i) CHECK(log.bodies[i] == sent[i]);
      REQUIRE(log.append({"after"}));  // and the log works again
      log.close().open();
      CHECK(log.bodies.back() == "after");
      if (done && seed == 7) return;
    }
  }
}

TEST_SUITE_END();
