#include "server/query/query_line.h"

#include <doctest/doctest.h>
#include <map>
#include <string>
#include <vector>

using namespace server;

namespace {

constexpr int64_t kMillisecond = 1'000'000;

// One slot, handed out a page of work at a time; time is counted, not measured.
struct Machine {
  struct Job {
    QueryShare share;
    int64_t left_ns, page_ns, ended_at = 0;
  };

  QueryLine line;
  int64_t now = 0;
  std::map<std::string, Job> jobs;

  Job& add(const std::string& tenant, const std::string& name, int64_t milliseconds, int64_t page_us = 500) {
    Job& job = jobs[name];
    job.left_ns = milliseconds * kMillisecond, job.page_ns = page_us * 1000;
    job.share.tenant = &line.tenant(tenant);
    line.begin(job.share);
    line.join({&job, &job.share});
    return job;
  }

  // Until `until`, or until `job` has ended.
  void run(int64_t until, const Job* job = nullptr) {
    while (now < until && (job == nullptr || job->left_ns > 0)) {
      auto* chosen = static_cast<Job*>(line.next());
      if (chosen == nullptr) return;
      line.leave(chosen);
      do {
        now += chosen->page_ns;
        line.charge(chosen->share, chosen->page_ns);
        chosen->left_ns -= chosen->page_ns;
      } while (chosen->left_ns > 0 && !line.should_yield(chosen->share));
      if (chosen->left_ns > 0) {
        line.join({chosen, &chosen->share});
      } else {
        line.end(chosen->share);
        chosen->ended_at = now;
      }
    }
  }
  int64_t used(const std::string& name) const { return jobs.at(name).share.used_ns; }
};

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query line: a cheap query beside twenty heavy ones of its tenant waits for a page or two") {
    Machine machine;
    for (int i = 0; i < 20; ++i) machine.add("t", std::to_string(i), 100'000);
    machine.run(10'000 * kMillisecond);
    for (int i = 0; i < 50; ++i) {
      int64_t began = machine.now;
      auto& cheap = machine.add("t", "cheap" + std::to_string(i), 3);
      machine.run(INT64_MAX, &cheap);
      // Three of its own, at most a page before it could begin, and the one in sixteen.
      CHECK(cheap.ended_at - began <= (3 + 2) * kMillisecond);
      machine.run(machine.now + 7 * kMillisecond);
    }
  }

  TEST_CASE("query line: heavy queries of one tenant get the same") {
    Machine machine;
    for (int i = 0; i < 5; ++i) machine.add("t", std::to_string(i), 100'000, 300 + 200 * i);
    machine.run(5'000 * kMillisecond);
    for (int i = 0; i < 5; ++i) CHECK(machine.used(std::to_string(i)) == doctest::Approx(1e9).epsilon(0.02));
    machine.add("t", "late", 100'000);  // does not catch up what it was not there for
    machine.run(11'000 * kMillisecond);
    CHECK(machine.used("late") == doctest::Approx(1e9).epsilon(0.06));
  }

  TEST_CASE("query line: a tenant with one query gets as much as one with twenty") {
    Machine machine;
    for (int i = 0; i < 20; ++i) machine.add("many", std::to_string(i), 100'000);
    machine.run(1'000 * kMillisecond);
    machine.add("one", "single", 100'000);
    machine.run(5'000 * kMillisecond);
    CHECK(machine.used("single") == doctest::Approx(2e9).epsilon(0.1));
  }

  TEST_CASE(
      "query line: a tenant that sends one short query after the other gets about as much as one with twenty at once") {
    Machine machine;
    constexpr int64_t kShort = 180;
    int sent = 0;
    int64_t theirs = 0, mine = 0;
    std::vector<std::string> others(20);
    auto keep_twenty = [&] {
      for (std::string& name : others) {
        if (!name.empty() && machine.jobs.at(name).left_ns > 0) continue;
        if (!name.empty()) theirs += machine.used(name);
        name = "many" + std::to_string(sent++);
        machine.add("many", name, kShort);
      }
    };
    for (int i = 0; i < 20; ++i) {
      const std::string name = "one" + std::to_string(i);
      auto& job = machine.add("one", name, kShort);
      while (job.left_ns > 0) {
        keep_twenty();
        machine.run(machine.now + kMillisecond, &job);
      }
      mine += machine.used(name);
      machine.line.leave_tenant("one");
    }
    const double share = static_cast<double>(mine) / static_cast<double>(machine.now);
    CHECK(share > 0.4);
    CHECK(share < 0.6);
    CHECK(theirs > 0);
  }

  TEST_CASE("query line: a beginner hands its slot to one that has had less") {
    QueryLine line;
    QueryShare first{&line.tenant("a")}, second{&line.tenant("a")};
    line.begin(first);
    line.charge(first, 2 * kMillisecond);
    CHECK_FALSE(line.has_fresh());
    CHECK(line.stays_beginner(first));  // nobody waits
    line.begin(second);
    line.join({&second, &second});
    CHECK(line.has_fresh());
    CHECK_FALSE(line.stays_beginner(first));
    line.charge(second, 1500'000);
    CHECK(line.stays_beginner(first));  // about the same
  }

  TEST_CASE("query line: cheap queries without end do not stop a heavy one, nor another tenant") {
    Machine machine;
    machine.add("t", "heavy", 100'000);
    machine.add("other", "theirs", 100'000);
    for (int i = 0; machine.now < 5'000 * kMillisecond; ++i) {
      auto& cheap = machine.add("t", "cheap" + std::to_string(i), 2);
      machine.run(INT64_MAX, &cheap);
    }
    CHECK(machine.used("heavy") > 100 * kMillisecond);
    CHECK(machine.used("theirs") > 2'000 * kMillisecond);
  }

  TEST_CASE("query line: a query is a beginner for its first 3 ms, unless its tenant has had much more than others") {
    QueryLine line;
    QueryShare heavy{&line.tenant("a")}, late{&line.tenant("a")}, other{&line.tenant("b")};
    line.begin(heavy);
    line.charge(heavy, 1000 * kMillisecond);
    line.join({&heavy, &heavy});
    CHECK(line.next_beginner() == nullptr);
    line.begin(late);
    line.join({&late, &late});
    CHECK(line.next_beginner() == &late);
    line.charge(late, 2 * kMillisecond);
    CHECK(line.is_beginner(late));
    line.begin(other);
    CHECK(line.is_beginner(late));  // "b" has begun with what "a" has had
    line.charge(late, 2 * kMillisecond);
    CHECK_FALSE(line.is_beginner(late));
    CHECK(line.next_beginner() == nullptr);
    line.charge(heavy, 1000 * kMillisecond);
    QueryShare third{&line.tenant("a")};
    line.begin(third);
    CHECK_FALSE(line.is_beginner(third));
  }

  TEST_CASE("query line: a tenant without queries is forgotten") {
    QueryLine line;
    QueryShare query{&line.tenant("a")};
    line.begin(query);
    line.charge(query, 1000);
    line.end(query);
    line.leave_tenant("a");
    CHECK(line.tenant("a").had_ns == 0);
    CHECK(line.next() == nullptr);
    CHECK_FALSE(line.should_yield(query));
  }
}
