#include "server/cli/cli.h"

#include <doctest/doctest.h>
#include <fstream>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/cli/testing/fake_loki.h"

using namespace server;

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
  CHECK(loki.last_target() ==
        concat("/loki/api/v1/query?query=rate%28%7Ba%3D%22b%22%7D%5B5m%5D%29&time=", kNow, "&limit=30"));
  CHECK(run({"instant", "-o", "raw", "--now", "12", "--addr", loki.url(), "1"}).out == "42\n");
  CHECK(loki.last_target() == "/loki/api/v1/query?query=1&time=12000000000&limit=30");
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
    CHECK(o.out.find(concat(":\n  skidway ", command)) != std::string::npos);
  }
  const Outcome version = run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("skidway 0."));
  CHECK(version.out.find("commit") != std::string::npos);
}

TEST_CASE("cli: labels can be chosen, padded, coloured and left out; times shown otherwise") {
  FakeLoki loki;
  loki.entries = {{1'699'999'995'500'000'000, "b", "two"}};
  const auto out = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"query", "--addr", loki.url(), "{}"});
    return run(more).out;
  };
  CHECK(out({"--no-labels"}) == "2023-11-14T22:13:15.5Z two\n");
  CHECK(out({"--exclude-label", "app"}) == "2023-11-14T22:13:15.5Z {} two\n");
  CHECK(out({"--include-label", "app", "--include-label", "x"}) == "2023-11-14T22:13:15.5Z {app=\"b\"} two\n");
  CHECK(out({"--labels-length", "12"}) == "2023-11-14T22:13:15.5Z {app=\"b\"}    two\n");
  CHECK(out({"--output-timestamp-format", "rfc3339"}) == "2023-11-14T22:13:15Z {app=\"b\"} two\n");
  CHECK(out({"--output-timestamp-format", "ansic", "--no-labels"}) == "Tue Nov 14 22:13:15 2023 two\n");
  const std::string colored = out({"--colored-output"});
  CHECK(colored.find("m{app=\"b\"}\x1b[0m two\n") != std::string::npos);
  CHECK(run({"-o", "raw", "--addr", loki.url(), "query", "{}"}).out == "two\n");  // options before the command
}

