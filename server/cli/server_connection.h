// ServerConnection: asks a Loki-compatible server, and says in one sentence with a remedy why there is no answer.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace server {

struct ServerOptions {
  std::string address = "http://127.0.0.1:3100";
  std::string org_id = {};  // X-Scope-OrgID; empty: none
  std::string bearer_token = {};
  std::chrono::milliseconds timeout{300'000};
  pipeline::HttpClientOptions client = {};
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

class ServerConnection {
 public:
  explicit ServerConnection(ServerOptions options);

  // The body of a 200. Errors carry a sentence for the user, made of what went wrong and what to do.
  pipeline::Result<std::string> get(std::string_view path, const Parameters& parameters,
                                    const pipeline::HttpHeaders& headers = {}) const;

 private:
  ServerOptions options_;
};

}  // namespace server
