#include "agent/syslog/host_names.h"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>

namespace agent {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::FakeClock clock;
  std::atomic<int> asked{0};
  std::atomic<bool> stuck{false};
  std::unique_ptr<HostNames> names;
  std::vector<std::string> told;

  Fixture() {
    names = std::make_unique<HostNames>(*loop, clock, [this](const std::string& ip) {
      ++asked;
      while (stuck) std::this_thread::sleep_for(1ms);
      return ip == "192.0.2.1" ? std::string("one.example") : std::string();
    });
  }
  ~Fixture() {
    stuck = false;
    names.reset();
  }
  void resolve(const std::string& ip) {
    names->resolve(ip, [this](const std::string& name) { told.push_back(name); });
  }
  bool until(size_t count) {
    for (int i = 0; i < 500 && told.size() < count; ++i) loop->turn(10ms);
    return told.size() == count;
  }
};

}  // namespace

TEST_SUITE("agent/syslog") {
  TEST_CASE("host names: are looked up once for all who ask, and remembered for minutes") {
    Fixture f;
    f.resolve("192.0.2.1");
    f.resolve("192.0.2.1");
    CHECK(f.told.empty());
    REQUIRE(f.until(2));
    CHECK(f.told == std::vector<std::string>{"one.example", "one.example"});
    f.resolve("192.0.2.1");
    CHECK(f.told.size() == 3);
    CHECK(f.asked == 1);
    f.clock.advance(6min);
    CHECK_FALSE(f.names->known("192.0.2.1").has_value());
    f.resolve("192.0.2.1");
    REQUIRE(f.until(4));
    CHECK(f.asked == 2);
  }

  TEST_CASE("host names: an address without a name is its own") {
    Fixture f;
    f.resolve("192.0.2.9");
    REQUIRE(f.until(1));
    CHECK(f.told[0] == "192.0.2.9");
  }

  TEST_CASE("host names: a server that does not answer holds nobody up, and the next ones not at all") {
    Fixture f;
    f.stuck = true;
    f.resolve("192.0.2.1");
    REQUIRE(f.until(1));
    CHECK(f.told[0] == "192.0.2.1");
    f.resolve("192.0.2.2");
    CHECK(f.told == std::vector<std::string>{"192.0.2.1", "192.0.2.2"});
    f.stuck = false;
    for (int i = 0; i < 500 && !f.names->known("192.0.2.1"); ++i) f.loop->turn(10ms);
    CHECK(f.names->known("192.0.2.1") == "one.example");
  }

  TEST_CASE("host names: the system knows this machine, and survives what is no address") {
    CHECK(HostNames::system_look_up("127.0.0.1") != "");
    CHECK(HostNames::system_look_up("nonsense") == "");
  }
}

}  // namespace agent
