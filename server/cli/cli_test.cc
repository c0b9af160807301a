#include "server/cli/cli.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <mutex>
#include <sstream>

#include "pipeline/http/http_form.h"
#include "pipeline/http/test_server.h"

using namespace pipeline;
using server::CliWorld;
using server::run_cli;

namespace {

constexpr std::string_view kNow = "1700000000000000000";  // of FakeClock

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

Outcome run(std::vector<std::string> arguments, std::map<std::string, std::string> environment = {}) {
  std::ostringstream out, err;
  FakeClock clock;
  const int code =
      run_cli(std::move(arguments), {out, err, clock, [&](const std::string& name) { return environment[name]; }});
  return {code, out.str(), err.str()};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("cli: query prints time, labels and line, newest first") {
  FakeLoki loki;
  loki.entries = {{1'699'999'990'000'000'000, "a", "one"}, {1'699'999'995'500'000'000, "b", "two"}};
  const Outcome o = run({"query", "--addr", loki.url(), "{app=~\".+\"}"});
  CHECK(o.code == 0);
  CHECK(o.err == "");
  CHECK(o.out == "2023-11-14T22:13:15.5Z {app=\"b\"} two\n2023-11-14T22:13:10Z {app=\"a\"} one\n");
  CHECK(loki.last_target() ==
        concat("/loki/api/v1/query_range?query=%7Bapp%3D~%22.%2B%22%7D&start=1699996400000000000&end=", kNow,
               "&limit=30&direction=backward"));
}

TEST_CASE("cli: query has other forms of output, order and time") {
  FakeLoki loki;
  loki.entries = {{1'699'999'990'000'000'000, "a", "one"}, {1'699'999'995'500'000'000, "b", "two"}};
  CHECK(run({"query", "-o", "raw", "--forward", "--addr", loki.url(), "{}"}).out == "one\ntwo\n");
  CHECK(run({"query", "-o", "jsonl", "--limit", "1", "--addr", loki.url(), "{}"}).out ==
        "{\"timestamp\":\"2023-11-14T22:13:15.5Z\",\"labels\":{\"app\":\"b\"},\"line\":\"two\"}\n");
  CHECK(loki.last_header("X-Loki-Response-Encoding-Flags") == "categorize-labels");
  CHECK(run({"query", "-o", "raw", "--from", "1699999991", "--to", "2023-11-14T22:13:16Z", "--addr", loki.url(), "{}"})
            .out == "two\n");
  CHECK(run({"query", "-o", "raw", "--since", "6s", "--addr", loki.url(), "{}"}).out == "two\n");
  CHECK(run({"query", "--stats", "-o", "raw", "--addr", loki.url(), "{}"}).err == "summary.totalLinesProcessed=2\n");
}

TEST_CASE("cli: query pages through more entries than the server gives at once, each once, in order") {
  FakeLoki loki;
  loki.max_limit = 50;
  for (int i = 0; i < 1000; ++i) {
    // Three streams; up to seven entries share a time, also across the edges of pages.
    loki.entries.push_back(
        {1'699'999'000'000'000'000 + i / 7 * 1000, std::string(1, static_cast<char>('a' + i % 3)), std::to_string(i)});
  }
  for (const bool forward : {true, false}) {
    CAPTURE(forward);
    for (const std::string limit : {"0", "1000", "120", "50", "51"}) {
      CAPTURE(limit);
      std::vector<std::string> arguments{"query", "-o", "raw", "--limit", limit, "--addr", loki.url(), "{}"};
      if (forward) arguments.push_back("--forward");
      const Outcome o = run(arguments);
      CHECK(o.code == 0);
      std::vector<std::string> got = lines_of(o.out);
      const size_t wanted = limit == "0" ? 1000 : std::stoul(limit);
      REQUIRE(got.size() == wanted);
      for (size_t i = 1; i < got.size(); ++i) {
        const int before = std::stoi(got[i - 1]) / 7, now = std::stoi(got[i]) / 7;
        REQUIRE((forward ? before <= now : before >= now));
      }
      std::sort(got.begin(), got.end());
      CHECK(std::unique(got.begin(), got.end()) == got.end());
    }
  }
}

TEST_CASE("cli: query says so when one time has more entries than the server answers at once") {
  FakeLoki loki;
  for (int i = 0; i < 20; ++i) loki.entries.push_back({1'699'999'000'000'000'000, "a", std::to_string(i)});
  CHECK(lines_of(run({"query", "--batch", "1", "--limit", "0", "--addr", loki.url(), "{}"}).out).size() == 20);
  loki.max_limit = 10;
  const Outcome o = run({"query", "--limit", "0", "--addr", loki.url(), "{}"});
  CHECK(o.code == 1);
  CHECK(o.err ==
        "skidway: at least 10 entries have the time 2023-11-14T21:56:40Z, more than this server answers at once; "
        "narrow the query\n");
}

TEST_CASE("cli: instant prints samples") {
  FakeLoki loki;
  loki.plain_answer = R"({"data":{"resultType":"vector","result":[{"metric":{"pod":"p"},"value":[1700000000,"42"]}]}})";
  CHECK(run({"instant", "--addr", loki.url(), "rate({a=\"b\"}[5m])"}).out == "2023-11-14T22:13:20Z {pod=\"p\"} 42\n");
  CHECK(loki.last_target() == concat("/loki/api/v1/query?query=rate%28%7Ba%3D%22b%22%7D%5B5m%5D%29&time=", kNow));
  CHECK(run({"instant", "-o", "raw", "--now", "12", "--addr", loki.url(), "1"}).out == "42\n");
  CHECK(loki.last_target() == "/loki/api/v1/query?query=1&time=12000000000");
  CHECK(run({"instant", "-o", "jsonl", "--time", "2023-11-14T22:13:20Z", "--addr", loki.url(), "1"}).out ==
        "{\"timestamp\":\"2023-11-14T22:13:20Z\",\"metric\":{\"pod\":\"p\"},\"value\":\"42\"}\n");
}

TEST_CASE("cli: a metric query prints every point") {
  FakeLoki loki;
  loki.plain_answer =
      R"({"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1700000000,"1"],[1700000060,"2"]]}]}})";
  CHECK(run({"query", "--step", "1m", "--addr", loki.url(), "x"}).out ==
        "2023-11-14T22:13:20Z {} 1\n2023-11-14T22:14:20Z {} 2\n");
  CHECK(loki.last_target().ends_with("&step=1m"));
}

