#include "server/tenancy.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE_BEGIN("server");

namespace {

pipeline::HttpRequest request_of(std::string tenant) {
  pipeline::HttpRequest request;
  if (!tenant.empty()) request.headers.add("x-scope-orgid", std::move(tenant));
  return request;
}

std::string refusal_of(const std::string& tenant, int status) {
  std::string found;
  auto refused = find_tenant(TenancyMode::kHeader, request_of(tenant), found);
  REQUIRE(refused);
  CHECK(refused->status == status);
  CHECK(found.empty());
  return refused->body;
}

}  // namespace

TEST_CASE("tenancy: single mode is tenant fake, whatever the header says") {
  for (std::string header : {"", "team-a", "a|b"}) {
    std::string tenant;
    CHECK_FALSE(find_tenant(TenancyMode::kSingle, request_of(header), tenant));
    CHECK(tenant == "fake");
  }
}

TEST_CASE("tenancy: header mode takes one valid tenant and refuses everything else with Loki's texts") {
  std::string tenant;
  CHECK_FALSE(find_tenant(TenancyMode::kHeader, request_of("Team-a_1!.*'()"), tenant));
  CHECK(tenant == "Team-a_1!.*'()");
  CHECK(refusal_of("", 401) == "no org id\n");
  CHECK(refusal_of("a|b", 400) == "multiple org IDs present\n");
  CHECK(refusal_of("a/b", 400) == "tenant ID 'a/b' contains unsupported character '/'\n");
  CHECK(refusal_of(std::string(151, 'a'), 400) == "tenant ID is too long: max 150 characters\n");
  CHECK(refusal_of("..", 400) == "tenant ID is '.' or '..'\n");
}

TEST_SUITE_END();
