#include "server/api/pattern_routes.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE("api") {
  TEST_CASE("api: patterns are shown with their level and samples of whole seconds") {
    std::vector<PatternSeries> patterns = {{"a <_> \"b\"", "info", {{10'000'000'000, 3}, {20'000'000'000, 1}}},
                                           {"c", "unknown", {{0, 7}}}};
    CHECK(patterns_answer(patterns) ==
          R"({"status":"success","data":[{"pattern":"a \u003c_\u003e \"b\"","level":"info","samples":[[10,3],[20,1]]},)"
          R"({"pattern":"c","level":"unknown","samples":[[0,7]]}]})"
          "\n");
    CHECK(patterns_answer({}) == "{\"status\":\"success\",\"data\":[]}\n");
  }
}
