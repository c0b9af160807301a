// ApiClient: requests to one API server or kubelet, with the token of a service account.
//
// The token file is read again when it was read a minute ago, and after token_refused(); a file that cannot be read or
// is empty leaves the last token in use. Connections are kept; the CA file is read with each new one.
//
// Life:    requests still running when it dies are told kCancelled.
// Thread:  loop. Errors: as HttpClient.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/kubernetes/kubernetes_options.h"
#include "pipeline/http/http_client.h"
#include "pipeline/loop/loop.h"

namespace agent {

class ApiClient {
 public:
  static pipeline::Result<std::unique_ptr<ApiClient>> create(pipeline::Loop& loop, ApiEndpoint endpoint);

  // `path` with its query: /api/v1/pods?limit=500.
  pipeline::HttpClient::RequestId get(const std::string& path, pipeline::HttpClient::Done done);
  pipeline::HttpClient::RequestId watch(const std::string& path, pipeline::HttpStream stream);
  void pause(pipeline::HttpClient::RequestId id) { http_->pause(id); }
  void resume(pipeline::HttpClient::RequestId id) { http_->resume(id); }
  void cancel(pipeline::HttpClient::RequestId id) { http_->cancel(id); }

  void token_refused() { token_read_ = kNever; }

 private:
  static constexpr std::chrono::milliseconds kNever{-1};

  ApiClient(pipeline::Loop& loop, ApiEndpoint endpoint, std::unique_ptr<pipeline::HttpClient> http);
  pipeline::HttpClientRequest request(const std::string& path);
  void refresh_token();

  pipeline::Loop& loop_;
  const ApiEndpoint endpoint_;
  std::unique_ptr<pipeline::HttpClient> http_;
  std::string token_;
  std::chrono::milliseconds token_read_ = kNever;  // loop time
  bool token_missing_ = false;                     // said once
};

}  // namespace agent
