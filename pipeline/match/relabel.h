// RelabelRules: Prometheus' relabelling of one label set (agent.md section 2, corrections in 11).
//
// Life:    compiled once from the configuration; read-only then.
// Thread:  any.
// Errors:  kInvalid with Prometheus' texts, for example `relabel configuration for hashmod requires non-zero modulus`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/regex.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

enum class RelabelAction {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase
};

// One rule as it was configured; what was not given keeps its default.
struct RelabelConfig {
  std::vector<std::string> source_labels{};
  std::string separator = ";";
  std::string regex = "(.*)";
  uint64_t modulus = 0;
  std::string target_label{};
  std::string replacement = "$1";
  std::string action = "replace";
};

class LabelBuilder;  // relabel.cc: labels while they are being changed

class RelabelRule {
 public:
  static Result<RelabelRule> compile(const RelabelConfig& config);

 private:
  friend class RelabelRules;
  RelabelRule(RelabelConfig config, RelabelAction action, Regex regex);
  // False: the set is dropped.
  bool apply(LabelBuilder& labels) const;
  void replace(LabelBuilder& labels, const std::string& value) const;
  void map_names(LabelBuilder& labels) const;
  void remove_names(LabelBuilder& labels, bool matching) const;

  RelabelConfig config_;
  RelabelAction action_;
  Regex regex_;
};

class RelabelRules {
 public:
  RelabelRules() = default;
  explicit RelabelRules(std::vector<RelabelRule> rules) : rules_(std::move(rules)) {}

  bool empty() const { return rules_.empty(); }
  // Nothing: dropped. Labels that start with __ stay: strip_reserved() takes them away when a stream is made of the
  // set.
  std::optional<LabelSet> apply(const LabelSet& labels) const;

 private:
  std::vector<RelabelRule> rules_;
};

// Without the labels whose name starts with __.
LabelSet strip_reserved(const LabelSet& labels);

}  // namespace pipeline
