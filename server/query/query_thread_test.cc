#include "server/query/query_thread.h"

#include <doctest/doctest.h>

using namespace server;
using namespace std::chrono_literals;

namespace {

// Others come before for `others` at every offer; each piece of work takes 150 us.
class CountedThread final : public QueryThread {
 public:
  std::chrono::nanoseconds others{0};
  size_t offers = 0, lowered = 0;

  void work() { computed_ += 150us; }
  Clock::time_point now() override { return Clock::time_point(computed_ + waited_); }
  void restart() override {}
  std::chrono::nanoseconds lap() override { return 0ns; }

 private:
  void lower_priority() override { ++lowered; }
  void offer_processor() override { ++offers, waited_ += others; }
  std::chrono::nanoseconds computed() override { return computed_; }

  std::chrono::nanoseconds computed_{0}, waited_{0};
};

size_t offers_of(CountedThread& thread, int times) {
  const size_t before = thread.offers;
  for (int i = 0; i < times; ++i) {
    thread.work();
    thread.give_way();
  }
  return thread.offers - before;
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query thread: offers the processor each time while nobody wants it, or cheap queries do") {
    CountedThread thread;
    CHECK(offers_of(thread, 100) == 100);
    thread.others = 2ms;
    CHECK(offers_of(thread, 100) == 100);
  }

  TEST_CASE("query thread: keeps a fifth of a processor that busy programs would take at every offer") {
    CountedThread thread;
    thread.others = 12ms;
    CHECK(offers_of(thread, 200) == 10);  // 3 ms of work for each
    thread.others = 0ms;
    CHECK(offers_of(thread, 200) >= 180);  // they are gone
  }

  TEST_CASE("query thread: goes to the background once") {
    CountedThread thread;
    CHECK_FALSE(thread.is_in_background());
    thread.go_to_background();
    thread.go_to_background();
    CHECK(thread.is_in_background());
    CHECK(thread.lowered == 1);
  }
}
