#include "agent/ledger/stream_account.h"

#include <doctest/doctest.h>
#include <random>

namespace agent {
namespace {

EntryVolume sum(const std::vector<DroppedEntries>& dropped) {
  EntryVolume all;
  for (const DroppedEntries& d : dropped) all.add(d.volume);
  return all;
}

struct Fixture {
  StreamAccount account{{0, 1}};
  std::vector<StreamAccount::Sink> sinks{{0, "hub", 0}, {1, "backup", 0}};

  StreamLine line(const std::string& sink, const std::string& origin = "") {
    for (const StreamLine& line : account.lines(sinks))
      if (line.sink == sink && line.origin == origin) return line;
    FAIL("no such line");
    return {};
  }
};

TEST_SUITE("agent/ledger") {
  TEST_CASE("account: what was received waits until the sink's position has passed it") {
    Fixture f;
    f.account.receive("", {10, 1000});
    CHECK(f.line("hub").waiting == EntryVolume{10, 1000});
    f.sinks[0].position = 6;  // the first five
    CHECK(f.line("hub").acked == EntryVolume{5, 500});
    CHECK(f.line("hub").waiting == EntryVolume{5, 500});
    CHECK(f.line("backup").acked == EntryVolume{});
    f.sinks[0].position = 11;
    f.account.settle(1);
    CHECK(f.line("hub").acked == EntryVolume{10, 1000});
    CHECK(f.line("backup").waiting == EntryVolume{10, 1000});
  }

  TEST_CASE("account: what the stages drop is dropped for every sink, what a sink refuses for that one") {
    Fixture f;
    f.account.receive("", {10, 1000});
    f.account.drop("", {"stages:probe", {3, 300}, ""}, 11);
    f.account.lose(1, {{{4, 8}}, 4, 4, "sink:line_too_long", "too long"});
    f.sinks[0].position = f.sinks[1].position = 11;
    CHECK(f.line("hub").acked == EntryVolume{7, 700});
    CHECK(f.line("backup").acked == EntryVolume{3, 300});
    CHECK(f.line("backup").dropped ==
          std::vector<DroppedEntries>{{"stages:probe", {3, 300}, ""}, {"sink:line_too_long", {4, 400}, "too long"}});
  }

  TEST_CASE("account: what is refused is told of the origins whose entries were in the batch") {
    Fixture f;
    f.account.receive("web", {10, 100});
    f.account.receive("db", {10, 500});
    f.account.receive("web", {10, 100});
    f.account.lose(0, {{{6, 16}, {21, 26}}, 15, 15, "sink:rejected", ""});  // 5 of web, 5 of db, 5 of web
    f.sinks[0].position = 31;
    CHECK(f.line("hub", "web").dropped == std::vector<DroppedEntries>{{"sink:rejected", {10, 100}, ""}});
    CHECK(f.line("hub", "db").dropped == std::vector<DroppedEntries>{{"sink:rejected", {5, 250}, ""}});
    CHECK(f.line("hub", "web").acked == EntryVolume{10, 100});
    CHECK(f.line("hub", "db").acked == EntryVolume{5, 250});
    f.account.settle(31);
    f.account.lose(0, {{{6, 16}}, 10, 10, "sink:rejected", ""});  // too late: nobody knows whose they were
    CHECK(f.line("hub", "web").acked == EntryVolume{10, 100});
  }

  TEST_CASE(
      "account: one of many origins goes to the others when there are too many, and nothing is lost of the sums") {
    Fixture f;
    for (size_t i = 0; i < 2 * StreamAccount::kMostOrigins; i++) {
      f.account.receive("c" + std::to_string(i), {1, 10});
      if (i % 2 == 0) f.account.drop("c" + std::to_string(i), {"stages:x", {1, 10}, ""}, i + 2);
    }
    EntryVolume received, dropped, waiting;
    size_t origins = 0;
    for (const StreamLine& line : f.account.lines(f.sinks)) {
      if (line.sink != "hub") continue;
      ++origins;
      received.add(line.received), dropped.add(sum(line.dropped)), waiting.add(line.waiting);
    }
    CHECK(origins <= StreamAccount::kMostOrigins + 1);
    CHECK(received == EntryVolume{512, 5120});
    CHECK(dropped == EntryVolume{256, 2560});
    CHECK(waiting == EntryVolume{256, 2560});
  }

  TEST_CASE("account: received is acked, waiting and dropped, whatever happens") {
    const uint64_t seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    Fixture f;
    uint64_t taken = 0;
    for (int round = 0; round < 2000; round++) {
      const std::string origin(1, static_cast<char>('a' + random() % 3));
      const uint64_t count = random() % 20;
      switch (random() % 5) {
        case 0:
        case 1: f.account.receive(origin, {count, count * (random() % 100)}), taken += count; break;
        case 2: {
          auto& position = f.sinks[random() % 2].position;
          position += random() % (taken + 2 - std::min(taken + 1, position));
          break;
        }
        case 3: f.account.settle(std::min(f.sinks[0].position, f.sinks[1].position)); break;
        default: {
          const uint64_t begin = f.sinks[0].position, end = std::min(taken + 1, begin + count);
          if (begin < end) f.account.lose(0, {{{begin, end}}, random() % (end - begin + 1), end - begin, "sink:x", ""});
          f.sinks[0].position = std::max(f.sinks[0].position, end);
        }
      }
      EntryVolume all;
      for (const StreamLine& line : f.account.lines(f.sinks)) {
        EntryVolume sums = line.acked;
        sums.add(line.waiting), sums.add(sum(line.dropped));
        REQUIRE(sums == line.received);
        if (line.sink == "hub") all.add(line.received);
      }
      REQUIRE(all.entries == taken);
    }
  }

  TEST_CASE("account: goes on after a restart, without what waited then") {
    Fixture f;
    f.account.receive("a\tb\\\n", {10, 1000});
    f.account.drop("a\tb\\\n", {"stages:\tx", {2, 200}, "why\nnot"}, 11);
    f.sinks[0].position = 6;
    const auto lines = f.account.lines(f.sinks);
    CHECK(parse_stream_lines(stream_lines_text(lines)) == lines);
    const Cursors cursors{{stream_ledger_key("net"), stream_lines_text(lines)},
                          {spool_ledger_key("hub"), dropped_entries_text(lines[0].dropped)}};
    CHECK(stream_ledger_of(cursors, "other").empty());
    CHECK(spool_ledger_of(cursors, "hub") == lines[0].dropped);
    Fixture again;
    again.account.resume(stream_ledger_of(cursors, "net"), again.sinks);
    StreamLine hub = again.line("hub", "a\tb\\\n");
    CHECK(hub.acked == lines[0].acked);
    CHECK(hub.waiting == EntryVolume{});
    CHECK(hub.dropped == lines[0].dropped);
    again.account.receive("a\tb\\\n", {5, 500});
    CHECK(again.line("hub", "a\tb\\\n").waiting == EntryVolume{5, 500});
    CHECK(parse_stream_lines("line\tshort\nnonsense\n\n").empty());
  }

  TEST_CASE("account: what is saved of a source that is read again is what its cursors have passed, to the byte") {
    Fixture f;
    const auto again = StreamAccount::Again::kYes;
    f.account.change({0, 1}, again);
    auto saved = [&](const std::string& origin) {
      for (const StreamLine& line : f.account.saved_lines(f.sinks))
        if (line.sink == "hub" && line.origin == origin) return line;
      return StreamLine();
    };
    f.account.receive("web", {3, 30});
    f.account.receive("web", {2, 7});
    f.account.receive("db", {4, 400});
    f.account.drop("web", {"stages:x", {1, 10}, ""}, 4);
    f.account.drop("web", {"stages:x", {1, 5}, ""}, 6);
    f.account.lose(0, {{{2, 4}, {7, 9}}, 4, 4, "sink:y", ""});
    f.sinks[0].position = f.sinks[1].position = 10;
    f.account.settle(10);
    CHECK(saved("web").waiting == EntryVolume{5, 37});  // sent, but not passed
    f.account.pass(4);
    CHECK(saved("web").acked.entries == 0);
    CHECK(saved("web").dropped.at(0) == DroppedEntries{"stages:x", {1, 10}, ""});
    CHECK(saved("web").dropped.at(1).volume.entries == 2);
    CHECK(saved("web").waiting == EntryVolume{2, 7});
    CHECK(saved("db").waiting == EntryVolume{4, 400});
    Fixture next;
    next.account.change({0, 1}, again);
    next.account.resume(f.account.saved_lines(f.sinks), next.sinks);
    CHECK(next.line("hub", "web").received == EntryVolume{3, 30});
    CHECK(next.account.saved_lines(next.sinks) == next.account.lines(next.sinks));
    f.account.pass(10);
    CHECK(f.account.saved_lines(f.sinks) == f.account.lines(f.sinks));
    f.account.receive("db", {1, 1});
    f.account.change({0}, StreamAccount::Again::kNo);  // a source of another type under the same name
    CHECK(f.account.saved_lines(f.sinks) == f.account.lines(f.sinks));
    f.account.change({0}, again);
    CHECK(saved("db").waiting == EntryVolume{});
    f.account.pass(11);
    CHECK(saved("db").received == EntryVolume{5, 401});
  }
}

}  // namespace
}  // namespace agent
