#include "agent/checkpoint/loss_ledger.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <unistd.h>

TEST_SUITE_BEGIN("agent/checkpoint");

namespace agent {
namespace {
constexpr FileId kFile{7};

std::string text(const std::vector<DroppedBytes>& all) {
  std::string out;
  for (const DroppedBytes& d : all) out += d.reason.str() + "=" + std::to_string(d.bytes) + " ";
  return out;
}

TEST_CASE("losses: what lies above the position is not counted yet") {
  LossLedger losses({});
  losses.note("hub", kFile, "a", 10, 100);
  losses.note("hub", kFile, "b", 5, 200, "why");
  losses.note("hub", kFile, "a", 1, 300);
  CHECK(text(losses.below("hub", kFile, 99)) == "");
  CHECK(text(losses.below("hub", kFile, 200)) == "a=10 b=5 ");
  CHECK(text(losses.pass("hub", {{kFile, 250, 0}})) == "a=10 b=5 ");
  CHECK(losses.pass("hub", {{kFile, 260, 0}}).empty());
  CHECK(text(losses.below("hub", kFile, 300)) == "a=11 b=5 ");
  CHECK(losses.below("hub", kFile, 300)[1].detail == "why");
  CHECK(losses.below("other", kFile, 300).empty());
  losses.forget(kFile);
  CHECK(losses.below("hub", kFile, 300).empty());
}

TEST_CASE("losses: of a stream they are taken once; of what a spool held they are summed by reason") {
  LossLedger losses({});
  const FileId stream{kFirstStream + 1};
  losses.note("hub", stream, "a", 10, 0);  // it has no bytes
  CHECK(losses.below("hub", stream, 100).empty());
  losses.note_entries("hub", stream, {{{1, 5}}, 4, 4, "sink:rejected", "no"});
  losses.note_entries("hub", stream, {{{5, 6}}, 0, 1, "sink:rejected", ""});  // nothing
  CHECK(losses.take_entries("backup", stream).empty());
  auto taken = losses.take_entries("hub", stream);
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].ranges == std::vector<EntryRange>{{1, 5}});
  CHECK(losses.take_entries("hub", stream).empty());
  losses.note_spooled("hub", "spool:spool_full", {3, 30});
  losses.note_spooled("hub", "sink:rejected", {1, 10}, "first");
  losses.note_spooled("hub", "sink:rejected", {2, 20}, "last");
  CHECK(losses.spooled("hub") ==
        std::vector<DroppedEntries>{{"spool:spool_full", {3, 30}, ""}, {"sink:rejected", {3, 30}, "last"}});
  CHECK(losses.spooled("backup").empty());
}

TEST_CASE("losses: what the spool lost of a file counts once the position has passed it, and is not saved here") {
  LossLedger losses({});
  losses.note("hub", kFile, "a", 10, 100);
  losses.note_spooled_bytes("hub", kFile, "spool:spool_full", 50, 100);
  losses.note_spooled_bytes("hub", kFile, "spool:spool_full", 7, 200);
  CHECK(text(losses.below("hub", kFile, 100)) == "a=10 spool:spool_full=50 ");
  CHECK(text(losses.pass("hub", {{kFile, 150, 0}})) == "a=10 ");
  CHECK(losses.pass("hub", {{kFile, 200, 0}}).empty());
  CHECK(text(losses.below("hub", kFile, 200)) == "a=10 spool:spool_full=57 ");
  losses.forget_spooled("hub");
  CHECK(text(losses.below("hub", kFile, 200)) == "a=10 ");
  losses.note_spooled("hub", "spool:corrupt", {3, 30}, "", true);
  losses.note_spooled("hub", "spool:corrupt", {1, 10});
  CHECK(losses.spooled("hub").at(0).volume == EntryVolume{4, 40});
  CHECK(losses.spooled_unknown("hub").at(0).volume == EntryVolume{1, 10});
}

TEST_CASE("losses: sums of an earlier run go on") {
  Resume resume;
  resume.sinks["hub"].dropped = {{kFile, "a", 10, ""}};
  resume.sinks["hub"].fault = {"dns", 5};
  LossLedger losses(resume);
  losses.note("hub", kFile, "a", 2, 50);
  CHECK(text(losses.below("hub", kFile, 50)) == "a=12 ");
  CHECK(losses.fault("hub").text == "dns");
  CHECK(!losses.note_fault("hub", "dns", 9));
  CHECK(losses.note_fault("hub", "tls", 9));
  CHECK(losses.fault("hub").since == 5);
  CHECK(losses.note_fault("hub", "", 10));
  CHECK(losses.fault("hub").text == "");
}

TEST_CASE("losses: a long time without progress joins notes and loses no byte") {
  LossLedger losses({});
  for (uint64_t i = 1; i <= 10'000; i++) losses.note("hub", kFile, "a", 1, i);
  CHECK(text(losses.below("hub", kFile, 10'000)) == "a=10000 ");
}

TEST_CASE("losses: crashes at any moment count every dropped byte once (random runs)") {
  unsigned seed = static_cast<unsigned>(::getpid());
  MESSAGE("seed ", seed);
  for (int round = 0; round < 50; round++) {
    Resume saved;  // as the store has it: the sums and the position are written together
    uint64_t position = 0;
    uint64_t expected = 0;
    for (uint64_t line = 0; line < 200; line++) expected += line % 3 == 0 ? 10 : 0;
    for (uint64_t read = 0; read < 200;) {
      LossLedger losses(saved);
      for (read = position / 10; read < 200; read++) {
        if (read % 3 == 0) losses.note("hub", kFile, "a", 10, (read + 1) * 10);
        if (::rand_r(&seed) % 8 == 0) {
          position = (position / 10 + static_cast<uint64_t>(::rand_r(&seed)) % (read + 2 - position / 10)) * 10;
          for (const DroppedBytes& d : losses.pass("hub", {{kFile, position, 0}})) saved.sinks["hub"].dropped = {d};
        }
        if (::rand_r(&seed) % 100 == 0) break;  // kill -9
      }
      if (read < 200) continue;
      CHECK(text(losses.below("hub", kFile, 2000)) == "a=" + std::to_string(expected) + " ");
    }
  }
}

}  // namespace
}  // namespace agent
