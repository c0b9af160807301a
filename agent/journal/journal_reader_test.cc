#include "agent/journal/journal_reader.h"

#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "agent/source/testing/temp_folder.h"
#include "pipeline/base/concat.h"

TEST_SUITE_BEGIN("agent/journal");

namespace agent {
namespace {
using namespace std::chrono_literals;
using pipeline::concat;
using testing::TempFolder;

constexpr uint64_t kBase = 1'700'000'000'000'000;  // us
const std::string kBoot(32, 'a');

struct Written {
  std::string message;
  uint64_t us = 0;  // after kBase
  std::string more{};
};

// Writes as systemd-journal-remote does, which makes real journal files of entries as we want them.
void write_journal(const std::string& path, const std::vector<Written>& entries, const std::string& boot = kBoot) {
  std::string command = concat("/lib/systemd/systemd-journal-remote -o ", path, " - 2>/dev/null");
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "w"), ::pclose);
  REQUIRE(pipe);
  for (const Written& entry : entries) {
    std::string text = concat("__REALTIME_TIMESTAMP=", kBase + entry.us, "\n__MONOTONIC_TIMESTAMP=", 1000 + entry.us,
                              "\n_BOOT_ID=", boot, "\n", entry.more);
    if (!entry.message.empty()) text += concat("MESSAGE=", entry.message, "\n");
    text += "\n";
    REQUIRE(std::fwrite(text.data(), 1, text.size(), pipe.get()) == text.size());
  }
  int status = ::pclose(pipe.release());
  REQUIRE_MESSAGE(status == 0, "systemd-journal-remote is needed (deploy/setup.sh --tests)");
}

struct Reading {
  TempFolder folder;
  JournalOptions options;
  BusGuard guard;
  pipeline::SystemClock clock;
  pipeline::Registry registry;
  JournalMetrics metrics{registry, "host"};
  std::unique_ptr<JournalReader> reader;
  JournalReader::Bookmarks marks;  // as a store would have them
  std::vector<pipeline::UnixNanos> times;
  std::vector<std::string> labels;

  Reading() {
    options.where.path = folder.path();
    options.max_age = 0ns;
  }
  std::string file(std::string_view name = "remote.journal") { return folder.at(name); }

  pipeline::Result<void> open() {
    reader = std::make_unique<JournalReader>(options, marks, guard, clock, metrics);
    return reader->open();
  }
  // All there is, as "b1 a1 a2".
  std::string read(size_t limit_bytes = 1 << 20) {
    std::string all;
    times.clear(), labels.clear();
    for (;;) {
      std::string some;
      auto entries =
          reader->read(limit_bytes, [&](const pipeline::LabelSet& set, int64_t time, const std::string& line) {
            some += concat(all.empty() && some.empty() ? "" : " ", line);
            times.push_back(time);
            labels.push_back(set.text());
          });
      if (!entries) return concat("error: ", entries.error().message);
      all += some;
      for (auto& [lineage, text] : reader->moved()) marks[lineage] = text;
      if (*entries == 0) return all;
    }
  }
  std::string wait_and_read() {
    std::string all;
    for (int i = 0; i < 50 && all.empty(); i++) {
      reader->wait(-1, 100ms);
      all = read();
    }
    return all;
  }
  std::string read_anew() {
    REQUIRE(open());
    return read();
  }
  double metric(const std::string& name) {
    std::string page = registry.render();
    size_t at = page.find(concat("\n", name));
    if (at == std::string::npos) return -1;
    return std::stod(page.substr(page.find(' ', at)));
  }
};

TEST_CASE("journal: entries come with their time, and go on behind the bookmark") {
  Reading r;
  write_journal(r.file(), {{"one", 10}, {"two", 20}});
  CHECK(r.read_anew() == "one two");
  CHECK(r.times == std::vector<pipeline::UnixNanos>{(kBase + 10) * 1000, (kBase + 20) * 1000});
  CHECK(r.read_anew() == "");
  write_journal(r.file(), {{"three", 30}});
  CHECK(r.read_anew() == "three");
}

