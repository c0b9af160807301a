// AWS Signature Version 4, as header: what makes a request ours
// (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). Google's XML interface takes the same from
// HMAC keys.
//
// Thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/http/http_message.h"

namespace server {

struct AwsKeys {
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string session_token = {};                      // of temporary keys; empty: there is none
  std::optional<pipeline::UnixNanos> expires_at = {};  // nothing: they stay
};

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// "a%2Fb=x%20y&c=": encoded, sorted by name, then value. What is signed must also be what is sent.
std::string canonical_query(const QueryParameters& query);
// Each segment encoded, the slashes kept.
std::string canonical_path(std::string_view path);

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
std::string payload_hash(std::string_view body);  // SHA-256, hexadecimal

struct SignatureScope {
  std::string region = {};
  std::string service = "s3";
};

struct RequestToSign {
  std::string method = {};
  std::string path = {};   // as sent: canonical_path()
  std::string query = {};  // as sent: canonical_query()
  std::string host = {};   // as in the Host header: the port too, unless it is the scheme's own
};

// Adds x-amz-date, x-amz-security-token (where the keys have one) and Authorization to `headers`. All headers that are
// in it already are signed too; of S3 x-amz-content-sha256 must be among them: payload_hash() or kUnsignedPayload.
void sign(const RequestToSign& request, pipeline::HttpHeaders& headers, std::string_view payload_hash,
          const AwsKeys& keys, const SignatureScope& scope, pipeline::UnixNanos now);

}  // namespace server
