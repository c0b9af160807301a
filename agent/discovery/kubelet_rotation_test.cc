// The kubelet's rotations: 0.log becomes 0.log.<time>, all but the youngest of these are compressed, the oldest
// removed.
#include <doctest/doctest.h>

#include "agent/discovery/testing/rotating_host.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;

namespace {

// One container's folder, below an agent that follows pods.
struct Pod : RotatingHost {
  Pod() : RotatingHost(SourceType::kKubernetes, "pods") { folder.make("pods/ns_pod_uid/c"); }

  static std::string rotated(int number) { return std::string(kLive) + ".20261121-10101" + std::to_string(number); }
  void print(const std::string& name, int count) { write(name, count, kLive); }
  void rotate(int number) { folder.rename(kLive, rotated(number)); }
  void pack(int number) { compress(folder, rotated(number)); }
  void reopen() { folder.append(kLive, ""); }
  // What is there arrives, and nothing of it again after a kill.
  void check_twice() {
    drain();
    check();
    kill();
    start();
    drain();
    check();
  }

  static constexpr const char* kLive = "pods/ns_pod_uid/c/0.log";
};

}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("rotation: what the kubelet rotated and compressed while the agent was down is read") {
    Pod pod;
    pod.print("one", 10);
    pod.start();
    pod.drain();
    pod.kill();
    for (int i = 0; i < 4; ++i) {
      pod.print("down " + std::to_string(i), 10);
      pod.rotate(i);
      if (i > 0) pod.pack(i - 1);
      pod.reopen();
    }
    pod.print("live", 10);
    SUBCASE("all are there") {}
    SUBCASE("the one that was read is deleted: the others are newer") {
      pod.folder.remove(Pod::rotated(0) + ".gz");
      pod.written.erase(pod.written.begin() + 10, pod.written.begin() + 20);
    }
    pod.start();
    pod.drain();
    pod.check();
  }

  TEST_CASE("rotation: a file that was seen only empty is read, also where younger ones of its name are known") {
    const pipeline::UnixNanos hour = 3'600'000'000'000, now = pipeline::SystemClock().wall();
    Pod pod;
    pod.folder.append(Pod::rotated(0), "of a time before the agent\n");
    pod.pack(0);
    pod.folder.set_modified(Pod::rotated(0) + ".gz", now - 2 * hour);
    pod.start();
    pod.disk.last_written = now - hour;
    bool rotated = false;
    SUBCASE("the first one of all") {}
    SUBCASE("not the first one") {
      pod.print("before", 5);
      pod.drain();
      pod.rotate(1);
      rotated = true;
    }
    pod.reopen();
    pod.agent->follow();  // nobody looks at it again before it is rotated
    pod.print("unread", 20);
    pod.rotate(2);
    pod.print("known", 20);
    pod.agent->follow();
    CHECK(pod.agent->ledger().last_birth_order() == (rotated ? 3 : 2));
    pod.kill();
    if (rotated) pod.pack(1);
    pod.pack(2);
    SUBCASE("the younger one is where it was") {}
    SUBCASE("the younger one is compressed, too, and has successors") {
      pod.rotate(3);
      pod.pack(3);
      pod.print("down", 10);
      pod.rotate(4);
      pod.pack(4);
      pod.print("last", 10);
    }
    pod.start();
    pod.check_twice();
  }

  TEST_CASE("rotation: a file that is just being compressed is not read twice") {
    Pod pod;
    pod.print("one", 20);
    pod.start();
    pod.drain();
    pod.kill();
    pod.print("unread", 5);
    SUBCASE("one that is known") {}
    SUBCASE("one that was never seen") {
      pod.rotate(0);
      pod.print("two", 5);
    }
    pod.rotate(1);
    pod.folder.append(Pod::rotated(1) + ".gz", pipeline::gzip_compress(content_of(pod.folder.at(Pod::rotated(1)))));
    pod.print("last", 5);
    pod.start();
    pod.folder.remove(Pod::rotated(1));
    pod.check_twice();
  }
}
