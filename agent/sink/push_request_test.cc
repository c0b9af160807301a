#include "agent/sink/push_request.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

#include "agent/sink/backoff.h"

namespace agent {
namespace {

using namespace std::chrono_literals;

struct SecretFile {
  std::string path;
  explicit SecretFile(std::string_view text) {
    char name[] = "/tmp/secret.XXXXXX";
    int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    std::ofstream(path) << text;
  }
  ~SecretFile() { ::unlink(path.c_str()); }
};

ClosedBatch some_batch() {
  ClosedBatch batch;
  batch.number = {3, 41};
  batch.body = std::make_shared<const std::string>("body");
  return batch;
}

TEST_SUITE("agent/sink") {
  TEST_CASE("push request: says what it is, who sends it and which batch it is") {
    SinkOptions options;
    options.url = "http://x/loki/api/v1/push";
    options.user_agent = "skidway-agent/1.2.3";
    ClosedBatch batch = some_batch();
    auto request = make_push_request(options, options.url, "uuid", batch);
    REQUIRE(request);
    CHECK(request->method == "POST");
    CHECK(request->url == options.url);
    CHECK(request->headers.get("Content-Type") == "application/x-protobuf");
    CHECK(request->headers.get("User-Agent") == "skidway-agent/1.2.3");
    CHECK(request->headers.get("X-Skidway-Batch") == "uuid/3/41");
    CHECK(!request->headers.has("X-Scope-OrgID"));
    CHECK(!request->headers.has("Authorization"));
    CHECK(!request->headers.has("Content-Encoding"));
    CHECK(request->body == batch.body);
    batch.tenant = "team-a", batch.encoding = Compression::kGzip;
    request = make_push_request(options, options.url, "uuid", batch);
    CHECK(request->headers.get("X-Scope-OrgID") == "team-a");
    CHECK(request->headers.get("Content-Encoding") == "gzip");
  }

  TEST_CASE("push request: reads its secrets anew for each request") {
    SinkOptions options;
    options.url = "http://x/";
    SecretFile file("pässword\n");
    SUBCASE("basic") {
      options.auth = {.username = "u", .password_file = file.path, .bearer_token_file = ""};
      CHECK(make_push_request(options, options.url, "", some_batch())->headers.get("Authorization") ==
            "Basic dTpww6Rzc3dvcmQ=");
      std::ofstream(file.path) << "xy";
      CHECK(make_push_request(options, options.url, "", some_batch())->headers.get("Authorization") ==
            "Basic dTp4eQ==");
    }
    SUBCASE("bearer") {
      options.auth.bearer_token_file = file.path;
      CHECK(make_push_request(options, options.url, "", some_batch())->headers.get("Authorization") ==
            "Bearer pässword");
    }
    SUBCASE("a file that is not there") {
      options.auth.bearer_token_file = "/nonexistent/token";
      auto request = make_push_request(options, options.url, "", some_batch());
      REQUIRE(!request);
      CHECK(request.error().message == "read /nonexistent/token: no such file or directory");
    }
  }

  TEST_CASE("push request: the host of a URL never holds its password") {
    CHECK(host_of("https://user:pw@logs.example.com:3100/loki/api/v1/push") == "logs.example.com:3100");
    CHECK(host_of("http://h") == "h");
    CHECK(host_of("nonsense") == "");
  }

  TEST_CASE("backoff: doubles, stays between its bounds, and never passes the highest") {
    Backoff low(500ms, 30s), high(500ms, 30s);
    std::chrono::nanoseconds expected = 500ms;
    for (int i = 0; i < 20; i++) {
      CHECK(low.next(0) == expected);
      std::chrono::nanoseconds upper = std::min<std::chrono::nanoseconds>(2 * expected, 30s);
      auto waited = high.next(UINT64_MAX);
      CHECK(waited >= expected);
      CHECK(waited <= upper);
      expected = upper;
    }
    CHECK(Backoff(1s, 100ms).next(5) == 100ms);
  }
}

}  // namespace
}  // namespace agent
