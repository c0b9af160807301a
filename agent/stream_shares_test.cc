#include "agent/stream_shares.h"

#include <doctest/doctest.h>
#include <set>

#include "pipeline/stage/stage_list.h"

namespace agent {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};  // of sinks

std::shared_ptr<const pipeline::StageList> stages() {
  return std::make_shared<const pipeline::StageList>(std::vector<std::unique_ptr<pipeline::Stage>>());
}

Share source(bool again, std::vector<size_t> sinks) {
  auto out = std::make_shared<SourceOptions>();
  out->name = "host";
  out->can_be_read_again = again;
  out->stages_text = "a";
  out->stages = stages();
  for (size_t i = 1; i < sinks.size(); i++) out->more_stages.push_back(stages());
  out->sinks = std::move(sinks);
  return out;
}

std::set<const pipeline::StageList*> lists_of(const std::vector<Share>& shares) {
  std::set<const pipeline::StageList*> lists;
  for (const Share& share : shares) lists.insert(share->stages.get());
  lists.erase(nullptr);
  return lists;
}

TEST_SUITE("agent") {
  TEST_CASE("stream shares: what can be read again has one for each sink, with stages of its own") {
    CHECK(shares_of(source(false, {0, 2}), kNames).size() == 1);
    auto shares = shares_of(source(true, {0, 2, 5}), kNames);
    REQUIRE(shares.size() == 3);
    CHECK(shares[1]->sinks == std::vector<size_t>{2});
    CHECK(lists_of(shares).size() == 3);
    CHECK(shares[0]->metric_name() == "host");
    CHECK(shares[1]->metric_name() == "host (c)");
    auto later = shares_of(source(true, {2, 7}), kNames, shares);
    CHECK(later[0]->metric_name() == "host (c)");
    CHECK(later[1]->metric_name() == "host (h)");
  }

  TEST_CASE("stream shares: one that goes on keeps its stages, and no two have the same, whatever sinks come and go") {
    auto first = source(true, {1});
    auto running = shares_of(first, kNames);
    for (const auto& sinks : std::vector<std::vector<size_t>>{{0, 1}, {0, 1, 3}, {3}, {0, 3, 4}, {4, 7, 9}}) {
      auto next = std::make_shared<SourceOptions>(*source(true, sinks));
      next->stages = first->stages;  // as plan_sources() does: with what they have counted
      auto shares = shares_of(next, kNames, running);
      CHECK(lists_of(shares).size() == sinks.size());
      for (const Share& share : shares)
        for (const Share& before : running)
          if (is_same_share(*before, *share)) CHECK(share->stages == before->stages);
      running = shares;
    }
    auto other = std::make_shared<SourceOptions>(*source(true, {4, 7}));
    other->stages_text = "b";
    auto before = lists_of(running);
    for (const auto* list : lists_of(shares_of(other, kNames, running))) CHECK_FALSE(before.contains(list));
  }
}

}  // namespace
}  // namespace agent