TEST_CASE("cli: labels and series list what there is") {
  FakeLoki loki;
  loki.plain_answer = R"({"data":["app","pod"]})";
  CHECK(run({"labels", "--addr", loki.url()}).out == "app\npod\n");
  CHECK(loki.last_target() == concat("/loki/api/v1/labels?start=1699996400000000000&end=", kNow));
  CHECK(run({"labels", "a/b", "-o", "jsonl", "--addr", loki.url()}).out == "\"app\"\n\"pod\"\n");
  CHECK(loki.last_target().starts_with("/loki/api/v1/label/a%2Fb/values?"));
  loki.plain_answer = R"({"data":[{"app":"z"},{"app":"a","x":"y"}]})";
  CHECK(run({"series", "{app=\"a\"}", "--addr", loki.url()}).out == "{app=\"a\", x=\"y\"}\n{app=\"z\"}\n");
  CHECK(loki.last_target().ends_with("&match%5B%5D=%7Bapp%3D%22a%22%7D"));
  CHECK(run({"series", "-o", "jsonl", "--addr", loki.url()}).out == "{\"app\":\"a\",\"x\":\"y\"}\n{\"app\":\"z\"}\n");
}

TEST_CASE("cli: takes the server and the tenant from the environment, options win") {
  FakeLoki loki;
  CHECK(run({"query", "{}"}, {{"SKIDWAY_ADDR", loki.url()}, {"LOKI_ADDR", "http://127.0.0.1:1"}, {"LOKI_ORG_ID", "t"}})
            .code == 0);
  CHECK(loki.last_header("X-Scope-OrgID") == "t");
  CHECK(run({"query", "--addr", loki.url() + "/", "--org-id", "o", "--bearer-token", "b", "{}"},
            {{"LOKI_ADDR", "http://127.0.0.1:1"}, {"SKIDWAY_ORG_ID", "t"}})
            .code == 0);
  CHECK(loki.last_header("X-Scope-OrgID") == "o");
  CHECK(loki.last_header("Authorization") == "Bearer b");
}

TEST_CASE("cli: failures are one sentence with a remedy, and exit code 1") {
  FakeLoki loki;
  auto failure = [&](int status, std::string text) {
    loki.status = status;
    loki.plain_answer = std::move(text);
    const Outcome o = run({"query", "--addr", loki.url(), "{"});
    CHECK(o.code == 1);
    CHECK(o.out == "");
    return o.err;
  };
  CHECK(failure(400, "parse error at line 1, col 2: syntax error: unexpected $end\n") ==
        "skidway: the server refuses this request: parse error at line 1, col 2: syntax error: unexpected $end (status "
        "400); "
        "correct the query or the options\n");
  CHECK(failure(401, "no org id\n") ==
        "skidway: the server wants to know who asks: no org id (status 401); name the tenant "
        "with --org-id, or give --username or --bearer-token\n");
  CHECK(failure(404, "").starts_with(
      concat("skidway: ", loki.url(), " has no /loki/api/v1/query_range: status 404; check")));
  CHECK(failure(503, "busy\nnow").starts_with("skidway: the server is too busy: busy now (status 503); try again"));
  CHECK(failure(500, "oh").starts_with("skidway: the server failed: oh (status 500); its log"));
  CHECK(failure(200, "<html>").starts_with("skidway: the server's answer is not Loki's: no JSON object; check --addr"));
  const Outcome nobody = run({"labels", "--addr", "http://127.0.0.1:1"});
  CHECK(nobody.code == 1);
  CHECK(
      nobody.err.starts_with("skidway: cannot reach http://127.0.0.1:1: GET http://127.0.0.1:1/loki/api/v1/labels: "));
  CHECK(nobody.err.ends_with("; is the server running there? another one is named by --addr or SKIDWAY_ADDR\n"));
}

TEST_CASE("cli: wrong usage is exit code 2") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"query"},
                                             {"query", "{}", "--limit", "many"},
                                             {"query", "{}", "-o", "xml"},
                                             {"query", "{}", "--since", "5"},
                                             {"query", "{}", "--from", "yesterday"},
                                             {"query", "{}", "--from", "20", "--to", "10"},
                                             {"instant", "1", "--now", "x"},
                                             {"labels", "--timeout", "x"}}) {
    const Outcome o = run(arguments);
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(o.out == "");
    CHECK(o.err.starts_with("skidway: "));
    CHECK(lines_of(o.err).size() == 1);
  }
}

TEST_CASE("cli: --help shows an example, --version the version, commit and compiler") {
  CHECK(run({"--help"}).code == 0);
  for (const char* command : {"query", "instant", "labels", "series"}) {
    const Outcome o = run({command, "--help"});
    CHECK(o.code == 0);
    CHECK(o.out.find(concat("Example:\n  skidway ", command)) != std::string::npos);
  }
  const Outcome version = run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("skidway 0."));
  CHECK(version.out.find("commit") != std::string::npos);
}

TEST_SUITE_END();
