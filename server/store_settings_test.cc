#include "server/store_settings.h"

#include <cstdlib>
#include <doctest/doctest.h>

#include "server/settings.h"

using namespace server;
using namespace std::chrono_literals;

namespace {

std::string errors_of(std::string_view text) {
  auto settings = parse_settings(text, "server.toml");
  return settings ? "" : settings.error().message;
}
bool says(std::string_view text, std::string_view what) { return errors_of(text).find(what) != std::string::npos; }

S3Options s3_of(std::string_view text) {
  auto settings = parse_settings(text, "server.toml");
  REQUIRE_MESSAGE(settings, (settings ? "" : settings.error().message));
  REQUIRE(settings->store.s3);
  return *settings->store.s3;
}

}  // namespace

TEST_SUITE_BEGIN("server");

TEST_CASE("store settings: a bucket needs no more than its URL") {
  ::unsetenv("AWS_REGION");
  ::unsetenv("AWS_DEFAULT_REGION");
  auto s3 = s3_of("[store]\nurl = \"s3://logs-of-us/a/b/\"");
  CHECK(s3.bucket == "logs-of-us");
  CHECK(s3.prefix == "a/b");
  CHECK(s3.region == "us-east-1");
  CHECK_FALSE(s3.path_style);
  CHECK(s3.endpoint.empty());
  ::setenv("AWS_REGION", "eu-central-1", 1);
  CHECK(s3_of("[store]\nurl = \"s3://logs\"").region == "eu-central-1");
  CHECK(s3_of("[store]\nurl = \"s3://logs\"").prefix.empty());
  CHECK(s3_of("[store]\nurl = \"s3://logs\"\nregion = \"eu-west-1\"").region == "eu-west-1");
  ::unsetenv("AWS_REGION");
}

TEST_CASE("store settings: path style is the default of endpoints that are not Amazon's, and of buckets with a dot") {
  CHECK(s3_of("[store]\nurl = \"s3://logs\"\nendpoint = \"http://10.0.0.1:9000\"").path_style);
  CHECK(s3_of("[store]\nurl = \"s3://my.logs\"").path_style);
  CHECK_FALSE(s3_of("[store]\nurl = \"s3://logs\"\nendpoint = \"https://s3.eu-west-1.amazonaws.com\"").path_style);
  CHECK_FALSE(s3_of("[store]\nurl = \"s3://logs\"\nendpoint = \"http://minio\"\npath_style = false").path_style);
}

TEST_CASE("store settings: every key is read") {
  auto s3 = s3_of(R"([store]
url = "s3://logs/prefix"
endpoint = "https://s3.example.com"
region = "somewhere"
path_style = true
ca_file = "/ca.pem"
access_key_id = "A"
secret_access_key = "B"
session_token = "C"
credentials_file = "/creds"
profile = "p"
role_arn = "arn"
web_identity_token_file = "/token"
sse = "aws:kms"
sse_kms_key = "k"
storage_class = "STANDARD_IA"
connect_timeout = "1s"
timeout = "2s"
patience = "3s"
max_requests = 7
part_size = "16MiB"
hedge = false
prices = { put_per_1000 = 1, get_per_1000 = 2.5, gigabyte_month = 3, gigabyte_out = 4 }
)");
  CHECK(s3.endpoint == "https://s3.example.com");
  CHECK(s3.region == "somewhere");
  CHECK(s3.ca_file == "/ca.pem");
  CHECK(s3.keys.access_key_id == "A");
  CHECK(s3.keys.secret_access_key == "B");
  CHECK(s3.keys.session_token == "C");
  CHECK(s3.keys.credentials_file == "/creds");
  CHECK(s3.keys.profile == "p");
  CHECK(s3.keys.role_arn == "arn");
  CHECK(s3.keys.web_identity_token_file == "/token");
  CHECK(s3.sse == "aws:kms");
  CHECK(s3.sse_kms_key == "k");
  CHECK(s3.storage_class == "STANDARD_IA");
  CHECK(s3.connect_timeout == 1s);
  CHECK(s3.answer_timeout == 2s);
  CHECK(s3.patience == 3s);
  CHECK(s3.max_requests == 7);
  CHECK(s3.part_bytes == 16 << 20);
  CHECK_FALSE(s3.hedge);
  CHECK(s3.prices.get_per_1000 == 2.5);
  CHECK(s3.prices.gigabyte_out == 4);
}

TEST_CASE("store settings: wrong values are named with place and remedy") {
  CHECK(says("[store]\nurl = \"/srv\"", "is neither a file:// nor an s3:// URL; write file:///absolute/path"));
  CHECK(says("[store]\nurl = \"s3://\"", "is no name of a bucket; write s3://BUCKET/PREFIX"));
  CHECK(says("[store]\nurl = \"s3://b!cket\"", "server.toml:2:7"));
  CHECK(says("[store]\nurl = \"s3://bucket/a//b\"", "has an empty, . or .. part"));
  CHECK(says("[store]\nurl = \"s3://bucket/../b\"", "has an empty, . or .. part"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\nendpoint = \"minio:9000\"", "write http(s)://HOST[:PORT]"));
  CHECK(says("[store]\nregion = \"eu\"", "region is for s3:// URLs only"));
  CHECK(says("[store]\nurl = \"file:///x\"\nprices = { put_per_1000 = 1 }", "prices is for s3:// URLs only"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\naccess_key_id = \"A\"", "access_key_id without a secret key"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\nsecret_access_key = \"A\"", "without access_key_id"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\nsse = \"yes\"", "aws:kms"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\nsse_kms_key = \"k\"", "sse_kms_key needs sse"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\npart_size = \"1MiB\"", "from 5MiB to 256MiB"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\ntimeout = \"0s\"", "at least 1ms"));
  CHECK(says("[store]\nurl = \"s3://bucket\"\nregoin = \"eu\"", "did you mean \"region\"?"));
}

TEST_SUITE_END();