TEST_CASE("journal: what is appended, and a file that is new, are seen while reading") {
  Reading r;
  write_journal(r.file(), {{"one", 10}});
  CHECK(r.read_anew() == "one");
  write_journal(r.file(), {{"two", 20}});
  CHECK(r.wait_and_read() == "two");
  write_journal(r.file("other.journal"), {{"three", 30}});
  CHECK(r.wait_and_read() == "three");
}

TEST_CASE("journal: a machine that uploads late loses nothing to one that did not") {
  Reading r;
  write_journal(r.file("remote-a.journal"), {{"a1", 100}, {"a2", 200}});
  write_journal(r.file("remote-b.journal"), {{"b1", 50}}, std::string(32, 'b'));
  CHECK(r.read_anew() == "b1 a1 a2");
  write_journal(r.file("remote-b.journal"), {{"b2", 60}, {"b3", 300}}, std::string(32, 'b'));
  CHECK(r.wait_and_read() == "b2 b3");
  write_journal(r.file("remote-a.journal"), {{"a3", 250}});
  CHECK(r.read_anew() == "a3");
}

TEST_CASE("journal: entries of one microsecond keep apart, with the same times after a restart at any place") {
  Reading r;
  write_journal(r.file(), {{"x", 10}, {"x", 10}, {"x", 10}, {"y", 11}, {"y", 11}});
  std::string all = r.read_anew();
  CHECK(all == "x x x y y");
  auto times = r.times;
  int64_t x = static_cast<int64_t>(kBase + 10) * 1000, y = x + 1000;
  CHECK(times == std::vector<pipeline::UnixNanos>{x, x + 1, x + 2, y, y + 1});
  r.marks.clear();
  REQUIRE(r.open());
  for (pipeline::UnixNanos expected : times) {  // an entry a run
    pipeline::UnixNanos got = 0;
    REQUIRE(r.reader->read(1, [&](const auto&, int64_t time, const std::string&) { got = time; }));
    CHECK(got == expected);
    for (auto& [lineage, text] : r.reader->moved()) r.marks[lineage] = text;
    REQUIRE(r.open());
  }
  CHECK(r.read() == "");
}

TEST_CASE("journal: wherever it stops and starts again, each entry comes once (random places)") {
  Reading r;
  std::vector<Written> a, b;
  std::string expected_a, expected_b;
  unsigned seed = static_cast<unsigned>(::getpid());
  MESSAGE("seed ", seed);
  for (uint64_t i = 0; i < 200; i++) {
    a.push_back({concat("a", i), 10 * (i / 3)});
    b.push_back({concat("b", i), 15 * (i / 2) + static_cast<uint64_t>(::rand_r(&seed) % 3)});
    expected_a += concat("a", i, " "), expected_b += concat("b", i, " ");
  }
  write_journal(r.file("remote-a.journal"), a);
  write_journal(r.file("remote-b.journal"), b, std::string(32, 'b'));
  std::string got_a, got_b;
  REQUIRE(r.open());
  for (;;) {
    auto entries = r.reader->read(
        static_cast<size_t>(::rand_r(&seed) % 2000 + 1),
        [&](const auto&, int64_t, const std::string& line) { (line[0] == 'a' ? got_a : got_b) += line + " "; });
    REQUIRE(entries);
    if (*entries == 0) break;
    for (auto& [lineage, text] : r.reader->moved()) r.marks[lineage] = text;
    if (::rand_r(&seed) % 2) REQUIRE(r.open());
  }
  CHECK(got_a == expected_a);
  CHECK(got_b == expected_b);
}

TEST_CASE("journal: an entry that was vacuumed takes no other with it") {
  Reading r;
  write_journal(r.file(), {{"one", 10}, {"two", 20}, {"three", 30}, {"four", 40}});
  REQUIRE(r.open());
  REQUIRE(r.reader->read(1, [](const auto&, int64_t, const std::string& line) { CHECK(line == "one"); }));
  auto marks = r.reader->moved();
  REQUIRE(marks.size() == 1);
  std::string cursor = marks.begin()->second;

  SUBCASE("the place of a gone entry is before the next one") {
    size_t at = cursor.find(";x=");
    cursor.replace(at, std::string::npos, ";x=1");  // no entry has this hash
    size_t number = cursor.find(";i=");
    cursor.replace(number, cursor.find(';', number + 1) - number, ";i=2");
    r.marks[marks.begin()->first] = cursor;
    CHECK(r.read_anew().ends_with("three four"));
  }
  SUBCASE("the whole file is gone, and another lineage goes on") {
    std::filesystem::remove(r.file());
    write_journal(r.file(), {{"three", 30}, {"four", 40}});
    r.marks = marks;
    CHECK(r.read_anew() == "three four");
  }
}

