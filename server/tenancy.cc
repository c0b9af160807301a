#include "server/tenancy.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::HttpResponse;

namespace {

constexpr size_t kMaxTenantLength = 150;

bool is_supported(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!-_.*'()").find(c) != std::string_view::npos;
}

HttpResponse refusal(int status, std::string_view text) { return HttpResponse::text(status, concat(text, "\n")); }

}  // namespace

std::optional<HttpResponse> find_tenant(TenancyMode mode, const pipeline::HttpRequest& request, std::string& tenant) {
  if (mode == TenancyMode::kSingle) {
    tenant = "fake";
    return std::nullopt;
  }
  std::string_view id = request.headers.get("X-Scope-OrgID");
  if (id.empty()) return refusal(401, "no org id");
  if (id.find('|') != id.npos) return refusal(400, "multiple org IDs present");
  if (auto bad = std::find_if_not(id.begin(), id.end(), is_supported); bad != id.end())
    return refusal(400,
                   concat("tenant ID '", id, "' contains unsupported character '", std::string_view(&*bad, 1), "'"));
  if (id.size() > kMaxTenantLength) return refusal(400, "tenant ID is too long: max 150 characters");
  if (id == "." || id == "..") return refusal(400, "tenant ID is '.' or '..'");
  tenant = id;
  return std::nullopt;
}

}  // namespace server
