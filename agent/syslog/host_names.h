// HostNames: the names of the addresses that syslog comes from, by reverse look-up, remembered for some minutes.
//
// Life:    an answer that is still due when the object dies is never given.
// Thread:  loop; look-ups run on a thread of their own.
// Limits:  an answer comes within kPatience: without a name (none known, no server answers, too many asked for) it is
//          the address itself. While names are slow to come, addresses are answered at once and looked up meanwhile.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"

namespace agent {

class HostNames {
 public:
  static constexpr std::chrono::milliseconds kPatience{1'000};

  using Done = std::function<void(const std::string& name)>;
  using LookUp = std::function<std::string(const std::string& ip)>;  // on the worker; "" where there is no name

  HostNames(pipeline::Loop& loop, const pipeline::Clock& clock, LookUp look_up = system_look_up);
  ~HostNames();
  HostNames(const HostNames&) = delete;
  HostNames& operator=(const HostNames&) = delete;

  std::optional<std::string> known(const std::string& ip);
  // Calls `done` once: inside the call where the answer is known, else later on the loop.
  void resolve(const std::string& ip, Done done);

  // The first name of the system's reverse look-up, without a dot at its end.
  static std::string system_look_up(const std::string& ip);

 private:
  struct Known {
    std::string name;
    std::chrono::nanoseconds until{0};
  };
  struct Pending {
    std::vector<Done> waiting;
    std::unique_ptr<pipeline::Timer> patience;
  };
  void begin(const std::string& ip);
  void answer(const std::string& ip, const std::string& name);
  void remember(const std::string& ip, std::string name);

  pipeline::Loop& loop_;
  const pipeline::Clock& clock_;
  const LookUp look_up_;
  std::map<std::string, Known> known_;
  std::map<std::string, Pending> pending_;
  std::chrono::nanoseconds slow_until_{0};
  std::unique_ptr<pipeline::WorkerPool> worker_;
};

}  // namespace agent
