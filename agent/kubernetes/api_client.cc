#include "agent/kubernetes/api_client.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::HttpClient;
using pipeline::Result;

namespace {
constexpr std::chrono::minutes kTokenAge{1};
constexpr uint64_t kTokenBytes = 64 << 10;
constexpr uint64_t kAnswerBytes = 256 << 20;  // a list of all pods of a large cluster in one piece

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}
}  // namespace

Result<std::unique_ptr<ApiClient>> ApiClient::create(pipeline::Loop& loop, ApiEndpoint endpoint) {
  while (endpoint.server.ends_with('/')) endpoint.server.pop_back();
  pipeline::HttpClientOptions options;
  options.tls.ca_file = endpoint.ca_file;
  options.tls.verify = endpoint.verify;
  options.max_response_bytes = kAnswerBytes;
  options.headers = {{"Accept", "application/json"}, {"User-Agent", "skidway-agent"}};
  TRY_LET(auto http, HttpClient::create(loop, std::move(options)));
  return std::unique_ptr<ApiClient>(new ApiClient(loop, std::move(endpoint), std::move(http)));
}

ApiClient::ApiClient(pipeline::Loop& loop, ApiEndpoint endpoint, std::unique_ptr<HttpClient> http)
    : loop_(loop), endpoint_(std::move(endpoint)), http_(std::move(http)) {}

void ApiClient::refresh_token() {
  if (endpoint_.token_file.empty()) return;
  if (token_read_ != kNever && loop_.now() - token_read_ < kTokenAge) return;
  auto file = pipeline::system_files()->open_to_read(endpoint_.token_file);
  auto text = file ? (*file)->read(0, kTokenBytes) : pipeline::fail(file.error());
  std::string token = text ? trimmed(*text) : "";
  if (token.empty()) {
    if (!std::exchange(token_missing_, true))
      pipeline::log_warn("no token in the token file, the last one stays in use",
                         {{"file", endpoint_.token_file}, {"had_one", !token_.empty()}});
    return;
  }
  token_missing_ = false;
  token_read_ = loop_.now();
  token_ = std::move(token);
}

pipeline::HttpClientRequest ApiClient::request(const std::string& path) {
  refresh_token();
  pipeline::HttpClientRequest out;
  out.url = concat(endpoint_.server, path);
  if (!token_.empty()) out.headers.set("Authorization", concat("Bearer ", token_));
  return out;
}

HttpClient::RequestId ApiClient::get(const std::string& path, HttpClient::Done done) {
  auto asked = request(path);
  asked.compressed = true;
  return http_->send(std::move(asked), std::move(done));
}

HttpClient::RequestId ApiClient::watch(const std::string& path, pipeline::HttpStream stream) {
  return http_->stream(request(path), std::move(stream));
}

}  // namespace agent