TEST_CASE("journal: a copy of a journal in another file is not read again") {  // journalctl --flush makes one
  Reading r;
  write_journal(r.file("run.journal"), {{"one", 10}, {"two", 20}});
  CHECK(r.read_anew() == "one two");
  write_journal(r.file("var.journal"), {{"one", 10}, {"two", 20}, {"three", 30}});
  std::filesystem::remove(r.file("run.journal"));
  CHECK(r.wait_and_read() == "three");
}

TEST_CASE("journal: entries older than max_age are left out, and said to be where a bookmark was behind them") {
  Reading r;
  auto now = static_cast<uint64_t>(r.clock.wall() / 1000) - kBase;
  write_journal(r.file(), {{"old", now - 3'600'000'000}, {"older", now - 3'500'000'000}, {"new", now - 1'000'000}});
  r.options.max_age = 10min;
  CHECK(r.read_anew() == "new");
  CHECK(r.metric("skidway_agent_journal_skipped_entries_total") == -1);
  r.options.max_age = 0ns;
  r.marks.clear();
  REQUIRE(r.open());
  REQUIRE(r.reader->read(1, [](const auto&, int64_t, const std::string&) {}));
  r.marks = r.reader->moved();
  r.options.max_age = 10min;
  CHECK(r.read_anew() == "new");
  CHECK(r.metric("skidway_agent_journal_skipped_entries_total{reason=\"max_age\"") == 1);
}

TEST_CASE("journal: matches of one field are alternatives, of different fields conditions") {
  Reading r;
  write_journal(r.file(), {{"a", 1, "_SYSTEMD_UNIT=a.service\nPRIORITY=6\n"},
                           {"b", 2, "_SYSTEMD_UNIT=b.service\nPRIORITY=6\n"},
                           {"c", 3, "_SYSTEMD_UNIT=c.service\nPRIORITY=6\n"},
                           {"d", 4, "_SYSTEMD_UNIT=a.service\nPRIORITY=3\n"}});
  r.options.matches = {"_SYSTEMD_UNIT=a.service", "_SYSTEMD_UNIT=b.service", "PRIORITY=6"};
  CHECK(r.read_anew() == "a b");
}

TEST_CASE("journal: fields that rules ask for become labels, of repeated ones the last") {
  Reading r;
  r.options.fields.add("__journal__systemd_unit");
  r.options.fields.add("__journal_priority_keyword");
  r.options.fields.add("__journal_gone");
  write_journal(r.file(), {{"m", 1, "_SYSTEMD_UNIT=a.service\nPRIORITY=4\nX=1\n"}, {"n", 2, "PRIORITY=9\n"}});
  CHECK(r.read_anew() == "m n");
  REQUIRE(r.labels.size() == 2);
  CHECK(r.labels[0] == R"({__journal__systemd_unit="a.service", __journal_priority_keyword="warning"})");
  CHECK(r.labels[1] == R"({__journal_priority_keyword="9"})");

  r.options.fields = JournalFields::all();
  r.marks.clear();
  CHECK(r.read_anew() == "m n");
  CHECK(r.labels[0].find(R"(__journal_message="m", __journal_priority="4", __journal_priority_keyword="warning")") !=
        std::string::npos);
}

