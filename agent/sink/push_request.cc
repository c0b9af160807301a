#include "agent/sink/push_request.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpClientRequest;
using pipeline::HttpClientResponse;
using pipeline::HttpHeaders;
using pipeline::Result;

namespace {
constexpr size_t kMaxServerText = 1024;
constexpr std::chrono::minutes kLongestRetryAfter{10};  // a server that asks for more is asked again sooner

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; k++)
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; k++) out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

Result<std::string> read_secret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(pipeline::system_error(concat("read ", path), errno));
  std::stringstream text;
  text << file.rdbuf();
  std::string secret = text.str();
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  return secret;
}

Result<std::string> authorization(const SinkAuth& auth) {
  if (!auth.bearer_token_file.empty()) {
    TRY_LET(std::string token, read_secret(auth.bearer_token_file));
    return "Bearer " + token;
  }
  if (auth.username.empty()) return std::string();
  std::string password;
  if (!auth.password_file.empty()) { TRY_LET(password, read_secret(auth.password_file)); }
  return "Basic " + base64(concat(auth.username, ":", password));
}

void add_encoding(HttpHeaders& headers, Compression encoding) {
  if (encoding == Compression::kGzip) headers.add("Content-Encoding", "gzip");
  if (encoding == Compression::kZstd) headers.add("Content-Encoding", "zstd");
  if (encoding == Compression::kIdentity) headers.add("Content-Encoding", "identity");
  // snappy, the block format, is what the content type means by itself
}

std::string first_line(std::string_view body) {
  std::string_view line = body.substr(0, std::min(body.find('\n'), kMaxServerText));
  return std::string(line);
}

std::optional<std::chrono::nanoseconds> retry_after(const HttpHeaders& headers) {
  std::string_view text = headers.get("Retry-After");
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::min<std::chrono::nanoseconds>(std::chrono::seconds(std::min<int64_t>(seconds, 86'400)),
                                            kLongestRetryAfter);
}
}  // namespace

Result<HttpClientRequest> make_push_request(const SinkOptions& options, const std::string& producer,
                                            const ClosedBatch& batch) {
  HttpClientRequest request;
  request.method = "POST";
  request.url = options.url;
  request.headers.add("Content-Type", "application/x-protobuf");
  request.headers.add("User-Agent", options.user_agent);
  request.headers.add("X-Skidway-Batch", concat(producer, "/", batch.number.epoch, "/", batch.number.seq));
  add_encoding(request.headers, batch.encoding);
  if (!batch.tenant.empty()) request.headers.add("X-Scope-OrgID", batch.tenant);
  TRY_LET(std::string who, authorization(options.auth));
  if (!who.empty()) request.headers.add("Authorization", who);
  request.body = batch.body;
  request.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout);
  return request;
}

PushAnswer judge_answer(const Result<HttpClientResponse>& response) {
  if (!response) return {PushAnswer::Kind::kRetry, 0, hide_secrets(response.error().message), std::nullopt};
  int status = response->status;
  if (status >= 200 && status < 300) return {PushAnswer::Kind::kAcked, status, "", std::nullopt};
  bool later = status == 408 || status == 429 || status >= 500;
  return {later ? PushAnswer::Kind::kRetry : PushAnswer::Kind::kRejected, status,
          concat("server returned HTTP status ", status, " ", pipeline::http_reason(status), ": ",
                 first_line(response->body)),
          retry_after(response->headers)};
}

std::string host_of(const std::string& url) {
  size_t begin = url.find("://");
  if (begin == std::string::npos) return "";
  std::string authority = url.substr(begin + 3, url.find_first_of("/?#", begin + 3) - begin - 3);
  return authority.substr(authority.rfind('@') + 1);
}

std::string hide_secrets(std::string_view text) {
  std::string out;
  for (;;) {
    size_t begin = text.find("://");
    if (begin == std::string_view::npos) return out.append(text);
    begin += 3;
    size_t end = std::min(text.find_first_of("/?#\"' \t\r\n", begin), text.size());
    size_t at = text.substr(0, end).rfind('@');
    out.append(text.substr(0, begin));
    if (at != std::string_view::npos && at >= begin) {
      out.append("***");
      begin = at;
    }
    text.remove_prefix(begin);
  }
}

}  // namespace agent
