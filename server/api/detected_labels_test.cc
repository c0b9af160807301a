#include "server/api/detected_labels.h"

#include <doctest/doctest.h>

#include "pipeline/model/label_set.h"

using namespace server;
using pipeline::LabelSet;

TEST_SUITE("api") {
  TEST_CASE("api: detected labels are those with a value that is no identifier") {
    std::vector<LabelSet> streams = {
        LabelSet::from(
            {{"app", "x"}, {"id", "0b1b3a5e-7a3c-4f5d-9d2e-1c2b3a4d5e6f"}, {"n", "12"}, {"on", "0"}, {"pod", "7"}}),
        LabelSet::from(
            {{"app", "y"}, {"id", "0b1b3a5e7a3c4f5d9d2e1c2b3a4d5e6f"}, {"n", "1e5"}, {"on", "1"}, {"mixed", "5"}}),
        LabelSet::from({{"app", "x"}, {"mixed", "five"}})};
    LabelDetector detector;
    for (const LabelSet& stream : streams) {
      const std::vector<std::pair<std::string_view, std::string_view>> labels(stream.labels().begin(),
                                                                              stream.labels().end());
      detector.add(labels);
    }
    std::vector<DetectedLabel> found = detector.found();
    CHECK(found == std::vector<DetectedLabel>{{"app", 2}, {"mixed", 2}, {"on", 2}, {"pod", 1}});
    CHECK(detected_labels_answer(found).starts_with(R"({"detectedLabels":[{"label":"app","cardinality":2},{)"));
    CHECK(detected_labels_answer({}) == "{}\n");
  }
}
