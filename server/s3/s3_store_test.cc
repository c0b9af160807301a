#include "server/s3/s3_store.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/base/time_format.h"
#include "server/s3/testing/s3_double.h"
#include "server/store/testing/store_checks.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::Errc;
using pipeline::HttpRequest;
using Act = S3Double::Act;

namespace {

struct Fixture {
  pipeline::ForgetfulFiles files;
  pipeline::SystemClock system_clock;
  const pipeline::Clock* clock = &system_clock;
  pipeline::Registry registry;
  std::map<std::string, std::string> variables;
  S3Double s3;
  S3Options options;
  std::unique_ptr<ObjectStore> store;

  Fixture() {
    options.endpoint = s3.endpoint();
    options.bucket = "bkt";
    options.prefix = "p";
    options.region = "us-east-1";
    options.path_style = true;
    options.keys.access_key_id = "A";
    options.keys.secret_access_key = "S";
    options.hedge = false;
  }
  Result<std::unique_ptr<ObjectStore>> try_open() {
    return open_s3_store(options, {files, *clock, registry, [this](const char* name) {
                                     auto at = variables.find(name);
                                     return at == variables.end() ? std::string() : at->second;
                                   }});
  }
  ObjectStore& open() {
    auto opened = try_open();
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
    store = *std::move(opened);
    return *store;
  }
  uint64_t counter(std::string name, pipeline::MetricLabels labels = {}) {
    const std::string page = registry.render();
    const std::string text = pipeline::metric_labels_text(std::move(labels));
    const std::string series = concat("skidway_server_s3_", name, text.empty() ? "" : concat("{", text, "}"), " ");
    const size_t at = page.find(concat("\n", series));
    return at == page.npos ? 0 : std::stoull(page.substr(at + 1 + series.size()));
  }
  uint64_t retries(std::string reason) { return counter("retries_total", {{"reason", std::move(reason)}}); }
};

// A port where the first connection is closed at once, and nobody ever answers another one.
class ClosesOnce {
 public:
  ClosesOnce() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    REQUIRE(::listen(fd_, 16) == 0);
    thread_ = std::thread([fd = fd_] { ::close(::accept(fd, nullptr, nullptr)); });
  }
  ~ClosesOnce() {
    thread_.join();
    ::close(fd_);
  }
  std::string endpoint() const { return concat("http://127.0.0.1:", port_); }

 private:
  int fd_;
  uint16_t port_ = 0;
  std::thread thread_;
};

bool says(const pipeline::Error& error, std::string_view what) { return error.message.find(what) != std::string::npos; }

S3Double::Fault answer(int status, std::string code) { return {Act::kAnswer, status, std::move(code)}; }

}  // namespace

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("s3 store: does what every store does, with and without conditional PUT") {
  Fixture f;
  SUBCASE("conditional") {}
  SUBCASE("not conditional") { f.s3.conditional = false; }
  f.options.part_bytes = 5 << 20;
  f.options.list_page = 3;
  auto& store = f.open();
  check_object_store(store, "c/l0");
  check_large_objects(store, "c/l2", 17 << 20);
  check_many_threads(store, "c/l0", 8);
  CHECK(f.s3.unfinished_uploads() == 0);
  CHECK(f.s3.objects().empty());
}

TEST_CASE("s3 store: an answer of the kind 'not now' is asked for again") {
  Fixture f;
  auto& store = f.open();
  f.s3.fail_next("PUT", {answer(500, "InternalError"), answer(502, "x"), answer(503, "SlowDown")});
  REQUIRE(store.put("c/l0/a", "abc"));
  f.s3.fail_next("GET", {answer(504, ""), answer(429, "TooManyRequests")});
  std::string out;
  REQUIRE(store.get_range("c/l0/a", 0, 3, out));
  CHECK(out == "abc");
  f.s3.fail_next("DELETE", {answer(400, "RequestTimeout")});
  REQUIRE(store.remove("c/l0/a"));
  CHECK(f.s3.objects().empty());
  CHECK(f.retries("server_error") == 4);
  CHECK(f.retries("slow_down") == 2);
}

