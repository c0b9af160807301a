#include "agent/container_format.h"

#include <doctest/doctest.h>

#include "pipeline/stage/stage_list.h"

namespace agent {
namespace {

using pipeline::Batch;
using pipeline::LabelTable;

struct Fixture {
  pipeline::StageList list = [] {
    std::vector<std::unique_ptr<pipeline::Stage>> stages;
    stages.push_back(std::make_unique<ContainerFormatStage>());
    return pipeline::StageList(std::move(stages));
  }();
  std::unique_ptr<pipeline::StageState> state = list.make_state();
  LabelTable table;
  Batch batch{table};
  pipeline::DropCounts drops;
  uint64_t at = 0;

  void add(std::string_view line) {
    batch.add(line, 1, table.intern({}), {at, at + line.size() + 1, 1});
    at += line.size() + 1;
  }
  void process() { list.process(batch, *state, drops); }
};

TEST_SUITE("agent") {
  TEST_CASE("container format: CRI lines are unwrapped and joined") {
    Fixture f;
    f.add("2026-11-01T10:00:00Z stdout P half ");
    f.process();
    CHECK(f.batch.empty());
    CHECK(f.state->open_from() == 0);
    f.batch.clear();
    f.add("2026-11-01T10:00:01Z stdout F {\"log\":\"not docker\"}");
    f.process();
    REQUIRE(f.batch.size() == 1);
    CHECK(f.batch.lines[0] == "half {\"log\":\"not docker\"}");
    CHECK(f.table.text(f.batch.labels[0]) == R"({stream="stdout"})");
    CHECK(!f.state->open_from());
  }

  TEST_CASE("container format: Docker's JSON lines are unwrapped") {
    Fixture f;
    f.add(R"({"log":"hello\n","stream":"stderr","time":"2026-11-01T10:00:00Z"})");
    f.process();
    REQUIRE(f.batch.size() == 1);
    CHECK(f.batch.lines[0].starts_with("hello"));
    CHECK(f.table.text(f.batch.labels[0]) == R"({stream="stderr"})");
  }
}

}  // namespace
}  // namespace agent
