#include "server/store_settings.h"

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/concat.h"
#include "server/s3/s3_target.h"

namespace server {

using pipeline::concat;
using pipeline::ConfigTable;

namespace {

constexpr std::string_view kFile = "file://", kS3 = "s3://";
constexpr uint64_t kSmallestPart = 5 << 20, kLargestPart = 256 << 20;  // S3's own limit; what memory should hold thrice

constexpr std::string_view kS3Keys[] = {"endpoint",
                                        "region",
                                        "path_style",
                                        "ca_file",
                                        "access_key_id",
                                        "secret_access_key",
                                        "secret_access_key_file",
                                        "session_token",
                                        "credentials_file",
                                        "profile",
                                        "role_arn",
                                        "web_identity_token_file",
                                        "sse",
                                        "sse_kms_key",
                                        "storage_class",
                                        "connect_timeout",
                                        "timeout",
                                        "patience",
                                        "max_requests",
                                        "part_size",
                                        "hedge",
                                        "prices"};

void refuse_s3_keys(ConfigTable table) {
  for (std::string_view key : kS3Keys) {
    if (!table.has(key)) continue;
    table.error_at(key, concat(key, " is for s3:// URLs only"), "remove it, or write url = \"s3://BUCKET/PREFIX\"");
    if (key == "prices") table.table(key).ignore_rest();
  }
}

bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '.' || c == '_';
         });
}

void read_place(ConfigTable table, std::string_view url, S3Options& s3) {
  const size_t slash = url.find('/');
  s3.bucket = url.substr(0, slash);
  s3.prefix = slash == url.npos ? "" : url.substr(slash + 1);
  while (s3.prefix.ends_with('/')) s3.prefix.pop_back();
  if (!is_bucket_name(s3.bucket))
    table.error_at("url", concat("\"", s3.bucket, "\" is no name of a bucket"), "write s3://BUCKET/PREFIX");
  const std::string inside = concat("/", s3.prefix, "/");
  for (std::string_view bad : {"//", "/./", "/../"}) {
    if (!s3.prefix.empty() && inside.find(bad) != inside.npos)
      table.error_at("url", concat("the prefix \"", s3.prefix, "\" has an empty, . or .. part"),
                     "write s3://BUCKET/PREFIX");
  }
}

std::string region_of_environment() {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (const char* value = std::getenv(name); value && *value) return value;
  }
  return "us-east-1";
}

void read_keys(ConfigTable table, S3KeyOptions& keys) {
  keys.access_key_id = table.string("access_key_id");
  keys.secret_access_key = table.string("secret_access_key");
  keys.secret_access_key_file = table.string("secret_access_key_file");
  keys.session_token = table.string("session_token");
  keys.credentials_file = table.string("credentials_file");
  keys.profile = table.string("profile");
  keys.role_arn = table.string("role_arn");
  keys.web_identity_token_file = table.string("web_identity_token_file");
  const bool secret = !keys.secret_access_key.empty() || !keys.secret_access_key_file.empty();
  if (secret && keys.access_key_id.empty())
    table.error_at(keys.secret_access_key.empty() ? "secret_access_key_file" : "secret_access_key",
                   "a secret key without access_key_id", "set both, or none of them");
  if (!secret && !keys.access_key_id.empty())
    table.error_at("access_key_id", "access_key_id without a secret key",
                   "set secret_access_key or secret_access_key_file");
  if (!keys.secret_access_key.empty() && !keys.secret_access_key_file.empty())
    table.error_at("secret_access_key_file", "secret_access_key is set too", "remove one of them");
}

void read_times(ConfigTable table, S3Options& s3) {
  auto milliseconds = [&](std::string_view key, std::chrono::milliseconds otherwise) {
    auto value = std::chrono::duration_cast<std::chrono::milliseconds>(table.duration(key, otherwise));
    if (value.count() < 1) table.error_at(key, concat(key, " must be at least 1ms"));
    return value;
  };
  s3.connect_timeout = milliseconds("connect_timeout", s3.connect_timeout);
  s3.answer_timeout = milliseconds("timeout", s3.answer_timeout);
  s3.patience = milliseconds("patience", s3.patience);
}

void read_prices(ConfigTable table, S3Prices& prices) {
  prices.put_per_1000 = table.number("put_per_1000", prices.put_per_1000);
  prices.get_per_1000 = table.number("get_per_1000", prices.get_per_1000);
  prices.gigabyte_month = table.number("gigabyte_month", prices.gigabyte_month);
  prices.gigabyte_out = table.number("gigabyte_out", prices.gigabyte_out);
}

S3Options read_s3(ConfigTable table, std::string_view url) {
  S3Options s3;
  read_place(table, url, s3);
  s3.endpoint = table.string("endpoint");
  s3.region = table.string("region");
  if (s3.region.empty()) s3.region = region_of_environment();
  const bool amazon = s3.endpoint.empty() || s3.endpoint.find(".amazonaws.com") != std::string::npos;
  // A bucket with a dot has no certificate as a host name.
  s3.path_style = table.boolean("path_style", !amazon || s3.bucket.find('.') != std::string::npos);
  if (auto target = S3Target::of(s3); !target)
    table.error_at("endpoint", concat("\"", s3.endpoint, "\" is no endpoint"), "write http(s)://HOST[:PORT]");
  s3.ca_file = table.string("ca_file");
  s3.sse = table.choice("sse", "", {"", "AES256", "aws:kms"});
  s3.sse_kms_key = table.string("sse_kms_key");
  if (!s3.sse_kms_key.empty() && s3.sse != "aws:kms")
    table.error_at("sse_kms_key", "sse_kms_key needs sse = \"aws:kms\"");
  s3.storage_class = table.string("storage_class");
  read_keys(table, s3.keys);
  read_times(table, s3);
  s3.max_requests = static_cast<uint32_t>(table.integer("max_requests", s3.max_requests, 1, 1024));
  s3.part_bytes = table.size("part_size", s3.part_bytes);
  if (s3.part_bytes < kSmallestPart || s3.part_bytes > kLargestPart)
    table.error_at("part_size", "part_size must be from 5MiB to 256MiB");
  s3.hedge = table.boolean("hedge", s3.hedge);
  read_prices(table.table("prices"), s3.prices);
  return s3;
}

}  // namespace

std::string StoreSettings::place() const {
  if (!s3) return folder;
  return concat(kS3, s3->bucket, s3->prefix.empty() ? "" : "/", s3->prefix);
}

StoreSettings read_store(ConfigTable table, const std::string& folder) {
  StoreSettings store;
  std::string url = table.string("url", concat(kFile, folder));
  if (url.starts_with(kS3)) {
    store.s3 = read_s3(table, std::string_view(url).substr(kS3.size()));
    return store;
  }
  refuse_s3_keys(table);
  store.folder = folder;
  if (url.starts_with(kFile) && url.size() > kFile.size()) {
    store.folder = url.substr(kFile.size());
    while (store.folder.size() > 1 && store.folder.ends_with('/')) store.folder.pop_back();
  } else {
    table.error_at("url", concat("\"", url, "\" is neither a file:// nor an s3:// URL"),
                   "write file:///absolute/path or s3://BUCKET/PREFIX");
  }
  return store;
}

}  // namespace server