TEST_CASE("s3 store: when the store stays away the error says how often it was tried, within the patience") {
  Fixture f;
  f.options.patience = 2s;
  auto& store = f.open();
  f.s3.set_fault([](const HttpRequest&) { return answer(500, "InternalError"); });
  const auto begin = std::chrono::steady_clock::now();
  auto put = store.put("c/l0/a", "abc");
  CHECK(std::chrono::steady_clock::now() - begin < 10s);  // an answer takes a while on a busy machine
  REQUIRE_FALSE(put.has_value());
  CHECK(put.error().code == Errc::kUnavailable);
  CHECK(says(put.error(), "write object p/c/l0/a: bucket bkt at http://127.0.0.1:"));
  CHECK(says(put.error(), "answered 500 InternalError: as told (gave up after "));
}

TEST_CASE("s3 store: where the last try got no answer the error says what the store said before") {
  Fixture f;
  f.options.patience = 3s;
  f.options.answer_timeout = 60s;  // so the last try ends with the patience
  auto& store = f.open();
  f.s3.fail_next("PUT", {answer(500, "InternalError"), {Act::kHold, 0, ""}});
  auto put = store.put("c/l0/a", "abc");
  REQUIRE_FALSE(put.has_value());
  CHECK(says(put.error(), "answered 500 InternalError: as told (gave up after 2 tries"));
}

TEST_CASE("s3 store: where the patience ends the last try the error says why the one before it failed") {
  const ClosesOnce service;
  Fixture f;
  f.options.endpoint = service.endpoint();
  f.options.patience = 2s;
  f.options.answer_timeout = 60s;  // so the last try ends with the patience
  auto opened = f.try_open();
  REQUIRE_FALSE(opened.has_value());
  CAPTURE(opened.error().message);
  CHECK(says(opened.error(), "gave up after 2 tries"));
  CHECK_FALSE(says(opened.error(), "timed out"));
}

TEST_CASE("s3 store: fewer requests run at once while the store says SlowDown") {
  Fixture f;
  auto& store = f.open();
  const uint64_t before = f.counter("concurrency_limit");
  f.s3.fail_next("PUT", {answer(503, "SlowDown")});
  REQUIRE(store.put("c/l0/a", "abc"));
  CHECK(f.counter("concurrency_limit") == before / 2);
}

TEST_CASE("s3 store: a read that hangs is asked for a second time and answered") {
  Fixture f;
  f.options.hedge = true;
  f.options.hedge_get_after = 20ms;
  auto& store = f.open();
  REQUIRE(store.put("c/l0/a", "abc"));
  f.s3.fail_next("GET", {{Act::kHold, 0, ""}});
  std::string out;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(store.get_range("c/l0/a", 0, 3, out));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(out == "abc");
  CHECK(f.counter("hedges_won_total") == 1);
}

TEST_CASE("s3 store: where the second request hangs as well a third is sent") {
  Fixture f;
  f.options.hedge = true;
  f.options.hedge_get_after = 20ms;
  auto& store = f.open();
  REQUIRE(store.put("c/l0/a", "abc"));
  f.s3.fail_next("GET", {{Act::kHold, 0, ""}, {Act::kHold, 0, ""}});
  std::string out;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(store.get_range("c/l0/a", 0, 3, out));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(out == "abc");
  CHECK(f.counter("hedges_total") == 2);
}

TEST_CASE("s3 store: a try without an answer ends by its time-out and is made again") {
  Fixture f;
  f.options.answer_timeout = 2s;  // no answer of a busy machine takes as long
  auto& store = f.open();
  f.s3.fail_next("PUT", {{Act::kHold, 0, ""}});
  REQUIRE(store.put("c/l0/a", "abc"));
  CHECK(f.retries("no_answer") == 1);
}

TEST_CASE("s3 store: a write whose answer got lost is known as ours, another's is not") {
  Fixture f;
  auto& store = f.open();
  f.s3.fail_next("PUT", {{Act::kLoseAnswer, 500, "InternalError"}});
  REQUIRE(store.put("c/l0/a", "abc"));
  CHECK(f.counter("own_writes_found_total") == 1);
  CHECK(f.s3.objects() == std::map<std::string, std::string>{{"p/c/l0/a", "abc"}});
  f.s3.put_object("p/c/l0/b", "another's");
  auto refused = store.put("c/l0/b", "ours");
  CHECK(refused.error().code == Errc::kInvalid);
  CHECK(f.s3.objects()["p/c/l0/b"] == "another's");
}

