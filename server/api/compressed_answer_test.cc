#include "server/api/compressed_answer.h"

#include <doctest/doctest.h>

#include "pipeline/codec/deflate.h"

using namespace server;
using pipeline::HttpHeaders;
using pipeline::HttpResponse;

TEST_SUITE("api") {
  TEST_CASE("api: a long answer is gzip for a client that takes it, and the same text when it is unpacked") {
    const std::string body(100'000, 'x');
    HttpResponse answer = compressed_answer({{"Accept-Encoding", "deflate, GZIP;q=0.5"}}, HttpResponse::json(body));
    CHECK(answer.headers.get("Content-Encoding") == "gzip");
    CHECK(answer.headers.get("Vary") == "Accept-Encoding");
    CHECK(answer.body.size() < 1000);
    pipeline::ByteBuffer text;
    REQUIRE(pipeline::gunzip(answer.body, 1 << 20, text).has_value());
    CHECK(text.view() == body);
  }

  TEST_CASE("api: a short answer, and one for a client without gzip, is sent as it is") {
    HttpResponse brief = compressed_answer({{"Accept-Encoding", "gzip"}}, HttpResponse::json("{}"));
    CHECK_FALSE(brief.headers.has("Content-Encoding"));
    CHECK(brief.body == "{}");
    HttpResponse plain = compressed_answer({}, HttpResponse::json(std::string(5000, 'x')));
    CHECK_FALSE(plain.headers.has("Content-Encoding"));
    CHECK(plain.headers.get("Vary") == "Accept-Encoding");
    CHECK(plain.body.size() == 5000);
  }

  TEST_CASE("api: what Accept-Encoding may say") {
    CHECK(accepts_gzip({{"Accept-Encoding", "gzip"}}));
    CHECK(accepts_gzip({{"Accept-Encoding", "br;q=1.0, gzip;q=0.8, *;q=0.1"}}));
    CHECK(accepts_gzip({{"Accept-Encoding", "*"}}));
    CHECK(accepts_gzip({{"Accept-Encoding", "br"}, {"Accept-Encoding", "gzip"}}));
    CHECK_FALSE(accepts_gzip({{"Accept-Encoding", "gzip;q=0"}}));
    CHECK_FALSE(accepts_gzip({{"Accept-Encoding", "*;q=1, gzip; q=0.0"}}));
    CHECK_FALSE(accepts_gzip({{"Accept-Encoding", "identity"}}));
    CHECK_FALSE(accepts_gzip({{"Accept-Encoding", ",;,"}}));
    CHECK_FALSE(accepts_gzip({}));
  }
}