TEST_CASE("cli: local times carry the offset of the zone") {
  ::setenv("TZ", "Asia/Kolkata", 1);
  ::tzset();
  FakeLoki loki;
  loki.entries = {{1'699'999'995'500'000'000, "b", "two"}};
  CHECK(run({"query", "-z", "Local", "--no-labels", "--addr", loki.url(), "{}"}).out ==
        "2023-11-15T03:43:15.5+05:30 two\n");
  ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE("cli: stats, volume and fields are asked for and shown") {
  FakeLoki loki;
  loki.plain_answer = R"({"streams":2,"chunks":3,"bytes":1534000,"entries":40})";
  CHECK(run({"stats", "--addr", loki.url(), "{a=\"b\"}"}).out ==
        "{\n  bytes: 1.5 MB\n  chunks: 3\n  streams: 2\n  entries: 40\n}\n");
  CHECK(loki.last_target().starts_with("/loki/api/v1/index/stats?start="));
  CHECK(run({"stats", "-o", "jsonl", "--addr", loki.url(), "{a=\"b\"}"}).out == loki.plain_answer + "\n");

  loki.plain_answer = R"({"data":{"resultType":"vector","result":[{"metric":{"app":"x"},"value":[1700000000,"77"]}]}})";
  CHECK(run({"volume", "--targetLabels", "app", "--aggregateByLabels", "--addr", loki.url(), "{a=\"b\"}"}).out ==
        "2023-11-14T22:13:20Z {app=\"x\"} 77\n");
  CHECK(loki.last_target().find("/index/volume?") != std::string::npos);
  CHECK(loki.last_target().ends_with("&limit=30&targetLabels=app&aggregateBy=labels"));
  run({"volume_range", "--addr", loki.url(), "{a=\"b\"}"});
  CHECK(loki.last_target().find("/index/volume_range?") != std::string::npos);
  CHECK(loki.last_target().ends_with("&limit=30&step=1h"));

  loki.plain_answer = R"({"fields":[{"label":"status","type":"int","cardinality":4,"parsers":["json","logfmt"]},)"
                      R"({"label":"id","type":"string","cardinality":11,"parsers":null}],"limit":1000})";
  CHECK(run({"detected-fields", "--addr", loki.url(), "{a=\"b\"}"}).out ==
        "Field   Type    Cardinality  Parsers\nid      string  11           -\nstatus  int     4            "
        "json,logfmt\n");
  CHECK(loki.last_target().ends_with("&limit=100&line_limit=100"));
  loki.plain_answer = R"({"values":["200","500"],"limit":1000})";
  CHECK(run({"detected-fields", "--addr", loki.url(), "{a=\"b\"}", "status"}).out == "200\n500\n");
  CHECK(loki.last_target().starts_with("/loki/api/v1/detected_field/status/values?"));
  loki.plain_answer = "{}";
  CHECK(run({"detected-fields", "--addr", loki.url(), "{a=\"b\"}"}).out == "");
}

TEST_CASE("cli: series --analyze-labels counts values and streams of each label") {
  FakeLoki loki;
  loki.plain_answer = R"({"data":[{"app":"z","pod":"1"},{"app":"z","pod":"2"},{"pod":"3"}]})";
  CHECK(run({"series", "--analyze-labels", "{}", "--addr", loki.url()}).out ==
        "Total Streams:  3\nUnique Labels:  2\n\n"
        "Label Name  Unique Values  Found In Streams\npod         3              3\napp         1              2\n");
}

TEST_CASE("cli: fmt shows the query as the server writes it") {
  FakeLoki loki;
  loki.plain_answer = R"j({"status":"success","data":"sum by (a)(\n  rate({b=\"c\"}[5m])\n)"})j";
  CHECK(run({"fmt", "--addr", loki.url(), "x"}).out == "sum by (a)(\n  rate({b=\"c\"}[5m])\n)\n");
  CHECK(loki.last_target() == "/loki/api/v1/format_query?query=x");
}

TEST_CASE("cli: headers, tags, tokens from files and logcli's variables reach the server") {
  FakeLoki loki;
  const std::string file = "/tmp/skidway-token-" + std::to_string(::getpid());
  std::ofstream(file) << "secret\n";
  CHECK(run({"query", "--addr", loki.url(), "--header", "X-One: 1", "--header", "X-Two:2", "--bearer-token-file", file,
             "--auth-header", "X-Auth", "--query-tags", "Source=me", "--nocache", "{}"})
            .code == 0);
  CHECK(loki.last_header("X-One") == "1");
  CHECK(loki.last_header("X-Two") == "2");
  CHECK(loki.last_header("X-Auth") == "Bearer secret");
  CHECK(loki.last_header("X-Query-Tags") == "Source=me");
  CHECK(loki.last_header("Cache-Control") == "no-cache");
  CHECK(run({"query", "{}"}, {{"LOKI_ADDR", loki.url()},
                              {"LOKI_USERNAME", "u"},
                              {"LOKI_PASSWORD", "p"},
                              {"LOKI_QUERY_TAGS", "a=b"},
                              {"LOKI_NO_CACHE", "true"}})
            .code == 0);
  CHECK(loki.last_header("Authorization") == "Basic dTpw");
  CHECK(loki.last_header("X-Query-Tags") == "a=b");
  CHECK(run({"query", "{}"}, {{"LOKI_ADDR", loki.url()}, {"LOKI_BEARER_TOKEN_FILE", file}}).code == 0);
  CHECK(loki.last_header("Authorization") == "Bearer secret");
  CHECK(run({"query", "{}"}, {{"LOKI_ADDR", loki.url()},
                              {"LOKI_BEARER_TOKEN", "other"},
                              {"LOKI_AUTH_HEADER", "X-Auth"},
                              {"LOKI_HTTP_COMPRESSION", "true"},
                              {"LOKI_TLS_SKIP_VERIFY", "true"},
                              {"LOKI_ORG_ID", "shop"}})
            .code == 0);
  CHECK(loki.last_header("X-Auth") == "Bearer other");
  CHECK(loki.last_header("Accept-Encoding").find("gzip") != std::string::npos);
  CHECK(loki.last_header("X-Scope-OrgID") == "shop");
  CHECK(run({"query", "{}"}, {{"LOKI_ADDR", "http://nobody.invalid"}, {"LOKI_HTTP_PROXY_URL", loki.url()}}).code == 0);
  for (const char* name : {"LOKI_CA_CERT_PATH", "LOKI_CLIENT_CERT_PATH", "LOKI_CLIENT_KEY_PATH"})
    CHECK_MESSAGE(run({"query", "{}"}, {{"LOKI_ADDR", "https://127.0.0.1:1"}, {name, "/nowhere/file.pem"}}).code == 1,
                  name);
  ::unlink(file.c_str());
  CHECK(run({"query", "--addr", loki.url(), "--bearer-token-file", file, "{}"}).err.find(file) != std::string::npos);
  const Outcome wrong = run({"query", "--addr", loki.url(), "--header", "nothing", "{}"});
  CHECK(wrong.code == 2);
  CHECK(wrong.err == "skidway: --header \"nothing\": write it as \"Name: value\"\n");
}

TEST_CASE("cli: a request is tried again as often as asked, what will never work is not") {
  FakeLoki loki;
  loki.status = 503;
  loki.plain_answer = "busy";
  CHECK(run({"labels", "--addr", loki.url(), "--retries", "3", "--min-backoff", "1ms"}).code == 1);
  CHECK(loki.requests() == 4);
  loki.status = 400;
  CHECK(run({"labels", "--addr", loki.url()}, {{"LOKI_CLIENT_RETRIES", "3"}}).code == 1);
  CHECK(loki.requests() == 5);
  loki.status = 503;
  for (const char* name : {"LOKI_CLIENT_MIN_BACKOFF", "LOKI_CLIENT_MAX_BACKOFF"}) {
    const Outcome quick =
        run({"labels", "--addr", loki.url(), "--retries", "1", "--min-backoff", "1ms"}, {{name, "2"}});
    CHECK_MESSAGE(quick.err.find("503") != std::string::npos, quick.err);
    CHECK(run({"labels", "--addr", loki.url()}, {{name, "soon"}}).err.find("backoff: invalid duration") !=
          std::string::npos);
  }
  CHECK(loki.requests() == 9);
  CHECK(run({"labels", "--addr", loki.url(), "--min-backoff", "soon"}).err.find("--min-backoff") != std::string::npos);
}

TEST_SUITE_END();