TEST_CASE("s3 store: a large object whose completion had no answer is known as ours") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  auto& store = f.open();
  f.s3.fail_next("POST", {{}, {Act::kLoseAnswer, 500, "InternalError"}});
  REQUIRE(store.put("c/l2/a", std::string(6 << 20, 'x')));
  CHECK(f.counter("own_writes_found_total") == 1);
  CHECK(f.s3.objects()["p/c/l2/a"].size() == 6 << 20);
}

TEST_CASE("s3 store: an error behind a completion's 200 is an error") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  auto& store = f.open();
  f.s3.fail_next("POST", {{}, answer(200, "InternalError")});
  auto put = store.put("c/l2/a", std::string(6 << 20, 'x'));
  REQUIRE_FALSE(put.has_value());
  CHECK(says(put.error(), "InternalError"));
}

TEST_CASE("s3 store: a large object that cannot be written leaves no parts behind") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  auto& store = f.open();
  f.s3.set_fault([](const HttpRequest& request) {
    return request.query.starts_with("partNumber=2") ? answer(403, "AccessDenied") : S3Double::Fault{};
  });
  auto put = store.put("c/l2/a", std::string(16 << 20, 'x'));
  REQUIRE_FALSE(put.has_value());
  CHECK(says(put.error(), "AccessDenied"));
  CHECK(says(put.error(), "s3:PutObject"));
  for (int i = 0; i < 500 && f.s3.unfinished_uploads() > 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK(f.s3.unfinished_uploads() == 0);
}

TEST_CASE("s3 store: of unfinished uploads only those are removed that nobody can be busy with any more") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  auto& store = f.open();
  auto upload = *store.create("c/l0/busy");
  REQUIRE(upload->append(std::string(6 << 20, 'x')));
  REQUIRE(f.s3.unfinished_uploads() == 1);
  f.s3.set_uploads_begun(pipeline::format_rfc3339(f.clock->wall() - std::chrono::nanoseconds(23h).count()));
  CHECK(store.remove_unfinished("c/l0") == 0);
  f.s3.set_uploads_begun("yesterday");
  CHECK(store.remove_unfinished("c/l0") == 0);
  REQUIRE(f.s3.unfinished_uploads() == 1);
  f.s3.set_uploads_begun(pipeline::format_rfc3339(f.clock->wall() - std::chrono::nanoseconds(25h).count()));
  CHECK(store.remove_unfinished("c") == 0);  // not directly in it
  CHECK(store.remove_unfinished("c/l0") == 1);
  CHECK(f.s3.unfinished_uploads() == 0);
  CHECK_FALSE(upload->commit());
}

TEST_CASE("s3 store: of an object that nobody writes any more neither it nor parts of it stay, however young") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  auto& store = f.open();
  auto upload = *store.create("c/l0/cut"), other = *store.create("c/l0/cut2");
  REQUIRE(upload->append(std::string(6 << 20, 'x')));
  REQUIRE(other->append(std::string(6 << 20, 'x')));
  REQUIRE(f.s3.unfinished_uploads() == 2);
  REQUIRE(store.abandon("c/l0/cut"));
  CHECK(f.s3.unfinished_uploads() == 1);
  CHECK_FALSE(upload->commit());
  REQUIRE(other->commit());
  REQUIRE(store.abandon("c/l0/cut2"));
  CHECK(f.s3.objects().empty());
}

TEST_CASE("s3 store: a missing bucket is not a missing object") {
  Fixture f;
  auto& store = f.open();
  REQUIRE(store.put("c/l0/a", "abc"));
  f.s3.set_fault([](const HttpRequest&) { return answer(404, "NoSuchBucket"); });
  std::string out;
  CHECK(store.get_range("c/l0/a", 0, 3, out).error().code == Errc::kUnavailable);
  CHECK(store.size("c/l0/a").error().code == Errc::kUnavailable);
  CHECK(store.remove("c/l0/a").error().code == Errc::kUnavailable);
  CHECK(store.put("c/l0/b", "abc").error().code == Errc::kUnavailable);
  CHECK(store.list("c/l0").error().code == Errc::kUnavailable);
  CHECK(says(store.list("c/l0").error(), "make the bucket"));
}

