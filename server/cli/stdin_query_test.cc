#include <doctest/doctest.h>
#include <sstream>

#include "server/cli/testing/fake_loki.h"

using namespace server;

namespace {

Outcome run_with_input(const std::string& input, std::vector<std::string> arguments) {
  std::ostringstream out, err;
  std::istringstream in(input);
  FakeClock clock;
  const int code = run_cli(std::move(arguments), {out, err, clock, [](const std::string&) { return ""; }, &in});
  return {code, out.str(), err.str()};
}

const std::string kLog = "level=info n=1\nlevel=error n=2\nlevel=info n=3\nlevel=error n=4";

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("cli: lines of standard input are filtered, in their order, all of them") {
  CHECK(run_with_input(kLog, {"--stdin", "query", "-o", "raw", "|= \"error\""}).out ==
        "level=error n=2\nlevel=error n=4\n");
  CHECK(run_with_input(kLog, {"query", "--stdin", "-o", "raw", "{app=\"x\", pod=\"y\"} | logfmt | n > 1 != \"n=4\""})
            .out == "level=error n=2\nlevel=info n=3\n");
  CHECK(run_with_input(kLog, {"query", "--stdin", "-o", "raw", "{app=\"x\"} | logfmt | line_format \"{{.n}}\""}).out ==
        "1\n2\n3\n4\n");
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += std::to_string(i) + "\n";
  CHECK(run_with_input(many, {"query", "--stdin", "-o", "raw", "!= \"never\""}).out == many);
  CHECK(run_with_input("", {"query", "--stdin", "|= \"x\""}).out == "");
}

TEST_CASE("cli: a metric of standard input is evaluated once") {
  const Outcome o =
      run_with_input(kLog, {"query", "--stdin", "-o", "raw", "sum(count_over_time({a=\"b\"} |= \"error\" [1m]))"});
  CHECK(o.err == "");
  CHECK(o.out == "2\n");
  CHECK(run_with_input(
            kLog, {"instant-query", "--stdin", "-o", "raw", "sum(sum_over_time({a=\"b\"} | logfmt | unwrap n [1m]))"})
            .out == "10\n");
}

TEST_CASE("cli: what standard input cannot do is refused with a reason") {
  const Outcome wrong = run_with_input(kLog, {"query", "--stdin", "{"});
  CHECK(wrong.code == 1);
  CHECK(wrong.err.find("parse error") != std::string::npos);
  CHECK(run_with_input(kLog, {"labels", "--stdin"}).code == 2);
  CHECK(run_with_input(kLog, {"--stdin", "labels"}).err ==
        "skidway: --stdin is for query and instant-query, not for labels\n");
  CHECK(run_with_input(kLog, {"query", "--stdin", "--tail", "{a=\"b\"}"}).code == 2);
  CHECK(run({"query", "--stdin", "{a=\"b\"}"}).code == 2);
}

TEST_CASE("cli: a query of Loki's own store is refused with a reason") {
  const Outcome o = run({"query", "--store-config", "loki.yaml", "{a=\"b\"}"});
  CHECK(o.code == 2);
  CHECK(o.err.find("name a server with --addr") != std::string::npos);
  CHECK(run({"query", "--remote-schema", "{a=\"b\"}"}).code == 2);
}

TEST_CASE("cli: requests to delete are created, listed and cancelled") {
  FakeLoki loki;
  const std::vector<std::string> server = {"--addr", loki.url()};
  auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), server.begin(), server.end());
    return run(std::move(arguments));
  };
  CHECK(with({"delete", "create", "--from", "2023-11-14T00:00:00Z", "--to", "2023-11-14T10:00:00Z", "--max-interval",
              "1h", "{app=\"x\"} |= \"secret\""})
            .out == "delete request created\n");
  CHECK(loki.last_target() ==
        "/loki/api/v1/"
        "delete?query=%7Bapp%3D%22x%22%7D%20%7C%3D%20%22secret%22&start=1699920000&end=1699956000&max_interval="
        "1h");
  loki.plain_answer =
      R"([{"request_id":"1c3a5f7e","start_time":1700000000,"end_time":1700086400,"query":"{app=\"x\"}","status":"received","created_at":1700090000.123,"user_id":""}])";
  const Outcome list = with({"delete", "list"});
  CHECK(list.out.find("1c3a5f7e  2023-11-15T23:13:20.123Z  received  2023-11-14T22:13:20Z") != std::string::npos);
  CHECK(list.out.find("{app=\"x\"}") != std::string::npos);
  CHECK(with({"delete", "list", "-o", "jsonl"}).out == loki.plain_answer + "\n");
  loki.plain_answer = "";
  CHECK(with({"delete", "cancel", "--request-id", "1c3a5f7e", "--force"}).out == "delete request 1c3a5f7e cancelled\n");
  CHECK(loki.last_target() == "/loki/api/v1/delete?request_id=1c3a5f7e&force=true");
  loki.plain_answer = "start time can't be greater than or equal to end time";
  loki.status = 400;
  CHECK(with({"delete", "cancel", "--request-id", "x"}).code == 1);
  loki.plain_answer = "could not find delete request with given id\n";
  loki.status = 404;
  const Outcome unknown = with({"delete", "cancel", "--request-id", "1c3a5f7f"});
  CHECK(unknown.code == 1);
  CHECK(unknown.err ==
        "skidway: there is no request to delete with the id \"1c3a5f7f\"; `skidway delete list` shows those of this "
        "tenant (--org-id names another)\n");
  loki.plain_answer = "404 page not found\n";  // a server that deletes nothing
  CHECK(with({"delete", "cancel", "--request-id", "x"}).err.find(" has no /loki/api/v1/delete: ") != std::string::npos);
  CHECK(with({"delete", "create", "{app=\"x\"}"}).code == 2);
  CHECK(with({"delete"}).code == 2);
}

TEST_SUITE_END();
