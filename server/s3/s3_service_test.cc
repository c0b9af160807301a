// The door's checks against a real S3 server, named by the environment: SKIDWAY_TEST_S3_ENDPOINT, _BUCKET, _KEY,
// _SECRET, _CONDITIONAL_PUT (yes or no).

#include <cstdlib>
#include <doctest/doctest.h>

#include "pipeline/base/testing/forgetful_files.h"
#include "server/s3/s3_store.h"
#include "server/store/testing/store_checks.h"

using namespace server;
using pipeline::concat;
using pipeline::Errc;

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(concat("SKIDWAY_TEST_S3_", name).c_str());
  REQUIRE_MESSAGE(value, name);
  return value;
}

struct Service {
  pipeline::ForgetfulFiles files;
  pipeline::SystemClock clock;
  pipeline::Registry registry;
  S3Options options;

  Service() {
    options.endpoint = setting("ENDPOINT");
    options.bucket = setting("BUCKET");
    options.prefix = "some/prefix";
    options.region = "us-east-1";
    options.path_style = true;
    options.keys.access_key_id = setting("KEY");
    options.keys.secret_access_key = setting("SECRET");
    options.patience = std::chrono::seconds(20);
  }
  Result<std::unique_ptr<ObjectStore>> open() {
    return open_s3_store(options, {files, clock, registry, [](const char*) { return std::string(); }});
  }
  std::string refusal() {
    auto store = open();
    return store ? "" : store.error().message;
  }
  uint64_t count(std::string_view operation, std::string_view status) {
    return registry
        .counter("skidway_server_s3_requests_total", "Requests to the bucket, each try",
                 {{"operation", std::string(operation)}, {"status", std::string(status)}})
        .value();
  }
};

bool says(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("s3 service: does what every store does") {
  Service service;
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  check_object_store(**store, "c/l0");
}

TEST_CASE("s3 service: without a prefix too, and named as a host") {
  Service service;
  service.options.prefix = "";
  service.options.path_style = false;
  service.options.endpoint.replace(service.options.endpoint.find("127.0.0.1"), 9, "localhost");
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  check_object_store(**store, "c/l0");
}

TEST_CASE("s3 service: large objects travel in parts, and what was given up leaves none") {
  Service service;
  service.options.part_bytes = 5 << 20;
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  check_large_objects(**store, "c/l2", 23'000'001);
  CHECK(service.count("multipart", "2xx") >= 3);
}

TEST_CASE("s3 service: many threads at once") {
  Service service;
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  check_many_threads(**store, "c/l0", 6);
}

TEST_CASE("s3 service: more keys than a page of the listing holds come all") {
  Service service;
  service.options.list_page = 7;
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  std::vector<std::string> keys;
  for (int i = 10; i < 33; ++i) keys.push_back(concat("many/l0/", i, ".lseg"));
  for (const std::string& key : keys) REQUIRE((*store)->put(key, key));
  REQUIRE((*store)->put("many/l0/deeper/a.lseg", "not directly below"));
  const uint64_t lists = service.count("list", "2xx");
  CHECK((*store)->list("many/l0") == keys);
  CHECK(service.count("list", "2xx") >= lists + 4);
  REQUIRE((*store)->remove("many/l0/deeper/a.lseg"));
  for (const std::string& key : keys) REQUIRE((*store)->remove(key));
}

TEST_CASE("s3 service: the probe finds out whether a PUT can be conditional") {
  Service service;
  auto store = service.open();
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  const uint64_t heads = service.count("head", "4xx");
  REQUIRE((*store)->put("c/l0/a.lseg", "abc"));
  const bool asked_first = service.count("head", "4xx") > heads;
  CHECK(asked_first == (setting("CONDITIONAL_PUT") == "no"));
  REQUIRE((*store)->remove("c/l0/a.lseg"));
}

TEST_CASE("s3 service: wrong keys and a missing bucket are named with their remedy") {
  Service service;
  service.options.keys.secret_access_key += "x";
  CHECK(says(service.refusal(), "check the secret key and store.region"));
  service.options.keys = {"nobody:nothing", "x"};
  CHECK(says(service.refusal(), "403"));
  service.options = Service().options;
  service.options.bucket = "there-is-no-such-bucket";
  CHECK(says(service.refusal(), "NoSuchBucket"));
  CHECK(says(service.refusal(), "make the bucket"));
}

TEST_SUITE_END();
