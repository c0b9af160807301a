#include "agent/ledger/standing.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "agent/source/testing/temp_folder.h"

TEST_SUITE_BEGIN("agent/ledger");

namespace agent {
namespace {

struct Fixture {
  testing::TempFolder folder;
  LedgerView view;
  std::shared_ptr<SourceOptions> source = std::make_shared<SourceOptions>();
  uint64_t position = 0;
  bool held = false;
  std::vector<DroppedBytes> drops;

  Fixture() {
    folder.append("app.log", std::string(100, 'x'));
    source->name = "app";
    source->paths = {folder.at("*.log")};
    source->excludes = {folder.at("secret*")};
    source->labels = {{"job", "app"}};
    source->sinks = {0};
    view.sources = {source};
    view.sink_names = {"hub"};
    view.running = true;
    LedgerView::Sink& sink = view.sinks["hub"];
    sink.position = [this](FileId) { return std::optional<uint64_t>(position); };
    sink.holds = [this](FileId) { return held; };
    sink.dropped = [this](FileId, uint64_t) { return drops; };
  }
  void know(const std::string& name, uint64_t read) {
    struct stat status {};
    REQUIRE(::stat(folder.at(name).c_str(), &status) == 0);
    FileRecord record{.source = "app", .path = folder.at(name)};
    record.dev = status.st_dev;
    record.inode = status.st_ino;
    view.files[{1}] = record;
    view.readings[{1}] = {read, static_cast<uint64_t>(status.st_size), false};
  }
  FileStanding of(const std::string& name) {
    auto all = where_is(view, folder.at(name));
    REQUIRE(!all.empty());
    return all[0];
  }
  std::string step(const std::string& name) {
    FileStanding standing = of(name);
    return standing.step + ": " + standing.reason;
  }
};

TEST_CASE("standing: bytes written are acked, waiting and dropped") {
  Fixture f;
  f.know("app.log", 90);
  f.position = 80;
  f.drops = {{{1}, "stages:probe", 30, ""}};
  f.held = true;
  FileStanding standing = f.of("app.log");
  REQUIRE(standing.sinks.size() == 1);
  CHECK(standing.sinks[0].acked == 50);
  CHECK(standing.sinks[0].waiting == 20);
  CHECK(standing.size_bytes == 50 + 20 + 30);
  CHECK(standing.read_bytes == 90);
  CHECK(standing_text({standing}).find("hub: 50 acked, 20 waiting, 30 dropped (stages:probe)") != std::string::npos);
  CHECK(standing_json({standing})
            .find(R"("acked":50,"waiting":20,"in_spool":0,"spooled":false,"dropped":{"stages:probe":30})") !=
        std::string::npos);
}

TEST_CASE("standing: what was written since a running agent looked at the file waits") {
  Fixture f;
  f.know("app.log", 90);
  f.position = 90;
  REQUIRE(f.of("app.log").sinks[0].waiting == 10);
  f.folder.append("app.log", "12345");
  FileStanding standing = f.of("app.log");
  CHECK(standing.size_bytes == 105);
  CHECK(standing.sinks[0].waiting == 15);
}

TEST_CASE("standing: names the step and the reason of a running agent") {
  Fixture f;
  CHECK(where_is(f.view, f.folder.at("none.log")).empty());
  f.folder.append("other.txt", "x");
  CHECK(f.step("other.txt") == "discovery: no source's `path` matches it");
  f.folder.append("secret.log", "x");
  CHECK(f.step("secret.log") == "discovery: excluded by `exclude` of source \"app\"");
  CHECK(f.step("app.log") == "discovery: found, and not given to a reader yet");
  f.know("app.log", 100);
  CHECK(f.step("app.log").starts_with("stages: a stage holds lines back"));
  f.held = true;
  CHECK(f.step("app.log").starts_with("batch: "));
  f.view.sinks["hub"].fault = {"dns: could not resolve host", 1};
  CHECK(f.step("app.log") == "sink: dns: could not resolve host");
  f.view.store_trouble = "no space left on device";
  CHECK(f.step("app.log") == "checkpoint: disk: no space left on device");
  f.position = 100;
  CHECK(f.step("app.log") == "done: everything is acknowledged");
  f.drops = {{{1}, "read:before_start", 60, ""}};
  CHECK(f.step("app.log") == "done: everything is acknowledged");
  f.drops.push_back({{1}, "sink:too_large", 40, "server returned HTTP status 413"});
  CHECK(f.step("app.log") == "sink: too_large: server returned HTTP status 413");
  f.position = 50, f.held = false;
  f.view.sinks["hub"].fault = {};
  f.view.store_trouble.clear();
  f.view.readings[{1}] = {50, 100, true};
  CHECK(f.step("app.log").starts_with("read: stands still: a stage limits the rate"));
}

TEST_CASE("standing: names the step and the reason when no agent runs") {
  Fixture f;
  f.view.running = false;
  CHECK(f.step("app.log") == "agent: it does not run, and has never read this file");
  f.know("app.log", 50);
  f.view.readings.clear();
  f.position = 50;
  CHECK(f.step("app.log") == "agent: it does not run; the rest is read when it does");
  f.view.store_trouble = "full";
  CHECK(f.step("app.log") == "checkpoint: disk: full");
  f.view.store_trouble.clear();
  f.held = true;
  f.view.sinks["hub"].fault = {"tls: certificate has expired", 1};
  CHECK(f.step("app.log") == "sink: tls: certificate has expired (when the agent stopped)");
}

TEST_CASE(
    "standing: what of a file waits in the sink's spool counts as waiting, and what was dropped there as dropped") {
  Fixture f;
  f.know("app.log", 100);
  f.position = 90;
  uint64_t in_spool = 50;
  f.view.sinks["hub"].in_spool = [&](FileId, uint64_t) { return in_spool; };
  f.drops = {{{1}, "spool:spool_full", 30, ""}};
  SinkStanding sink = f.of("app.log").sinks.at(0);
  CHECK(sink.acked == 10);
  CHECK(sink.waiting == 60);
  CHECK(sink.in_spool == 50);
  CHECK(standing_text({f.of("app.log")})
            .find("hub: 10 acked, 60 waiting (50 of them in the sink's spool), 30 dropped (spool:spool_full)") !=
        std::string::npos);
  f.position = 100, f.view.readings[{1}] = {100, 100, false};  // all is read
  CHECK(f.step("app.log") == "sink: is sent from the sink's spool");
  in_spool = 80;  // lines of two tenants are there twice
  sink = f.of("app.log").sinks.at(0);
  CHECK(sink.acked == 0);
  CHECK(sink.waiting == 70);
  in_spool = 0;
  CHECK(f.step("app.log") == "spool: spool_full");
}

TEST_CASE(
    "standing: what an older version left in the sink's spool, and what was dropped of that, may be of any file") {
  Fixture f;
  f.know("app.log", 100);
  f.position = 100;
  bool spooled = true;
  LedgerView::Sink& hub = f.view.sinks["hub"];
  hub.spooled = [&](FileId) { return spooled; };
  hub.spool = {2, {30, 3000}, {}, {}};
  CHECK(f.step("app.log") == "sink: is sent from the sink's spool");
  CHECK(standing_text({f.of("app.log")}).find("hub: 2 batches of 30 entries, 3000 bytes wait there") !=
        std::string::npos);
  CHECK(standing_json(f.of("app.log")).find(R"("spool":{"batches":2,"entries":30,"bytes":3000,"dropped":{}})") !=
        std::string::npos);
  spooled = false;
  hub.spool = {0, {}, {{"spool:spool_max_age", {9, 90}, ""}}, {{"spool:spool_max_age", {7, 70}, ""}}};
  CHECK(f.step("app.log").starts_with("done: everything is acknowledged or was in the sink's spool"));
  CHECK(f.step("app.log").ends_with("7 entries (spool:spool_max_age)"));
  f.source->sinks = {0, 1};  // beside one whose spool dropped nothing: whose it was is said
  f.view.sink_names = {"first", "hub"};
  f.view.sinks["first"] = hub;
  f.view.sinks["first"].spool = {};
  CHECK(f.step("app.log").starts_with("done: hub: everything is acknowledged or was in the sink's spool"));
}

TEST_CASE("standing: an earlier file of the same name, and one that was renamed, are told apart") {
  Fixture f;
  f.know("app.log", 100);
  f.position = 100;
  f.folder.rename("app.log", "app.log.1");
  f.folder.append("app.log", "new");
  auto all = where_is(f.view, f.folder.at("app.log"));
  REQUIRE(all.size() == 2);
  CHECK(all[0].exists);
  CHECK(all[0].step == "discovery");
  CHECK(all[1].reason == "everything is acknowledged (an earlier file of this name)");
  CHECK(f.step("app.log.1") == "done: everything is acknowledged");
}

TEST_CASE("standing: a pod's logs by its name") {
  Fixture f;
  f.source->type = SourceType::kKubernetes;
  f.source->excludes.clear();
  f.source->paths = {f.folder.at("pods")};
  f.folder.make("pods/shop_cart-1_uid/app");
  f.folder.make("pods/shop_cart-1_uid/proxy");
  f.folder.append("pods/shop_cart-1_uid/app/0.log", "x");
  f.folder.append("pods/shop_cart-1_uid/proxy/0.log", "x");
  CHECK(where_is(f.view, "shop/cart-1").size() == 2);
  CHECK(where_is(f.view, "shop/cart-1/app").size() == 1);
  CHECK(where_is(f.view, "shop/cart").empty());
  CHECK(where_is(f.view, "cart-1").size() == 2);
  CHECK(where_is(f.view, "cart").empty());
  CHECK(where_is(f.view, "uid").empty());
}

}  // namespace
}  // namespace agent
