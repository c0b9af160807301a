// ServerConnection: asks a Loki-compatible server, and says in one sentence with a remedy why there is no answer.
//
// Thread: any; requests of several threads do not wait for each other.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"
#include "pipeline/http/web_socket_client.h"

namespace server {

struct ServerOptions {
  std::string address = "http://127.0.0.1:3100";
  std::string org_id = {};  // X-Scope-OrgID; empty: none
  std::string bearer_token = {};
  std::string auth_header = "Authorization";  // that carries the token
  std::string query_tags = {};                // X-Query-Tags; empty: none
  bool no_cache = false;
  bool compressed = false;
  bool skip_verify = false;
  uint32_t retries = 0;  // of requests that may do better later
  std::chrono::milliseconds min_backoff{500}, max_backoff{30'000};
  std::chrono::milliseconds timeout{300'000};
  pipeline::HttpClientOptions client = {};
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

class ServerConnection {
 public:
  explicit ServerConnection(ServerOptions options);

  // A request without a body, its parameters in the URL; any 2xx is an answer. It is tried again as get() does.
  pipeline::Result<pipeline::HttpClientResponse> send(std::string method, std::string_view path,
                                                      const Parameters& parameters,
                                                      const pipeline::HttpHeaders& headers = {}) const;
  // The body of a 2xx. Errors carry a sentence for the user, made of what went wrong and what to do.
  pipeline::Result<std::string> get(std::string_view path, const Parameters& parameters,
                                    const pipeline::HttpHeaders& headers = {}) const;
  // kUnavailable: trying again may help.
  pipeline::Result<std::unique_ptr<pipeline::WebSocketClient>> open_web_socket(std::string_view path,
                                                                               const Parameters& parameters) const;
  const ServerOptions& options() const { return options_; }

 private:
  std::string url(std::string_view path, const Parameters& parameters) const;
  pipeline::Result<pipeline::HttpClientResponse> send_once(const pipeline::HttpClientRequest& request,
                                                           std::string_view path) const;
  ServerOptions options_;
};

}  // namespace server
