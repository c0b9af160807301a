#include "server/cli/server_connection.h"

#include <algorithm>
#include <thread>

#include "pipeline/http/http_form.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::HttpClientResponse;

constexpr uint64_t kMaxAnswerBytes = 1 << 30;
constexpr std::string_view kNoSuchPath =
    "404 page not found";  // of every Loki; other texts are about what is asked for

// One line: what the server wrote, without line ends.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Error unreachable(const std::string& address, const Error& why) {
  switch (why.code) {
    case Errc::kInvalid: return {why.code, concat(why.message, "; correct --addr or the TLS files")};
    case Errc::kOverLimit: return {why.code, concat(why.message, "; ask for less with --limit or a shorter time")};
    default:
      return {why.code, concat("cannot reach ", address, ": ", why.message,
                               "; is the server running there? another one is named by --addr or SKIDWAY_ADDR")};
  }
}

Error refused(const std::string& address, std::string_view path, const HttpClientResponse& answer) {
  const std::string text = one_line(answer.body);
  const int status = answer.status;
  const std::string said = text.empty() ? concat("status ", status) : concat(text, " (status ", status, ")");
  switch (status) {
    case 400:
      return {Errc::kInvalid, concat("the server refuses this request: ", said, "; correct the query or the options")};
    case 401:
    case 403:
      return {Errc::kInvalid, concat("the server wants to know who asks: ", said,
                                     "; name the tenant with --org-id, or give --username or --bearer-token")};
    case 404:
      if (text.empty() || text == kNoSuchPath)
        return {Errc::kInvalid, concat(address, " has no ", path, ": ", said, "; check --addr")};
      return {Errc::kNotFound, concat("the server says: ", said)};
    case 429:
    case 503:
    case 504:
      return {Errc::kUnavailable, concat("the server is too busy: ", said, "; try again, or ask for a shorter time")};
    default: return {Errc::kIo, concat("the server failed: ", said, "; its log says more")};
  }
}

}  // namespace

ServerConnection::ServerConnection(ServerOptions options) : options_(std::move(options)) {
  while (options_.address.ends_with('/')) options_.address.pop_back();
  options_.client.max_response_bytes = kMaxAnswerBytes;
  if (options_.skip_verify) options_.client.tls.verify = false;
  pipeline::HttpHeaders& headers = options_.client.headers;
  if (!options_.org_id.empty()) headers.set("X-Scope-OrgID", options_.org_id);
  if (!options_.bearer_token.empty()) headers.set(options_.auth_header, concat("Bearer ", options_.bearer_token));
  if (!options_.query_tags.empty()) headers.set("X-Query-Tags", options_.query_tags);
  if (options_.no_cache) headers.set("Cache-Control", "no-cache");
}

std::string ServerConnection::url(std::string_view path, const Parameters& parameters) const {
  std::string url = concat(options_.address, path);
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    url += std::exchange(separator, '&');
    url += concat(pipeline::percent_encode(name), "=", pipeline::percent_encode(value));
  }
  return url;
}

pipeline::Result<HttpClientResponse> ServerConnection::send_once(const pipeline::HttpClientRequest& request,
                                                                 std::string_view path) const {
  auto answer = pipeline::http_fetch(request, options_.client);
  if (!answer) return pipeline::fail(unreachable(options_.address, answer.error()));
  if (answer->status / 100 != 2) return pipeline::fail(refused(options_.address, path, *answer));
  return answer;
}

pipeline::Result<HttpClientResponse> ServerConnection::send(std::string method, std::string_view path,
                                                            const Parameters& parameters,
                                                            const pipeline::HttpHeaders& headers) const {
  const pipeline::HttpClientRequest request{.method = std::move(method),
                                            .url = url(path, parameters),
                                            .headers = headers,
                                            .timeout = options_.timeout,
                                            .compressed = options_.compressed};
  auto wait = options_.min_backoff;
  for (uint32_t tried = 0;; ++tried) {
    auto answer = send_once(request, path);
    const bool may_help = !answer && (answer.error().code == Errc::kUnavailable || answer.error().code == Errc::kIo);
    if (!may_help || tried >= options_.retries) return answer;
    std::this_thread::sleep_for(wait);
    wait = std::min(2 * wait, options_.max_backoff);
  }
}

pipeline::Result<std::string> ServerConnection::get(std::string_view path, const Parameters& parameters,
                                                    const pipeline::HttpHeaders& headers) const {
  TRY_LET(HttpClientResponse answer, send("GET", path, parameters, headers));
  return std::move(answer.body);
}

pipeline::Result<std::unique_ptr<pipeline::WebSocketClient>> ServerConnection::open_web_socket(
    std::string_view path, const Parameters& parameters) const {
  HttpClientResponse refusal;
  auto socket = pipeline::WebSocketClient::connect({.url = url(path, parameters)}, options_.client, &refusal);
  if (socket) return socket;
  if (refusal.status != 0) return pipeline::fail(refused(options_.address, path, refusal));
  return pipeline::fail(unreachable(options_.address, socket.error()));
}

}  // namespace server
