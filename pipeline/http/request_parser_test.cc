#include "pipeline/http/request_parser.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/concat.h"

using namespace pipeline;
using State = RequestParser::State;

namespace {

constexpr RequestLimits kLimits{.max_header_bytes = 4096, .max_body_bytes = 1 << 20};

HttpRequest parse_one(std::string_view bytes) {
  RequestParser parser(kLimits, std::make_shared<BodyBudget>(1 << 30));
  parser.feed(bytes);
  REQUIRE(parser.state() == State::kComplete);
  return parser.take();
}

HttpResponse refused(std::string_view bytes, RequestLimits limits = kLimits) {
  RequestParser parser(limits, std::make_shared<BodyBudget>(1 << 30));
  parser.feed(bytes);
  REQUIRE(parser.state() == State::kRefused);
  return parser.refusal();
}

std::string show(const HttpRequest& r) {
  std::string out = concat(r.method, " ", r.target, " [", r.path, "] [", r.query, "]\n");
  for (const auto& [name, value] : r.headers) out += concat(name, "=", value, "\n");
  return out + r.body;
}

// Every request in `bytes`, fed in pieces that end at `cuts`.
std::vector<std::string> requests_of(std::string_view bytes, const std::vector<size_t>& cuts) {
  std::vector<std::string> out;
  RequestParser parser(kLimits, std::make_shared<BodyBudget>(1 << 30));
  size_t at = 0;
  for (size_t cut : cuts) {
    while (at < cut) {
      at += parser.feed(bytes.substr(at, cut - at));
      if (parser.state() == State::kRefused) {
        out.push_back(concat("refused ", parser.refusal().status));
        return out;
      }
      if (parser.state() == State::kComplete) out.push_back(show(parser.take()));
    }
  }
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("request parser: takes a request apart") {
  const HttpRequest r =
      parse_one("POST /a%20b/c?x=1&y=%20 HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nContent-Length: 4\r\n\r\nbody");
  CHECK(r.method == "POST");
  CHECK(r.target == "/a%20b/c?x=1&y=%20");
  CHECK(r.path == "/a b/c");
  CHECK(r.query == "x=1&y=%20");
  CHECK(r.headers.get("host") == "h");
  CHECK(r.headers.has("x-empty"));
  CHECK(r.body == "body");
}

TEST_CASE("request parser: joins chunks, drops trailers and extensions") {
  const HttpRequest r = parse_one(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
  CHECK(r.body == "abcde");
  CHECK_FALSE(r.headers.has("Trailer"));
}

TEST_CASE("request parser: an absolute URL means its path") {
  CHECK(parse_one("GET http://h:1/p?q HTTP/1.1\r\n\r\n").path == "/p");
  CHECK(parse_one("GET http://h:1/p?q HTTP/1.1\r\n\r\n").query == "q");
  CHECK(parse_one("GET http://h HTTP/1.1\r\n\r\n").path == "/");
}

TEST_CASE("request parser: an offer of another protocol is not taken up") {
  const HttpRequest r = parse_one("GET /x HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  CHECK(r.path == "/x");
}

TEST_CASE("request parser: knows when the connection may be kept") {
  auto keeps = [](std::string_view bytes) {
    RequestParser parser(kLimits, std::make_shared<BodyBudget>(1 << 30));
    parser.feed(bytes);
    REQUIRE(parser.state() == State::kComplete);
    return parser.keep_alive();
  };
  CHECK(keeps("GET / HTTP/1.1\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
}

TEST_CASE("request parser: the same bytes give the same requests however they are cut") {
  const std::string bytes = concat(
      "POST /loki/api/v1/push?a=b%20c HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Type: "
      "application/json\r\n\r\n0123456789",
      "GET /ready HTTP/1.1\r\nHost: x\r\nEmpty:\r\n\r\n",
      "POST /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n1f\r\n", std::string(31, 'z'),
      "\r\n0\r\nT: v\r\n\r\n", "DELETE /x HTTP/1.1\r\n\r\n");
  const auto whole = requests_of(bytes, {bytes.size()});
  REQUIRE(whole.size() == 4);
  CHECK(whole[2].ends_with(concat("hello", std::string(31, 'z'))));

  std::vector<size_t> every_byte;
  for (size_t i = 1; i <= bytes.size(); ++i) every_byte.push_back(i);
  CHECK(requests_of(bytes, every_byte) == whole);

  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<size_t> cuts;
    for (size_t at = 0; at < bytes.size();) cuts.push_back(at = std::min(bytes.size(), at + 1 + random() % 40));
    REQUIRE(requests_of(bytes, cuts) == whole);
  }
}

TEST_CASE("request parser: survives damaged bytes, whatever they are") {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::string good = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)requests_of(bytes, {bytes.size() / 2, bytes.size()});
  }
}

TEST_CASE("request parser: refuses what is too large") {
  const RequestLimits small{.max_header_bytes = 100, .max_body_bytes = 10};
  CHECK(refused(concat("GET /", std::string(200, 'a'), " HTTP/1.1\r\n\r\n"), small).status == 431);
  CHECK(refused(concat("GET / HTTP/1.1\r\nA: ", std::string(200, 'a'), "\r\n\r\n"), small).status == 431);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 30; ++i) many += "A: b\r\n";
  CHECK(refused(many, small).status == 431);
  CHECK(refused(concat("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", std::string(200, 'e'), "\r\na\r\n"),
                small)
            .status == 431);

  const HttpResponse by_length = refused("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", small);
  CHECK(by_length.status == 413);
  CHECK(by_length.body == "request body too large: message size too large than max (11 vs 10)\n");
  CHECK(refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n", small).status ==
        413);
}

TEST_CASE("request parser: takes bodies from the budget before they come, and gives back what it did not hand on") {
  auto budget = std::make_shared<BodyBudget>(10);
  {
    RequestParser first(kLimits, budget), second(kLimits, budget);
    first.feed("POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n");
    CHECK(budget->used_bytes() == 8);
    second.feed("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
    REQUIRE(second.state() == State::kRefused);
    const HttpResponse busy = second.refusal();
    CHECK(busy.status == 503);
    CHECK(busy.headers.get("Retry-After") == "1");
    first.feed("12345678");
    CHECK(first.take().body == "12345678");
    CHECK(budget->used_bytes() == 8);  // now the caller's
    budget->give_back(8);
    first.feed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
    CHECK(budget->used_bytes() == 6);
    first.feed("5\r\nabcde\r\n");
    REQUIRE(first.state() == State::kRefused);
    CHECK(first.refusal().status == 503);
  }
  CHECK(budget->used_bytes() == 0);
}

TEST_CASE("request parser: refuses what is not HTTP") {
  CHECK(refused("garbage\r\n\r\n").status == 400);
  CHECK(refused(std::string_view("\x16\x03\x01\x02\x00", 5)).status == 400);  // TLS on a plain port
  CHECK(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status == 400);
  CHECK(refused("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n").status == 400);
  CHECK(refused("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n").status == 400);
  CHECK(refused("GET /%zz HTTP/1.1\r\n\r\n").status == 400);
  CHECK(refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n").status == 400);
  CHECK(refused("BREW /pot HTTP/1.1\r\n\r\n").status == 405);
}

TEST_CASE("request parser: says when the client waits for 100 Continue, once") {
  RequestParser parser(kLimits, std::make_shared<BodyBudget>(1 << 30));
  parser.feed("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(parser.state() == State::kBody);
  CHECK(parser.take_expectation());
  CHECK_FALSE(parser.take_expectation());
  parser.feed("ab");
  CHECK(parser.take().body == "ab");
  CHECK(parser.state() == State::kIdle);
}

TEST_SUITE_END();
