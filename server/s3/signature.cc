#include "server/s3/signature.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "pipeline/base/concat.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/text_encoding.h"
#include "pipeline/http/http_form.h"

namespace server {

using pipeline::concat;
using pipeline::digest_bytes;
using pipeline::hmac_sha256;
using pipeline::percent_encode;

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// 20130524T000000Z
std::string amz_time(pipeline::UnixNanos now) {
  const std::time_t seconds = now / 1'000'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc));
}

// Spaces at both ends go, runs of them become one.
std::string tidy_value(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out.push_back(c);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Lower-case name and tidy value, sorted by name.
QueryParameters signed_headers(const pipeline::HttpHeaders& headers, std::string_view host) {
  QueryParameters out{{"host", std::string(host)}};
  for (const auto& [name, value] : headers) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    out.emplace_back(std::move(lower), tidy_value(value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  pipeline::append_hex(out, bytes);
  return out;
}

// The key of one day, region and service, from the secret.
std::string signing_key(std::string_view secret, std::string_view day, const SignatureScope& scope) {
  std::string key = concat("AWS4", secret);
  for (std::string_view part :
       {day, std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")}) {
    key = digest_bytes(hmac_sha256(key, part));
  }
  return key;
}

}  // namespace

std::string canonical_query(const QueryParameters& query) {
  QueryParameters encoded;
  for (const auto& [name, value] : query) encoded.emplace_back(percent_encode(name), percent_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) out += concat(out.empty() ? "" : "&", name, "=", value);
  return out;
}

std::string canonical_path(std::string_view path) {
  std::string out;
  while (true) {
    const size_t slash = path.find('/');
    out += percent_encode(path.substr(0, slash));
    if (slash == path.npos) return out;
    out.push_back('/');
    path.remove_prefix(slash + 1);
  }
}

std::string payload_hash(std::string_view body) { return hex(digest_bytes(pipeline::sha256(body))); }

void sign(const RequestToSign& request, pipeline::HttpHeaders& headers, std::string_view payload_hash,
          const AwsKeys& keys, const SignatureScope& scope, pipeline::UnixNanos now) {
  const std::string time = amz_time(now);
  const std::string day = time.substr(0, 8);
  headers.set("x-amz-date", time);
  if (!keys.session_token.empty()) headers.set("x-amz-security-token", keys.session_token);

  std::string lines, names;
  for (const auto& [name, value] : signed_headers(headers, request.host)) {
    lines += concat(name, ":", value, "\n");
    names += concat(names.empty() ? "" : ";", name);
  }
  const std::string canonical =
      concat(request.method, "\n", request.path, "\n", request.query, "\n", lines, "\n", names, "\n", payload_hash);
  const std::string credential_scope = concat(day, "/", scope.region, "/", scope.service, "/aws4_request");
  const std::string text =
      concat(kAlgorithm, "\n", time, "\n", credential_scope, "\n", hex(digest_bytes(pipeline::sha256(canonical))));
  const std::string signature = hex(digest_bytes(hmac_sha256(signing_key(keys.secret_access_key, day, scope), text)));
  headers.set("Authorization", concat(kAlgorithm, " Credential=", keys.access_key_id, "/", credential_scope,
                                      ",SignedHeaders=", names, ",Signature=", signature));
}

}  // namespace server
