// FakeLoki: a server with a list of entries, for tests of the command line; run(): the command line itself. For tests
// only.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>

#include "pipeline/http/http_form.h"
#include "pipeline/http/test_server.h"
#include "server/cli/cli.h"

namespace server {

using pipeline::concat;
using pipeline::FakeClock;
using pipeline::HttpForm;
using pipeline::HttpHandler;
using pipeline::HttpHeaders;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::TestServer;
using pipeline::UnixNanos;

inline constexpr std::string_view kNow = "1700000000000000000";  // of FakeClock

struct Entry {
  UnixNanos time;
  std::string app, line;
};

// Answers as Loki would, from a list of entries; at most `max_limit` at once.
class FakeLoki {
 public:
  FakeLoki() : server_(handler()) {}

  std::string url() const { return server_.url(""); }
  std::vector<Entry> entries;     // set before the first request
  uint64_t max_limit = 5000;      // likewise
  std::string plain_answer = "";  // of everything but query_range
  int status = 200;
  std::string last_target() {
    std::lock_guard lock(mutex_);
    return targets_.empty() ? "" : targets_.back();
  }
  std::string last_header(std::string_view name) {
    std::lock_guard lock(mutex_);
    return std::string(headers_.get(name));
  }
  size_t requests() {
    std::lock_guard lock(mutex_);
    return targets_.size();
  }

 private:
  HttpHandler handler() {
    return [this](HttpRequest request, HttpResponder responder) {
      {
        std::lock_guard lock(mutex_);
        targets_.push_back(request.target);
        headers_ = request.headers;
      }
      if (request.path != "/loki/api/v1/query_range" || !plain_answer.empty() || status != 200) {
        responder.send(HttpResponse::text(status, plain_answer));
      } else {
        responder.send(query_range(*HttpForm::of(request)));
      }
    };
  }
  HttpResponse query_range(const HttpForm& form) {
    const uint64_t limit = std::stoull(std::string(form.get("limit")));
    const int64_t start = std::stoll(std::string(form.get("start"))), end = std::stoll(std::string(form.get("end")));
    if (limit > max_limit) {
      return HttpResponse::text(
          400, concat("max entries limit per query exceeded, limit > max_entries_limit_per_query (", limit, " > ",
                      max_limit, ")"));
    }
    const bool forward = form.get("direction") == "forward";
    std::vector<Entry> found;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(found),
                 [&](const Entry& e) { return e.time >= start && e.time < end; });
    std::stable_sort(found.begin(), found.end(),
                     [&](const Entry& a, const Entry& b) { return forward ? a.time < b.time : a.time > b.time; });
    if (found.size() > limit) found.resize(limit);
    std::map<std::string, std::string> values;
    for (const Entry& e : found) {
      std::string& list = values[e.app];
      list += concat(list.empty() ? "" : ",", "[\"", e.time, "\",\"", e.line, "\"]");
    }
    std::string streams;
    for (const auto& [app, list] : values) {
      streams += concat(streams.empty() ? "" : ",", "{\"stream\":{\"app\":\"", app, "\"},\"values\":[", list, "]}");
    }
    return HttpResponse::json(concat("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[",
                                     streams, "],\"stats\":{\"summary\":{\"totalLinesProcessed\":", found.size(),
                                     "}}}}"));
  }

  std::mutex mutex_;
  std::vector<std::string> targets_;
  HttpHeaders headers_;
  TestServer server_;
};

struct Outcome {
  int code = 0;
  std::string out, err;
};

inline Outcome run(std::vector<std::string> arguments, std::map<std::string, std::string> environment = {}) {
  std::ostringstream out, err;
  FakeClock clock;
  const int code =
      run_cli(std::move(arguments), {out, err, clock, [&](const std::string& name) { return environment[name]; }});
  return {code, out.str(), err.str()};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace server
