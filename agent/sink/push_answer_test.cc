#include "agent/sink/push_answer.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

using pipeline::Errc;
using pipeline::HttpClientResponse;
using namespace std::chrono_literals;
using Kind = PushAnswer::Kind;
using Refusals = std::vector<Refusal>;

PushAnswer judge(int status, std::string body) {
  return judge_answer(HttpClientResponse{status, {}, std::move(body)}, 0);
}

TEST_SUITE("agent/sink") {
  TEST_CASE("push answer: 2xx acks; 401, 408, 429, 5xx and silence may work later; the rest never will") {
    for (int status : {200, 204, 299}) CHECK(judge(status, "why").kind == Kind::kAcked);
    for (int status : {401, 407, 408, 429, 500, 502, 503, 504}) CHECK(judge(status, "why").kind == Kind::kRetry);
    for (int status : {301, 400, 403, 404, 422}) CHECK(judge(status, "why").kind == Kind::kRejected);
    PushAnswer none = judge_answer(pipeline::fail(Errc::kUnavailable, "connection refused"), 0);
    CHECK(none.kind == Kind::kRetry);
    CHECK(none.text == "connection refused");
    CHECK(judge(400, "why\nmore").text == "server returned HTTP status 400 Bad Request: why");
    CHECK(judge(400, std::string(5000, 'x')).text.size() < 1100);
  }

  TEST_CASE("push answer: what is too large is told by 413, or by the texts of Loki, gRPC and gateways") {
    CHECK(judge(413, "").kind == Kind::kTooLarge);
    CHECK(judge(400, "request body too large: message size too large than max (5 vs 4)\n").kind == Kind::kTooLarge);
    CHECK(
        judge(500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs 4)").kind ==
        Kind::kTooLarge);
    CHECK(judge(400, "max entry size '3' bytes exceeded for stream '{a=\"b\"}' while adding an entry").kind ==
          Kind::kRejected);
    CHECK(judge(503, "request body too large").kind == Kind::kRetry);
    auto limited = [](int bytes) {
      return judge(429, pipeline::concat("ingestion rate limit exceeded for user x (limit: 4000000 bytes/sec) while "
                                         "attempting to ingest '9' lines totaling '",
                                         bytes, "' bytes, reduce log volume"));
    };
    CHECK(limited(9'000'000).kind == Kind::kTooLarge);  // that many will never pass at once
    CHECK(limited(3'000'000).kind == Kind::kRetry);
  }

  TEST_CASE("push answer: Retry-After is seconds or a date, at most ten minutes") {
    constexpr int64_t kNow = 1'792'567'680'000'000'000;  // 2026-10-21T07:28:00Z
    auto after = [&](std::string value) {
      return judge_answer(HttpClientResponse{429, {{"Retry-After", std::move(value)}}, ""}, kNow).retry_after;
    };
    CHECK(after("7") == 7s);
    CHECK(after("99999999") == 10min);
    CHECK(after("Wed, 21 Oct 2026 07:28:30 GMT") == 30s);
    CHECK(after("Wed, 21 Oct 2026 07:27:00 GMT") == 0s);
    CHECK(after("Thu, 22 Oct 2026 07:28:00 GMT") == 10min);
    for (auto wrong : {"-1", "", "soon", "Wed, 21 Oct 2026 07:28:00 CET", "Wed, 31 Feb 2026 07:28:00 GMT",
                       "Wed, 21 Okt 2026 07:28:00 GMT", "Wed, 2x Oct 2026 07:28:00 GMT"})
      CHECK(!after(wrong));
  }

  TEST_CASE("push answer: entries that Loki refused are counted by reason from its text") {
    CHECK(parse_refusals("entry for stream '{a=\"b\"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable "
                         "timestamp is: 2026-01-01T00:00:00Z\n") ==
          Refusals{{"greater_than_max_sample_age", 1, "{a=\"b\"}"}});
    CHECK(parse_refusals(
              "3 errors like: entry for stream '{a=\"}\\\"; 9 errors\"}' has timestamp too new: 2030-01-01; "
              "2 errors like: max entry size '10' bytes exceeded for stream '{c=\"d\"}' while adding an "
              "entry with length '20' bytes; 1 errors like: stream '{e=\"f\"}' has label name too long: 'x'") ==
          Refusals{{"too_far_in_future", 3, "{a=\"}\\\"; 9 errors\"}"},
                   {"line_too_long", 2, "{c=\"d\"}"},
                   {"label_name_too_long", 0, "{e=\"f\"}"}});
    CHECK(parse_refusals("entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, "
                         "entry timestamp is: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: "
                         "2026-01-01T01:00:00Z',\nuser 'x', total ignored: 4 out of 9 for stream: {a=\"b\"}") ==
          Refusals{{"too_far_behind", 4, "{a=\"b\"}"}});
  }

  TEST_CASE("push answer: a tenant that is blocked is refused, although the status says otherwise") {
    PushAnswer answer = judge(260, "ingestion blocked for user 'x' until '2026-12-01' with status code '260'");
    CHECK(answer.kind == Kind::kRejected);
    CHECK(answer.refusals == Refusals{{"blocked_ingestion", 0, ""}});
  }

  TEST_CASE("push answer: a text that is not understood in full says nothing about single entries") {
    CHECK(parse_refusals("nonsense").empty());
    CHECK(parse_refusals("").empty());
    CHECK(parse_refusals("2 errors like: max entry size '1' bytes; 1 errors like: something new").empty());
    CHECK(judge(400, "couldn't parse labels: 1:2: parse error").refusals.empty());
    CHECK(judge(422, "max entry size '10' bytes exceeded for stream '{c=\"d\"}'").refusals.empty());
  }

  TEST_CASE("push answer: users and passwords in URLs are hidden, wherever the text came from") {
    CHECK(hide_secrets("url = \"http://u:p@ss@h/x?y=@\"\nb = 'https://h/'\n") ==
          "url = \"http://***@h/x?y=@\"\nb = 'https://h/'\n");
    CHECK(judge_answer(pipeline::fail(Errc::kUnavailable, "POST http://u:p@h/: refused"), 0).text ==
          "POST http://***@h/: refused");
  }
}

}  // namespace
}  // namespace agent
