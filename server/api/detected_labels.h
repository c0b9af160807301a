// Which stream labels are worth showing to a person, as Loki's detected_labels chooses: all but those whose every value
// is an identifier (a number or a UUID).
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/model/label_set.h"

namespace server {

struct DetectedLabel {
  std::string label;
  uint64_t cardinality = 0;  // exact
  bool operator==(const DetectedLabel&) const = default;
};

// Sorted by label. cluster, namespace, instance and pod are always kept; so are labels whose values are only 0 and 1.
std::vector<DetectedLabel> detect_labels(const std::vector<pipeline::LabelSet>& streams);

// {"detectedLabels":[{"label":"app","cardinality":3}]}, or {} where there are none.
std::string detected_labels_answer(const std::vector<DetectedLabel>& labels);

}  // namespace server