TEST_CASE("journal: all fields as JSON, sorted, and still JSON when cut") {
  Reading r;
  r.options.as_json = true;
  write_journal(r.file(), {{"say \"hi\"", 1, "ZED=1\nALPHA=2\n"}});
  CHECK(r.read_anew() ==
        concat("{\"ALPHA\":\"2\",\"MESSAGE\":\"say \\\"hi\\\"\",\"ZED\":\"1\",\"_BOOT_ID\":\"", kBoot, "\"}"));
  r.options.max_line_bytes = 200;
  write_journal(r.file(), {{std::string(5000, 'm'), 2}});
  std::string line = r.read_anew();
  CHECK(line.size() <= 200);
  CHECK(line.starts_with("{\"MESSAGE\":\"mmm"));
  CHECK(line.ends_with("\"}"));
  CHECK(r.metric("skidway_agent_source_cut_lines_total") == 1);
}

TEST_CASE("journal: an entry without a message is passed and counted, a long one is cut") {
  Reading r;
  r.options.max_line_bytes = 1024;
  write_journal(r.file(), {{"", 1, "A=1\n"}, {std::string(100'000, 'x'), 2}, {"last", 3}});
  std::string all = r.read_anew();
  CHECK(all == std::string(1024, 'x') + " last");
  CHECK(r.metric("promtail_journal_target_parsing_errors_total{error=\"no_message\"") == 1);
  CHECK(r.metric("loki_source_journal_target_lines_total") == 2);
  CHECK(r.metric("skidway_agent_source_cut_lines_total") == 1);
  CHECK(r.read_anew() == "");
}

TEST_CASE("journal: a JSON line that is cut counts once, however often its entry was read") {
  Reading r;
  r.options.as_json = true;
  r.options.max_line_bytes = 200;
  write_journal(r.file(), {{"", 1, concat("ZED=", std::string(5000, 'z'), "\n")}});  // its message may be on its way
  CHECK(r.read_anew().size() <= 200);
  CHECK(r.metric("skidway_agent_source_cut_lines_total") == 1);
  CHECK(r.metric("loki_source_journal_target_lines_total") == 1);
}

TEST_CASE("journal: an entry whose message is not linked to it yet is not taken for one without") {
  for (bool as_json : {false, true}) {
    Reading r;
    r.options.as_json = as_json;
    write_journal(r.file(), {{"one", 1}, {"half-written", 2}});
    // As journald leaves it for a moment: the data object knows where its first entry is, not yet how many there are.
    const int fd = ::open(r.file().c_str(), O_RDWR | O_CLOEXEC);
    std::string bytes(static_cast<size_t>(std::filesystem::file_size(r.file())), '\0');
    REQUIRE(::pread(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    const bool is_compact = (static_cast<unsigned char>(bytes[12]) & 16) != 0;  // of the incompatible flags
    const size_t count_at = bytes.find("MESSAGE=half-written") - (is_compact ? 16 : 8);
    REQUIRE(bytes.substr(count_at, 8) == std::string("\1\0\0\0\0\0\0\0", 8));
    REQUIRE(::pwrite(fd, "\0", 1, static_cast<off_t>(count_at)) == 1);
    std::thread writer([&] {
      std::this_thread::sleep_for(300ms);  // such as one that waits for the disk
      CHECK(::pwrite(fd, "\1", 1, static_cast<off_t>(count_at)) == 1);
    });
    const std::string all = r.read_anew();
    writer.join();
    ::close(fd);
    CHECK(all.find("one") != std::string::npos);
    CHECK(all.find("half-written") != std::string::npos);
    CHECK(r.metric("promtail_journal_target_parsing_errors_total{error=\"no_message\"") <= 0);
    CHECK(r.read_anew() == "");
  }
}

TEST_CASE("journal: a file that is none is told by name, and the others are read") {
  Reading r;
  write_journal(r.file("good.journal"), {{"one", 1}});
  r.folder.append("bad.journal", std::string(5000, 'z'));
  r.folder.append("empty.journal", "");
  CHECK(r.read_anew() == "one");
  CHECK(r.reader->fault().find("bad.journal: not a journal file") != std::string::npos);
  CHECK(r.reader->unready() == "");
  CHECK(r.metric("skidway_agent_journal_damaged_files_total") == 1);
}

TEST_CASE("journal: a file cut short is left out, and those of its lineage go on") {
  Reading r;
  write_journal(r.file("good.journal"), {{"one", 1}});
  write_journal(r.file("bad.journal"), {{"lost", 2}});
  REQUIRE(::truncate(r.file("bad.journal").c_str(), 5000) == 0);
  CHECK(r.read_anew() == "one");
  CHECK(r.reader->fault().find("bad.journal") != std::string::npos);
  write_journal(r.file("good.journal"), {{"two", 3}});
  CHECK(r.wait_and_read() == "two");
}

TEST_CASE("journal: bytes that make no sense cost their entries only, wherever they are") {
  TempFolder master;
  std::vector<Written> entries;
  for (uint64_t i = 0; i < 300; i++) entries.push_back({concat("m", i), i + 1});
  write_journal(master.at("x.journal"), entries);
  unsigned seed = static_cast<unsigned>(::getpid());
  MESSAGE("seed ", seed);
  for (int round = 0; round < 30; round++) {
    Reading r;
    write_journal(r.file("good.journal"), {{"good", 1}}, std::string(32, 'b'));
    std::filesystem::copy_file(master.at("x.journal"), r.file("bad.journal"));
    std::string garbage(static_cast<size_t>(::rand_r(&seed) % 4096 + 1), static_cast<char>(::rand_r(&seed)));
    int fd = ::open(r.file("bad.journal").c_str(), O_WRONLY | O_CLOEXEC);
    auto at = static_cast<off_t>(::rand_r(&seed) % 400'000);
    REQUIRE(::pwrite(fd, garbage.data(), garbage.size(), at) == static_cast<ssize_t>(garbage.size()));
    ::close(fd);
    REQUIRE(r.open());
    std::string all = r.read();
    CHECK(all.find("good") != std::string::npos);
    write_journal(r.file("good.journal"), {{"more", 1000}}, std::string(32, 'b'));
    CHECK(r.wait_and_read().find("more") != std::string::npos);
  }
}

TEST_CASE("journal: a file that is cut while it is being read does not end the agent") {
  Reading r;
  std::vector<Written> entries;
  for (uint64_t i = 0; i < 2000; i++) entries.push_back({concat("m", i, std::string(200, '.')), i + 1});
  write_journal(r.file("bad.journal"), entries);
  write_journal(r.file("good.journal"), {{"good", 1'000'000}}, std::string(32, 'b'));
  REQUIRE(r.open());
  REQUIRE(r.reader->read(20'000, [](const auto&, int64_t, const std::string&) {}));
  for (auto& [lineage, text] : r.reader->moved()) r.marks[lineage] = text;
  REQUIRE(::truncate(r.file("bad.journal").c_str(), 100'000) == 0);
  std::string rest;
  for (int i = 0; i < 10 && rest.find("good") == std::string::npos; i++) {
    std::string some = r.read();
    if (some.starts_with("error: "))
      REQUIRE(r.reader->open());
    else
      rest += some;
  }
  CHECK(rest.find("good") != std::string::npos);
  CHECK(rest.find('\0') == std::string::npos);
}

TEST_CASE("journal: a folder that is not there is said to be missing, and read when it comes") {
  Reading r;
  r.options.where.path = r.folder.at("later");
  auto opened = r.open();
  REQUIRE(!opened);
  CHECK(opened.error().code == pipeline::Errc::kNotFound);
  CHECK(r.reader->unready().find("later") != std::string::npos);
  CHECK(r.read() == "");
  r.folder.make("later");
  write_journal(r.file("later/x.journal"), {{"one", 1}});
  CHECK(r.wait_and_read() == "one");
  CHECK(r.reader->unready() == "");
}

TEST_CASE("journal: files that are away for a while are not read again") {
  Reading r;
  r.folder.make("away");
  write_journal(r.file("x.journal"), {{"one", 1}});
  CHECK(r.read_anew() == "one");
  r.folder.rename("x.journal", "away/x.journal");
  r.reader->wait(-1, 100ms);
  CHECK(r.read() == "");
  r.folder.rename("away/x.journal", "x.journal");
  write_journal(r.file("x.journal"), {{"two", 2}});
  CHECK(r.wait_and_read() == "two");
}

}  // namespace
}  // namespace agent
