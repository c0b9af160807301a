#include "server/api/plan_json.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE("api") {
  TEST_CASE("api: a plan shows what was expected and what came out, step by step") {
    QueryPlan plan{R"({app="a"} |= "x")", {}, 10, 100};
    PlanStep step;
    step.reads = "entries", step.expression = R"({app="a"} |= "x")", step.leading_filters = R"(|= "x")";
    step.columns = {"times", "text"};
    step.threads = 2;
    step.estimated = {1, 2, 3, 4, 5, 6};
    step.actual.pages_read = 7, step.actual.pages_without_match = 1, step.actual.store_lines = 3;
    step.actual.objects_skipped_by_filter = 6;
    step.actual.pages_skipped_by_filter = 8, step.actual.filter_reads = 9, step.actual.filter_bytes = 10;
    step.seconds = 0.25;
    plan.steps.push_back(step);
    CHECK(
        plan_json(plan) ==
        R"({"query":"{app=\"a\"} |= \"x\"","memoryPeakBytes":10,"memoryLimitBytes":100,"steps":[)"
        R"({"reads":"entries","expression":"{app=\"a\"} |= \"x\"","columns":["times","text"],)"
        R"("leadingFilters":"|= \"x\"","threads":2,)"
        R"("estimated":{"objects":1,"pages":2,"entries":3,"lineBytes":4,"headEntries":5,"headLineBytes":6},)"
        R"("actual":{"objectsConsidered":0,"objectsOpened":0,"objectsSkippedByFilter":6,"streams":0,"pagesRead":7,"pagesSkippedByTime":0,)"
        R"("pagesSkippedByFilter":8,"filterReads":9,"filterBytes":10,)"
        R"("pagesSkippedByLimit":0,"pagesWithoutMatch":1,"compressedBytes":0,"decompressedBytes":0,"entries":3,)"
        R"("lineBytes":0,"headEntries":0,"headLineBytes":0,"entriesKept":0,"duplicates":0,"seconds":0.250000}}]})");
  }
}
