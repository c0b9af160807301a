#include "agent/spool/spool_log.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/testing/forgetful_files.h"

namespace agent {
namespace {

using pipeline::concat;
using pipeline::Errc;
using pipeline::ForgetfulFiles;

constexpr auto kFolder = "/data/spool/hub";
constexpr pipeline::UnixNanos kEver = std::numeric_limits<pipeline::UnixNanos>::min();

// A spool and what is taken from it.
struct SpoolFolder {
  ForgetfulFiles files;
  std::unique_ptr<SpoolLog> log;
  uint64_t segment_bytes = 1 << 20, last_seq = 0;
  std::vector<SpoolFrameId> ids;  // of the last take()

  SpoolFolder() { pipeline::set_log_level(pipeline::LogLevel::kError); }
  SpoolFolder& open() {
    auto opened = SpoolLog::open(files, {kFolder, segment_bytes});
    REQUIRE(opened);
    log = *std::move(opened);
    return *this;
  }
  SpoolFolder& reopen() {
    log.reset();
    return open();
  }
  // As kill -9: nothing is sealed.
  SpoolFolder& kill() {
    std::map<std::string, std::string> kept;
    for (const std::string& name : names()) kept[name] = content(name);
    log.reset();
    for (const std::string& name : names()) REQUIRE(files.remove(concat(kFolder, "/", name)));
    for (auto& [name, bytes] : kept) write(name, bytes);
    return open();
  }
  static SpoolFrame frame(uint64_t seq, std::string body, pipeline::UnixNanos closed) {
    SpoolFrame frame;
    frame.number = {3, seq};
    frame.producer = "0f8b2c51-8a8e-4d3e-9d43-2e9a5b6c7d8e";
    frame.tenant = "team-a";
    frame.closed = closed;
    frame.entries = 10, frame.line_bytes = 100;
    frame.body = std::make_shared<const std::string>(std::move(body));
    return frame;
  }
  pipeline::Result<std::vector<SpoolFrameId>> append(std::vector<std::string> bodies, bool take = false) {
    std::vector<SpoolFrame> group;
    for (std::string& body : bodies) {
      last_seq++;
      group.push_back(frame(last_seq, std::move(body), static_cast<int64_t>(last_seq)));
    }
    return log->append(group, std::vector<bool>(group.size(), take));
  }
  std::vector<std::string> take(uint64_t bytes = 1 << 30, pipeline::UnixNanos oldest = kEver) {
    std::vector<std::string> bodies;
    ids.clear();
    for (auto& taken : log->take(bytes, oldest)) {
      bodies.push_back(*taken.frame.body);
      ids.push_back(taken.id);
    }
    return bodies;
  }
  void done() {
    for (SpoolFrameId id : ids) log->done(id);
  }
  std::vector<std::string> names() { return *files.list(kFolder); }
  std::string content(const std::string& name) {
    auto file = *files.open_to_read(concat(kFolder, "/", name));
    return *file->read(0, *file->size());
  }
  void write(const std::string& name, std::string_view bytes) {
    auto file = *files.create(concat(kFolder, "/", name));
    REQUIRE(file->append(bytes));
    REQUIRE(file->sync());
    REQUIRE(files.sync_folder(kFolder));
  }
  void replace(const std::string& name, std::string_view bytes) {
    REQUIRE(files.remove(concat(kFolder, "/", name)));
    write(name, bytes);
  }
};

using Bodies = std::vector<std::string>;

}  // namespace

TEST_SUITE("agent/spool") {
  TEST_CASE("spool: gives back every batch, oldest first, with all that sending it needs") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"a", "b"}));
    std::string large(300'000, 'x');
    REQUIRE(f.append({large, ""}));
    CHECK(f.log->waiting().frames == 4);
    CHECK(f.log->waiting().entries == 40);
    SUBCASE("at once") {}
    SUBCASE("after a restart") { f.reopen(); }
    SUBCASE("after kill -9") { f.kill(); }
    CHECK(f.log->waiting().frames == 4);
    CHECK(f.log->oldest() == 1);
    auto taken = f.log->take(1 << 30, kEver);
    REQUIRE(taken.size() == 4);
    CHECK(*taken[2].frame.body == large);
    const SpoolFrame& first = taken[0].frame;
    CHECK(first.number == BatchNumber{3, 1});
    CHECK(first.producer == "0f8b2c51-8a8e-4d3e-9d43-2e9a5b6c7d8e");
    CHECK(first.tenant == "team-a");
    CHECK(first.encoding == SpoolEncoding::kSnappy);
    CHECK(first.closed == 1);
    CHECK(first.entries == 10);
    CHECK(first.line_bytes == 100);
    CHECK(f.log->waiting().frames == 0);
    CHECK(f.log->taken() == 4);
  }

  TEST_CASE("spool: takes in steps, and what is appended meanwhile comes last") {
    SpoolFolder f;
    f.segment_bytes = 600;
    f.open();
    for (int i = 0; i < 9; i++) REQUIRE(f.append({concat("body ", i, std::string(100, '.'))}));
    CHECK(f.names().size() > 2);
    Bodies all;
    for (int i = 0; i < 20; i++) {
      Bodies some = f.take(1);
      if (i == 3) REQUIRE(f.append({"body 9"}));
      all.insert(all.end(), some.begin(), some.end());
      if (some.empty()) break;
      CHECK(some.size() == 1);
      f.done();
    }
    REQUIRE(all.size() == 10);
    for (size_t i = 0; i < all.size(); i++) CHECK(all[i].starts_with(concat("body ", i)));
  }

  TEST_CASE("spool: what is done is not given again after a restart, what is taken is") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"a", "b", "c", "d"}));
    CHECK(f.take(1) == Bodies{"a"});
    f.done();
    CHECK(f.take(1) == Bodies{"b"});
    SUBCASE("ordered") { f.reopen(); }
    SUBCASE("kill -9") { f.kill(); }
    SUBCASE("twice") { f.kill().kill(); }
    CHECK(f.take() == Bodies{"b", "c", "d"});
    f.done();
    f.log->trim();
    CHECK(f.names().empty());
    CHECK(f.log->bytes() == 0);
  }

  TEST_CASE("spool: a frame that its owner keeps is not given, and comes back only after a restart") {
    SpoolFolder f;
    f.open();
    auto kept = f.append({"kept", "sent"}, true);
    REQUIRE(kept);
    REQUIRE(f.append({"other"}));
    CHECK(f.take() == Bodies{"other"});
    f.log->done(kept->at(1));
    f.kill();
    CHECK(f.take() == Bodies{"kept", "other"});
  }

  TEST_CASE("spool: a segment whose frames are done is deleted") {
    SpoolFolder f;
    f.segment_bytes = 200;
    f.open();
    REQUIRE(f.append({std::string(200, 'a')}));
    REQUIRE(f.append({std::string(200, 'b')}));
    CHECK(f.names().size() == 2);
    f.take(1);
    f.done();
    CHECK(f.names().size() == 1);
    f.take(1);
    f.done();
    CHECK(f.names().empty());
    CHECK(f.log->bytes() == 0);
    REQUIRE(f.append({"c"}));
    CHECK(f.take() == Bodies{"c"});
  }

  TEST_CASE("spool: knows which numbers it has or has sent") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"a", "b", "c"}));
    f.take(1);
    f.done();
    f.kill();
    auto found = f.log->find({{3, 1}, {3, 3}, {3, 4}, {2, 2}});
    CHECK(found == std::set<BatchNumber>{{3, 1}, {3, 3}});
  }

  TEST_CASE("spool: does not call a batch found whose body did not survive") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"first body", "second body"}));
    f.kill();
    std::string name = f.names().at(0), bytes = f.content(name);
    bytes[bytes.find("second body") + 3] ^= 1;
    f.replace(name, bytes);
    f.reopen();
    CHECK(f.log->find({{3, 1}, {3, 2}}) == std::set<BatchNumber>{{3, 1}});
    CHECK(f.take() == Bodies{"first body"});  // the other one is built again: nothing of it is lost
    CHECK(f.log->take_dropped().corrupt.frames == 0);
    f.kill();
    CHECK(f.log->find({{3, 1}, {3, 2}}) == std::set<BatchNumber>{{3, 1}});
  }

  TEST_CASE("spool: any damaged byte costs one frame at most, with and without an index") {
    Bodies bodies{"first", "second one", "", "the fourth"};
    SpoolFolder f;
    f.open();
    REQUIRE(f.append(bodies));
    bool sealed = false;
    SUBCASE("being written") {}
    SUBCASE("sealed") { sealed = true; }
    std::string name = f.names().at(0);
    if (sealed) f.log.reset();
    std::string whole = f.content(name);
    f.log.reset();
    for (const std::string& other : f.names()) REQUIRE(f.files.remove(concat(kFolder, "/", other)));
    for (size_t at = 0; at < whole.size(); at++) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
      f.write(name, bytes);
      f.open();
      Bodies taken = f.take();
      CAPTURE(at);
      CHECK(taken.size() + 1 >= bodies.size());
      for (const std::string& body : taken) CHECK(std::find(bodies.begin(), bodies.end(), body) != bodies.end());
      if (taken.size() < bodies.size() && !(at >= 8 && taken.back() != bodies.back()))
        CHECK(f.log->take_dropped().corrupt.frames == 1);
      f.log.reset();
      for (const std::string& other : f.names()) REQUIRE(f.files.remove(concat(kFolder, "/", other)));
    }
  }

  TEST_CASE("spool: a tail torn at any byte costs the frames it cuts") {
    Bodies bodies{"first", "second one", "", "the fourth"};
    SpoolFolder f;
    f.open();
    REQUIRE(f.append(bodies));
    std::string name = f.names().at(0), whole = f.content(name);
    std::vector<uint64_t> ends;
    auto file = *f.files.open_to_read(concat(kFolder, "/", name));
    auto scanned = scan_spool_segment(*file, SpoolName::parse(name)->salt);
    REQUIRE(scanned);
    for (const SpoolEntry& entry : scanned->entries) ends.push_back(entry.offset + entry.bytes);
    f.log.reset();
    std::mt19937 random(7);
    for (size_t size = 0; size <= whole.size(); size++) {
      for (const std::string& other : f.names()) REQUIRE(f.files.remove(concat(kFolder, "/", other)));
      std::string bytes = whole.substr(0, size);
      if (size % 2 == 1) bytes += std::string(1 + random() % 100, '\0');
      f.write(name, bytes);
      f.open();
      auto kept =
          static_cast<size_t>(std::count_if(ends.begin(), ends.end(), [&](uint64_t end) { return end <= size; }));
      CAPTURE(size);
      Bodies taken = f.take();
      CHECK(taken.size() >= kept);
      if (size % 2 == 0) CHECK(taken.size() == kept);
      REQUIRE(f.append({"after"}));  // it goes on
      CHECK(f.take() == Bodies{"after"});
      f.log.reset();
    }
  }

  TEST_CASE("spool: damaged or torn marks have frames sent again, never lost") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"a", "b", "c"}));
    f.take(1 << 30);
    f.log->done(f.ids[0]);
    f.log->done(f.ids[1]);
    f.kill();
    std::string marks = f.names().at(1), whole = f.content(marks);
    REQUIRE(whole.size() == 2 * kSpoolMarkBytes);
    SUBCASE("damaged") {
      whole[3] ^= 1;
      f.replace(marks, whole);
      f.reopen();
      CHECK(f.take() == Bodies{"a", "c"});
    }
    SUBCASE("torn, and written on") {
      f.replace(marks, whole.substr(0, 17));
      f.reopen();
      CHECK(f.take() == Bodies{"b", "c"});
      f.log->done(f.ids[1]);
      f.kill();
      CHECK(f.take() == Bodies{"b"});
    }
  }

  TEST_CASE("spool: nothing is spooled on a full disk, what was stays, and it goes on when there is room") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"before"}));
    f.files.fill_disk_after(200);
    auto refused = f.append({"small", std::string(500, 'x')});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::kOverLimit);
    CHECK(f.log->waiting().frames == 1);
    f.files.fill_disk_after(1 << 20);
    REQUIRE(f.append({"after"}));
    SUBCASE("at once") {}
    SUBCASE("kill -9") { f.kill(); }
    CHECK(f.take() == Bodies{"before", "after"});
  }

  TEST_CASE("spool: opens and is drained on a full disk") {
    SpoolFolder f;
    f.open();
    REQUIRE(f.append({"a", "b", "c"}));
    f.kill();
    f.log.reset();
    std::string name = f.names().at(0), bytes = f.content(name);
    bytes.resize(bytes.size() - 20);  // not sealed
    f.replace(name, bytes);
    f.files.fill_disk_after(0);
    f.open();
    CHECK(f.take(1) == Bodies{"a"});
    f.done();  // its mark cannot be written
    CHECK(f.take() == Bodies{"b", "c"});
    f.done();
    CHECK(f.names().empty());
  }

  TEST_CASE("spool: after any failed operation, what was called spooled is there exactly once in this run") {
    for (uint64_t n = 0;; ++n) {
      SpoolFolder f;
      f.segment_bytes = 300;
      f.open();
      uint64_t first = f.files.operations();
      f.files.fail_at(first + n);
      std::set<std::string> spooled;
      for (int i = 0; i < 6; i++) {
        std::string body = concat("body ", i, std::string(50, '.'));
        if (f.append({body}) || f.append({body})) spooled.insert(body);
      }
      Bodies taken;
      for (Bodies some; !(some = f.take(100)).empty();) {
        taken.insert(taken.end(), some.begin(), some.end());
        f.done();
      }
      CAPTURE(n);
      CHECK(spooled.size() == 6);
      CHECK(std::set<std::string>(taken.begin(), taken.end()) == spooled);
      CHECK(taken.size() == spooled.size());
      CHECK(f.log->waiting().frames == 0);
      if (f.files.operations() < first + n) break;
    }
  }

  TEST_CASE("spool: a power cut at any operation loses nothing that was called spooled") {
    for (uint64_t n = 0;; ++n) {
      for (uint64_t seed = 0; seed < 3; seed++) {
        SpoolFolder f;
        f.segment_bytes = 300;
        f.open();
        f.files.cut_power_at(n);
        std::set<std::string> spooled, sent;
        for (int i = 0; i < 6; i++) {
          std::string body = concat("body ", i, std::string(50, '.'));
          if (f.append({body})) spooled.insert(body);
          if (i % 2 == 1)
            for (const std::string& taken : f.take(1)) sent.insert(taken);
          f.done();
        }
        bool all = !f.files.power_is_off();
        f.log.reset();
        f.files.restart(seed);
        f.open();
        Bodies taken = f.take();
        CAPTURE(n);
        CAPTURE(seed);
        for (const std::string& body : spooled)
          CHECK((sent.contains(body) || std::count(taken.begin(), taken.end(), body) == 1));
        if (all && seed == 2) return;
      }
    }
  }

  TEST_CASE("spool: drops the oldest segment when asked, and counts it") {
    SpoolFolder f;
    f.segment_bytes = 200;
    f.open();
    REQUIRE(f.append({std::string(200, 'a')}));
    REQUIRE(f.append({std::string(200, 'b')}));
    REQUIRE(f.append({"c"}));
    uint64_t before = f.log->bytes();
    CHECK(f.log->drop_oldest_segment());
    CHECK(f.log->bytes() < before);
    auto dropped = f.log->take_dropped();
    CHECK(dropped.no_room.frames == 1);
    CHECK(dropped.no_room.entries == 10);
    CHECK(f.log->drop_oldest_segment());
    CHECK(f.log->drop_oldest_segment());  // also what was being written
    CHECK_FALSE(f.log->drop_oldest_segment());
    CHECK(f.log->bytes() == 0);
    REQUIRE(f.append({"d"}));
    CHECK(f.take() == Bodies{"d"});
  }

  TEST_CASE("spool: drops what is too old, and only that") {
    SpoolFolder f;
    f.segment_bytes = 200;
    f.open();
    for (int i = 0; i < 5; i++) REQUIRE(f.append({concat(i, std::string(i < 4 ? 200 : 1, '.'))}));  // closed at 1..5
    f.log->drop_older(3);
    CHECK(f.log->take_dropped().too_old.frames == 2);
    CHECK(f.log->waiting().frames == 3);
    Bodies rest = f.take(1 << 20, 5);
    REQUIRE(rest.size() == 1);
    CHECK(rest[0] == "4.");
    CHECK(f.log->take_dropped().too_old.frames == 2);
  }

  TEST_CASE("spool: many small frames are found again quickly and all") {
    SpoolFolder f;
    f.segment_bytes = 1 << 20;
    f.open();
    std::vector<SpoolFrame> group;
    for (uint64_t i = 1; i <= 3000; i++) group.push_back(SpoolFolder::frame(i, std::string(i % 700, 'x'), 1));
    REQUIRE(f.log->append(group, std::vector<bool>(group.size(), false)));
    f.kill();
    CHECK(f.log->waiting().frames == 3000);
    auto taken = f.log->take(1 << 30, kEver);
    REQUIRE(taken.size() == 3000);
    for (uint64_t i = 0; i < 3000; i++) CHECK(taken[i].frame.number.seq == i + 1);
  }
}

}  // namespace agent
