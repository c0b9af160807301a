// Tenancy: whose request this is, by Loki's rules.
#pragma once

#include <optional>
#include <string>

#include "pipeline/http/http_message.h"

namespace server {

enum class TenancyMode {
  kSingle,  // every request is tenant "fake", the header is ignored
  kHeader,  // X-Scope-OrgID names it; one tenant a request
};

// Sets `tenant`, or gives the answer that refuses the request (401, 400). Thread: any.
std::optional<pipeline::HttpResponse> find_tenant(TenancyMode mode, const pipeline::HttpRequest& request,
                                                  std::string& tenant);

}  // namespace server
