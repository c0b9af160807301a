// Failpoints: named places where a test makes the program die, fail or dawdle, to see that nothing is lost or doubled.
//
//   TRY(failpoint("wal.before_sync"));       where the code around can fail
//   pass_failpoint("flush.after_commit");    where it can only be killed or delayed
//
// Set by the environment, read once: SKIDWAY_FAILPOINTS=NAME:ACTION[:NTH][,NAME:ACTION[:NTH]...]
//   kill       the process ends at once, as by kill -9
//   error      failpoint() answers kUnavailable; pass_failpoint() goes on
//   sleep=MS   the thread sleeps
//   NTH        only at the NTH pass since the start; without it at each
// A name is written at one place of the code, as a literal: tests/crash/failpoints_test.py finds them all by that.
//
// Thread:  any.
// Cost:    unset: one load of a constant. Compiled out by -DSKIDWAY_NO_FAILPOINTS.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

// What one such text sets.
class FailpointTable {
 public:
  enum class Action { kKill, kError, kSleep };
  static Result<FailpointTable> parse(std::string_view text);  // kInvalid: says what is wrong with it

  Result<void> pass(std::string_view name);  // Thread: any

 private:
  struct Point {
    std::string name;
    Action action = Action::kKill;
    std::chrono::milliseconds sleep{0};
    uint64_t nth = 0;  // 0: each
    std::atomic<uint64_t> passes{0};
  };
  static Result<std::unique_ptr<Point>> parse_point(std::string_view text);

  std::vector<std::unique_ptr<Point>> points_;
};

// Of the process, because a failpoint is where no object could be handed in for its sake. Written before main().
extern const bool failpoints_set;
Result<void> pass_set_failpoint(std::string_view name);

inline Result<void> failpoint([[maybe_unused]] std::string_view name) {
#ifndef SKIDWAY_NO_FAILPOINTS
  if (failpoints_set) [[unlikely]]
    return pass_set_failpoint(name);
#endif
  return {};
}

inline void pass_failpoint(std::string_view name) { (void)failpoint(name); }

}  // namespace pipeline
