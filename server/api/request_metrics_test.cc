#include "server/api/request_metrics.h"

#include <doctest/doctest.h>

using namespace server;
using namespace std::chrono_literals;

TEST_SUITE("api") {
  TEST_CASE("api: requests are counted under Loki's names, methods that nobody knows as one") {
    CHECK(route_label("/loki/api/v1/label/{name}/values") == "loki_api_v1_label_name_values");
    CHECK(route_label("/loki/api/v1/drilldown-limits") == "loki_api_v1_drilldown_limits");
    CHECK(route_label("other") == "other");
    pipeline::Registry registry;
    RequestMetrics metrics(registry);
    for (const char* method : {"GET", "GET", "BREW", "SIP"}) metrics.count({method, "/ready", 200, 20ms, 6});
    std::string page = registry.render();
    CHECK(
        page.find(
            "loki_request_duration_seconds_count{method=\"GET\",route=\"ready\",status_code=\"200\",ws=\"false\"} 2") !=
        page.npos);
    CHECK(page.find("loki_request_duration_seconds_count{method=\"other\",route=\"ready\",status_code=\"200\",ws="
                    "\"false\"} 2") != page.npos);
    CHECK(page.find("loki_build_info{branch=\"HEAD\",revision=") != page.npos);
    CHECK(page.find("loki_panic_total 0\n") != page.npos);
    CHECK(page.find("le=\"0.025\"} 2") != page.npos);
  }
}
