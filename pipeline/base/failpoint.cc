#include "pipeline/base/failpoint.h"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace pipeline {

namespace {

constexpr const char* kVariable = "SKIDWAY_FAILPOINTS";
constexpr std::string_view kSleep = "sleep=";

bool read_number(std::string_view text, uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Cuts off and returns what stands before the next `separator`.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  std::string_view part = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return part;
}

FailpointTable table_of_environment() {
  const char* text = std::getenv(kVariable);
  auto table = FailpointTable::parse(text ? text : "");
  if (table) return *std::move(table);
  log_error("failpoints are not set", {{"variable", kVariable}, {"error", table.error()}});
  return {};
}

}  // namespace

Result<std::unique_ptr<FailpointTable::Point>> FailpointTable::parse_point(std::string_view text) {
  const std::string whole(text);
  auto point = std::make_unique<Point>();
  point->name = take_until(text, ':');
  const std::string_view action = take_until(text, ':');
  uint64_t milliseconds = 0;
  if (action == "kill") {
    point->action = Action::kKill;
  } else if (action == "error") {
    point->action = Action::kError;
  } else if (action.starts_with(kSleep) && read_number(action.substr(kSleep.size()), milliseconds)) {
    point->action = Action::kSleep;
    point->sleep = std::chrono::milliseconds(milliseconds);
  } else {
    return fail(Errc::kInvalid, concat("\"", whole, "\": the action is none of kill, error, sleep=MS"));
  }
  if (point->name.empty()) return fail(Errc::kInvalid, concat("\"", whole, "\" names no failpoint"));
  if (!text.empty() && (!read_number(text, point->nth) || point->nth == 0))
    return fail(Errc::kInvalid, concat("\"", whole, "\": \"", text, "\" is no number of a pass"));
  return point;
}

Result<FailpointTable> FailpointTable::parse(std::string_view text) {
  FailpointTable table;
  while (!text.empty()) {
    TRY_LET(auto point, parse_point(take_until(text, ',')));
    table.points_.push_back(std::move(point));
  }
  return table;
}

Result<void> FailpointTable::pass(std::string_view name) {
  for (const auto& point : points_) {
    if (point->name != name) continue;
    const uint64_t count = ++point->passes;
    if (point->nth != 0 && point->nth != count) continue;
    switch (point->action) {
      case Action::kKill:
        ::kill(::getpid(), SIGKILL);
        while (true) ::pause();  // the signal is on its way
      case Action::kError: return fail(Errc::kUnavailable, concat("failpoint ", name));
      case Action::kSleep: std::this_thread::sleep_for(point->sleep);
    }
  }
  return {};
}

const bool failpoints_set = std::getenv(kVariable) != nullptr;

Result<void> pass_set_failpoint(std::string_view name) {
  static FailpointTable table = table_of_environment();
  return table.pass(name);
}

}  // namespace pipeline