TEST_CASE("s3 store: keys that the store does not take any more are fetched anew") {
  Fixture f;
  f.options.keys = {};
  f.variables = {{"AWS_ACCESS_KEY_ID", "OLD"}, {"AWS_SECRET_ACCESS_KEY", "S"}};
  auto& store = f.open();
  f.s3.set_fault([&f](const HttpRequest& request) {
    if (request.headers.get("Authorization").find("=OLD/") == std::string::npos) return S3Double::Fault{};
    f.variables["AWS_ACCESS_KEY_ID"] = "NEW";
    f.variables["AWS_SECRET_ACCESS_KEY"] = "T";
    return answer(403, "ExpiredToken");
  });
  REQUIRE(store.put("c/l0/a", "abc"));
  CHECK(f.retries("keys") == 1);
  f.s3.set_fault([](const HttpRequest&) { return answer(403, "InvalidAccessKeyId"); });
  auto refused = store.put("c/l0/b", "abc");
  CHECK(refused.error().code == Errc::kUnavailable);
  CHECK(says(refused.error(), "check the access key"));
}

TEST_CASE("s3 store: a machine whose clock is wrong signs with the store's time") {
  Fixture f;
  pipeline::FakeClock wrong;  // of 2023
  f.clock = &wrong;
  f.s3.set_fault([](const HttpRequest& request) {
    return request.headers.get("x-amz-date").starts_with("2023") ? answer(403, "RequestTimeTooSkewed")
                                                                 : S3Double::Fault{};
  });
  auto& store = f.open();
  REQUIRE(store.put("c/l0/a", "abc"));
  CHECK(f.retries("clock") == 1);
}

TEST_CASE("s3 store: encryption and class are asked for with each object, whole or in parts") {
  Fixture f;
  f.options.part_bytes = 5 << 20;
  f.options.sse = "aws:kms";
  f.options.sse_kms_key = "key-1";
  f.options.storage_class = "STANDARD_IA";
  auto& store = f.open();
  REQUIRE(store.put("c/l0/a", "abc"));
  REQUIRE(store.put("c/l2/b", std::string(6 << 20, 'x')));
  int seen = 0;
  for (const HttpRequest& request : f.s3.requests()) {
    if (request.path.find("/c/l") == std::string::npos || request.query.starts_with("partNumber")) continue;
    if (request.method != "PUT" && request.query != "uploads=") continue;
    ++seen;
    CHECK(request.headers.get("x-amz-server-side-encryption") == "aws:kms");
    CHECK(request.headers.get("x-amz-server-side-encryption-aws-kms-key-id") == "key-1");
    CHECK(request.headers.get("x-amz-storage-class") == "STANDARD_IA");
    CHECK(request.headers.get("Authorization").find("x-amz-storage-class") != std::string::npos);
  }
  CHECK(seen == 2);
}

TEST_CASE("s3 store: an endpoint that is no S3, or of another region, is named with the remedy") {
  Fixture f;
  pipeline::TestServer page([](HttpRequest, pipeline::HttpResponder responder) {
    responder.send(pipeline::HttpResponse::text(200, "<html><body>Welcome<br></body></html>"));
  });
  f.options.endpoint = page.url("");
  CHECK(says(f.try_open().error(), "answered what is not S3"));
  CHECK(says(f.try_open().error(), "check store.endpoint"));
  pipeline::TestServer redirect([](HttpRequest, pipeline::HttpResponder responder) {
    responder.send({301, {{"x-amz-bucket-region", "eu-west-3"}}, "<Error><Code>PermanentRedirect</Code></Error>"});
  });
  f.options.endpoint = redirect.url("");
  CHECK(says(f.try_open().error(), "301 PermanentRedirect; set store.region = \"eu-west-3\""));
}

TEST_CASE("s3 store: a program that stops waits no longer than it said") {
  Fixture f;
  auto& store = f.open();
  f.s3.set_fault([](const HttpRequest&) { return S3Double::Fault{Act::kHold, 0, ""}; });
  store.give_up_after(50ms);
  auto put = store.put("c/l0/a", "abc");
  CHECK(put.error().code == Errc::kCancelled);
  CHECK(store.put("c/l0/b", "abc").error().code == Errc::kCancelled);
}

TEST_SUITE_END();
