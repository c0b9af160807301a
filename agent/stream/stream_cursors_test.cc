#include "agent/stream/stream_cursors.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

using Texts = std::map<std::string, std::string>;

struct Fixture {
  pipeline::Registry registry;
  std::unique_ptr<CheckpointStore> store =
      *CheckpointStore::open({":memory:", {"hub", "second"}, std::chrono::milliseconds(1)}, registry);

  void begin(const std::vector<std::string>& sinks) { StreamCursors::begin(*store, "host", sinks); }
  StreamCursors of(const std::string& sink) { return {*store, "host", sink}; }
};

TEST_SUITE("agent/stream") {
  TEST_CASE("stream cursors: each sink has its own, and those of another source are not among them") {
    Fixture f;
    f.begin({"hub", "second"});
    f.of("hub").save("a", "1");
    f.of("second").save("a", "2");
    f.of("second").save("b", "3");
    f.store->save_cursor("other", "hub\tz", "9");
    CHECK(f.of("hub").saved() == Texts{{"a", "1"}});
    CHECK(f.of("second").saved() == Texts{{"a", "2"}, {"b", "3"}});
    f.of("second").save("b", "");
    CHECK(f.of("second").saved() == Texts{{"a", "2"}});
    CHECK(f.of("sec").saved().empty());
  }

  TEST_CASE("stream cursors: the one place of an older agent is that of each sink, once") {
    Fixture f;
    f.store->save_cursor("host", "a", "1");
    f.store->save_cursor("host", "b", "2");
    f.begin({"hub", "second"});
    CHECK(f.of("hub").saved() == Texts{{"a", "1"}, {"b", "2"}});
    CHECK(f.of("second").saved() == f.of("hub").saved());
    CHECK_FALSE(f.store->cursors("host").contains("a"));
    f.of("hub").save("a", "7");
    f.begin({"hub", "second"});  // the next start
    CHECK(f.of("hub").saved() == Texts{{"a", "7"}, {"b", "2"}});
    CHECK(f.of("second").saved() == Texts{{"a", "1"}, {"b", "2"}});
  }

  TEST_CASE("stream cursors: a sink that could not save anything yet is still at the beginning") {
    Fixture f;
    f.begin({"hub", "second"});
    f.of("hub").save("a", "5");
    f.begin({"hub", "second"});
    CHECK(f.of("second").saved().empty());
    CHECK(f.of("hub").saved() == Texts{{"a", "5"}});
  }

  TEST_CASE("stream cursors: a sink that is added begins where the first of the others is") {
    Fixture f;
    f.begin({"hub"});
    f.of("hub").save("a", "5");
    f.begin({"added", "hub"});
    CHECK(f.of("added").saved() == Texts{{"a", "5"}});
    f.of("hub").save("a", "6");
    f.begin({"added", "hub"});
    CHECK(f.of("added").saved() == Texts{{"a", "5"}});
  }
}

}  // namespace
}  // namespace agent
