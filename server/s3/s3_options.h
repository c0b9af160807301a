// S3Options: where the bucket is and how to speak to it; the table [store] of the server's configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace server {

struct S3KeyOptions {  // where keys come from; credentials.h says in which order
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string session_token = {};
  std::string secret_access_key_file = {};  // read anew when the store refuses a key
  std::string credentials_file = {};        // shared credentials file; its profile:
  std::string profile = {};
  std::string role_arn = {};  // with a token file: web identity
  std::string web_identity_token_file = {};
};

struct S3Prices {               // in dollars, for the estimate on /metrics; Amazon's list prices of us-east-1
  double put_per_1000 = 0.005;  // PUT, POST, LIST
  double get_per_1000 = 0.0004;
  double gigabyte_month = 0.023;
  double gigabyte_out = 0;  // of what is read; nothing inside one region
};

struct S3Options {
  std::string bucket = {};
  std::string prefix = {};    // "a/b", without slashes at its ends; may be empty
  std::string endpoint = {};  // http(s)://HOST[:PORT]; empty: Amazon's of the region
  std::string region = {};    // empty: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1
  // http://HOST/BUCKET/KEY instead of http://BUCKET.HOST/KEY
  bool path_style = false;
  std::string ca_file = {};
  std::string sse = {};  // "", AES256, aws:kms
  std::string sse_kms_key = {};
  std::string storage_class = {};
  S3KeyOptions keys = {};
  S3Prices prices = {};

  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds answer_timeout{10'000};  // of one try; and a second more for each MiB that travels
  std::chrono::milliseconds patience{30'000};        // of one operation with all its tries
  std::chrono::milliseconds longest_pause{5'000};    // between two tries
  uint32_t max_requests = 64;                        // at once; fewer when the store says it is too much
  uint64_t part_bytes = 8 << 20;                     // larger objects travel in parts of this size; at least 5 MiB
  uint32_t list_page = 1'000;                        // keys in one answer to a listing; S3's own limit
  // A request without an answer is sent a second time after a while, when it is slower than nearly all before it.
  bool hedge = true;
  std::chrono::milliseconds hedge_get_after{150};  // at least
  std::chrono::milliseconds hedge_put_after{2'000};
};

}  // namespace server
