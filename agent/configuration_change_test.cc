#include "agent/configuration_change.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"

using namespace agent;

namespace {
Configuration parsed(const std::string& text) {
  auto configuration =
      parse_configuration(text, "agent.toml", Needs::kSinks, [](const std::string&) { return std::nullopt; });
  INFO((configuration ? "" : configuration.error().message));
  REQUIRE(configuration.has_value());
  return *std::move(configuration);
}

const std::string kSinks =
    "[[sink]]\nname = \"hub\"\ntype = \"discard\"\n[[sink]]\nname = \"spare\"\ntype = \"discard\"\n";

std::string source(const std::string& name, const std::string& more = "") {
  return pipeline::concat("[[source]]\nname = \"", name, "\"\ntype = \"file\"\npath = \"/l/", name, "\"\n", more);
}
}  // namespace

TEST_SUITE("agent") {
  TEST_CASE("change: unchanged sources stay the same objects, others keep their slot and what did not change of them") {
    auto now = file_sources(parsed(kSinks + source("a") + source("b") + source("c") + source("d")));
    const std::string stage = "[[source.stage]]\ntype = \"static_labels\"\nvalues = { x = \"y\" }\n";
    auto next = file_sources(
        parsed(kSinks + source("e") + source("c", stage) + source("b", "labels = { a = \"b\" }\n") + source("a")));
    SourceChange change = plan_sources(now, next, {0, 1});
    REQUIRE(change.sources.size() == 5);
    CHECK(change.sources[0] == now[0]);
    CHECK(change.sources[1] != now[1]);
    CHECK(change.sources[1]->stages == now[1]->stages);
    CHECK(change.sources[2]->stages != now[2]->stages);
    CHECK(change.sources[3] == nullptr);
    CHECK(change.sources[4]->name == "e");
    CHECK(change.restaged == std::vector<size_t>{2});
  }

  TEST_CASE("change: sinks are named by their slot, which may be another than their place in the configuration") {
    auto sources = file_sources(parsed(kSinks + source("a", "sinks = [\"spare\"]\n")));
    SourceChange change = plan_sources({}, sources, {4, 2});
    CHECK(change.sources[0]->sinks == std::vector<size_t>{2});
    CHECK(plan_sources(change.sources, sources, {4, 2}).sources[0] == change.sources[0]);
    CHECK(plan_sources(change.sources, sources, {4, 3}).sources[0] != change.sources[0]);
  }

  TEST_CASE("change: what cannot change while running is refused, all at once") {
    Configuration now = parsed(kSinks + source("a"));
    Configuration next =
        parsed(std::string("data_dir = \"/elsewhere\"\nworkers = 2\n") + kSinks + source("b") +
               "[[source]]\nname = \"a\"\ntype = \"kubernetes\"\n[[source]]\nname = \"in\"\ntype = \"stdin\"\n");
    auto refused = check_change(now, next, "agent.toml");
    REQUIRE(!refused);
    CHECK(refused.error().code == pipeline::Errc::kInvalid);
    for (const char* part :
         {"data_dir cannot change", "workers cannot change", "source \"a\" cannot become of type \"kubernetes\"",
          "source \"in\" reads standard input, which cannot be added"})
      CHECK(refused.error().message.find(part) != std::string::npos);
    CHECK(check_change(now, now, "agent.toml").has_value());
    CHECK(!check_change(next, now, "agent.toml").has_value());
  }
}
