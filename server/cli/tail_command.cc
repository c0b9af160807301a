#include "server/cli/tail_command.h"

#include <algorithm>
#include <ostream>
#include <set>
#include <thread>

#include "pipeline/base/concat.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::WebSocketClient;
using pipeline::WebSocketMessage;
using std::chrono::milliseconds;

constexpr milliseconds kSilence{30'000};       // servers ping every second: longer and the connection is dead
constexpr uint64_t kHistoryAfterBreak = 5000;  // what servers allow
constexpr size_t kRemembered = 20'000;

enum class Ended { kWell, kBroken };

// Codes with which a server asks clients to come again, and what it says when a tail has lasted long enough.
bool may_come_again(const WebSocketMessage& close) {
  switch (close.code) {
    case 1001:
    case 1006:
    case 1012:
    case 1013: return true;
    case 1011: return close.text == "reached tail max duration limit" || close.text.starts_with("all ingesters closed");
    default: return false;
  }
}

class Tail {
 public:
  Tail(const ServerConnection& server, TailQuery query, const CommandOutput& output)
      : server_(server), query_(std::move(query)), output_(output), printer_(output.out, output.style) {}

  Result<void> run();

 private:
  Result<Ended> follow(WebSocketClient& socket);
  Result<void> show(const TailAnswer& answer);
  bool is_new(const AnsweredEntry& entry);
  Parameters parameters() const;

  const ServerConnection& server_;
  TailQuery query_;
  const CommandOutput& output_;
  AnswerPrinter printer_;
  pipeline::UnixNanos latest_ = 0;                               // time of an entry shown; 0: none yet
  std::set<std::pair<pipeline::UnixNanos, std::string>> shown_;  // the latest of them
  bool again_ = false;                                           // not the first connection
};

Parameters Tail::parameters() const {
  Parameters out{{"query", query_.query},
                 {"limit", std::to_string(again_ ? std::max(query_.limit, kHistoryAfterBreak) : query_.limit)},
                 {"start", std::to_string(query_.start)}};
  if (query_.delay_seconds > 0) out.emplace_back("delay_for", std::to_string(query_.delay_seconds));
  return out;
}

Result<void> Tail::run() {
  const ServerOptions& options = server_.options();
  auto wait = options.min_backoff;
  for (uint32_t tried = 0;; ++tried) {
    auto socket = server_.open_web_socket("/loki/api/v1/tail", parameters());
    if (!socket) {
      const bool may_help = socket.error().code == Errc::kUnavailable || socket.error().code == Errc::kIo;
      if (!may_help || (!again_ && tried >= options.retries)) return fail(socket.error());
      if (!output_.quiet) output_.err << "tail: " << socket.error().message << std::endl;
    } else {
      wait = options.min_backoff;
      TRY_LET(const Ended ended, follow(**socket));
      if (ended == Ended::kWell) return {};
      again_ = true;
      if (latest_ != 0) query_.start = latest_;
    }
    if (!output_.quiet) output_.err << "tail: trying again in " << wait.count() << " ms" << std::endl;
    std::this_thread::sleep_for(wait);
    wait = std::min(2 * wait, options.max_backoff);
  }
}

Result<Ended> Tail::follow(WebSocketClient& socket) {
  while (true) {
    auto message = socket.receive(kSilence);
    if (message && !*message && socket.silent_for() < kSilence) continue;  // pings came
    if (!message || !*message) {
      if (!output_.quiet)
        output_.err << "tail: connection lost: " << (message ? "silence" : message.error().message) << std::endl;
      return Ended::kBroken;
    }
    if ((*message)->kind != WebSocketMessage::Kind::kClose) {
      TRY_LET(const TailAnswer answer, parse_tail_answer((*message)->text));
      TRY(show(answer));
      continue;
    }
    const WebSocketMessage& close = **message;
    if (may_come_again(close)) {
      if (!output_.quiet) output_.err << "tail: the server closed: " << close.text << std::endl;
      return Ended::kBroken;
    }
    if (close.code == pipeline::kWebSocketNormal || close.code == 0) return Ended::kWell;
    return fail(Errc::kInvalid, concat("the server ended the tail: ", close.text, " (code ", close.code, ")"));
  }
}

Result<void> Tail::show(const TailAnswer& answer) {
  for (const AnsweredEntry& entry : answer.entries) {
    if (is_new(entry)) printer_.print(entry);
  }
  if (answer.dropped > 0 && !output_.quiet) {
    output_.err << "tail: " << answer.dropped << " entries were dropped, as they come faster than they are read here"
                << std::endl;
  }
  if (!printer_.flush()) return fail(Errc::kCancelled, "nobody reads the output any more");
  return {};
}

// After a break the history brings entries again.
bool Tail::is_new(const AnsweredEntry& entry) {
  if (again_ && shown_.contains({entry.time, entry.line})) return false;
  latest_ = std::max(latest_, entry.time);
  shown_.emplace(entry.time, entry.line);
  if (shown_.size() > kRemembered) shown_.erase(shown_.begin());
  return true;
}

}  // namespace

Result<void> run_tail(const ServerConnection& server, TailQuery query, const CommandOutput& output) {
  return Tail(server, std::move(query), output).run();
}

}  // namespace server
