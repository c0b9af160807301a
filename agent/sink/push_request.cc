#include "agent/sink/push_request.h"

#include <fstream>
#include <sstream>

namespace agent {

using pipeline::concat;
using pipeline::fail;
using pipeline::HttpClientRequest;
using pipeline::HttpHeaders;
using pipeline::Result;

namespace {
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

}  // namespace

Result<HttpClientRequest> make_push_request(const SinkOptions& options, const std::string& url,
                                            const std::string& producer, const ClosedBatch& batch) {
  HttpClientRequest request;
  request.method = "POST";
  request.url = url;
  request.headers.add("Content-Type", "application/x-protobuf");
  request.headers.add("User-Agent", options.user_agent);
  request.headers.add("X-Skidway-Batch", concat(batch.producer.empty() ? producer : batch.producer, "/",
                                                batch.number.epoch, "/", batch.number.seq));
  add_encoding(request.headers, batch.encoding);
  if (!batch.tenant.empty()) request.headers.add("X-Scope-OrgID", batch.tenant);
  TRY_LET(std::string who, authorization(options.auth));
  if (!who.empty()) request.headers.add("Authorization", who);
  request.body = batch.body;
  request.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout);
  return request;
}

std::string host_of(const std::string& url) {
  size_t begin = url.find("://");
  if (begin == std::string::npos) return "";
  std::string authority = url.substr(begin + 3, url.find_first_of("/?#", begin + 3) - begin - 3);
  return authority.substr(authority.rfind('@') + 1);
}

}  // namespace agent
