#include "agent/ledger/stream_standing.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

struct Place final : StreamOptions {
  std::string place() const override { return "udp://127.0.0.1:514"; }
};

struct Fixture {
  LedgerView view;
  std::shared_ptr<SourceOptions> source = std::make_shared<SourceOptions>();
  bool spooled = false;

  explicit Fixture(const std::string& type = "syslog") {
    source->name = "net";
    source->type = SourceType::kStream;
    source->stream_type = type;
    source->stream = std::make_shared<Place>();
    source->sinks = {0};
    view.sources = {source};
    view.sink_names = {"hub"};
    view.running = true;
    view.sinks["hub"].spooled = [this](FileId) { return spooled; };
  }
  void lines(std::vector<StreamLine> lines) { view.streams["net"].lines = std::move(lines); }
  std::string step(const std::string& what = "net") {
    auto all = where_are_streams(view, what);
    return all.empty() ? "nothing" : all[0].step + ": " + all[0].reason;
  }
};

TEST_SUITE("agent/ledger") {
  TEST_CASE("standing of a stream: by the name of its source, or where it listens") {
    Fixture f;
    f.lines({{"", "hub", {10, 100}, {10, 100}, {}, {}}});
    CHECK(f.step() == "done: everything is acknowledged");
    CHECK(f.step("udp://127.0.0.1:514") == f.step());
    CHECK(f.step("other") == "nothing");
    CHECK(f.step("") == "nothing");
    CHECK(where_are_streams(f.view, "net")[0].received == EntryVolume{10, 100});
  }

  TEST_CASE("standing of a stream: the step and the reason") {
    Fixture f;
    LedgerView::Sink& hub = f.view.sinks["hub"];
    f.lines({{"", "hub", {10, 100}, {4, 40}, {6, 60}, {}}});
    CHECK(f.step() == "batch: in a batch that is being filled, or on its way");
    f.view.streams["net"].ways["hub"].hold = "a stage limits the rate";
    CHECK(f.step() == "stages: a stage limits the rate");
    hub.fault.text = "refused: connection refused";
    CHECK(f.step() == "sink: refused: connection refused");
    f.view.running = false;
    CHECK(f.step() == "sink: refused: connection refused (when the agent stopped)");
    f.view.running = true;
    f.lines({{"", "hub", {10, 100}, {10, 100}, {}, {}}});
    f.spooled = true;
    CHECK(f.step() == "sink: refused: connection refused; what was read waits in the sink's spool");
    f.spooled = false, hub.fault.text = "";
    f.lines({{"", "hub", {10, 100}, {7, 70}, {}, {{"stages:probe", {2, 20}, ""}, {"stages:noise", {1, 10}, ""}}}});
    CHECK(f.step() == "stages: probe");
    f.lines({{"", "hub", {10, 100}, {9, 90}, {}, {{"sink:line_too_long", {1, 10}, "max entry size"}}}});
    CHECK(f.step() == "sink: line_too_long: max entry size");
    f.view.targets = {{.source = "net", .path = "x", .state = "failed", .reason = "address in use"}};
    CHECK(f.step() == "read: address in use");
  }

  TEST_CASE("standing of a stream: what the spool dropped is told") {
    Fixture f;
    f.lines({{"", "hub", {10, 100}, {10, 100}, {}, {}}});
    f.view.sinks["hub"].spool = {0, {}, {{"spool:spool_max_age", {7, 70}, ""}}, {}};
    CHECK(f.step() == "spool: spool_max_age");
    CHECK(stream_text(where_are_streams(f.view, "net")).find("7 entries of it were dropped (spool:spool_max_age)") !=
          std::string::npos);
  }

  TEST_CASE("standing of a stream: a container by its name, its id, and when it is gone") {
    Fixture f("docker");
    f.lines({{"web", "hub", {10, 100}, {10, 100}, {}, {}}, {"db", "hub", {3, 30}, {}, {3, 30}, {}}});
    Target web{.source = "net", .path = "docker://web", .state = "active"};
    web.discovered = pipeline::LabelSet::from({{"__meta_docker_container_id", "3f2a9c"}});
    Target quiet{.source = "net", .path = "docker://quiet", .state = "dropped", .reason = "by the relabel rules"};
    f.view.targets = {web, quiet};
    CHECK(f.step("web") == "done: everything is acknowledged");
    CHECK(f.step("docker://web") == f.step("web"));
    CHECK(f.step("3f2a") == f.step("web"));
    CHECK(f.step("3f") == "nothing");
    CHECK(f.step("db").starts_with("batch: "));
    CHECK(f.step("quiet") == "relabel: by the relabel rules");
    CHECK(where_are_streams(f.view, "web")[0].received == EntryVolume{10, 100});
    CHECK(where_are_streams(f.view, "net")[0].received == EntryVolume{13, 130});
    CHECK(stream_json(where_are_streams(f.view, "db")[0]).find("\"waiting\":{\"entries\":3,\"bytes\":30}") !=
          std::string::npos);
  }

  TEST_CASE("standing of a stream: of an agent that does not run") {
    Fixture f;
    f.view.running = false;
    CHECK(f.step().starts_with("agent: "));
    f.lines({{"", "hub", {10, 100}, {9, 90}, {}, {{"stages:probe", {1, 10}, ""}}}});
    CHECK(f.step() == "stages: probe");
  }
}

}  // namespace
}  // namespace agent
