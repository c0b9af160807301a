// Which stream labels are worth showing to a person, as Loki's detected_labels chooses: all but those whose every value
// is an identifier (a number or a UUID).
//
// Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace server {

struct DetectedLabel {
  std::string label;
  uint64_t cardinality = 0;  // exact
  bool operator==(const DetectedLabel&) const = default;
};

// Sorted by label. cluster, namespace, instance and pod are always kept; so are labels whose values are only 0 and 1.
class LabelDetector {
 public:
  // The labels of one stream: name and value. What they look at outlives the detector.
  void add(std::span<const std::pair<std::string_view, std::string_view>> labels) {
    for (const auto& [name, value] : labels) values_[name].insert(value);
  }
  std::vector<DetectedLabel> found() const;

 private:
  std::map<std::string_view, std::set<std::string_view>> values_;  // by label
};

// {"detectedLabels":[{"label":"app","cardinality":3}]}, or {} where there are none.
std::string detected_labels_answer(const std::vector<DetectedLabel>& labels);

}  // namespace server
