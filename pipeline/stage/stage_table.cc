#include "pipeline/stage/stage_table.h"

#include <algorithm>
#include <array>

#include "pipeline/base/concat.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

const StageKind* find_kind(std::string_view name) {
  for (const StageKind& kind : stage_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

void refuse_unknown(const ConfigTable& table, const std::string& type) {
  table.ignore_rest();
  std::vector<std::string> names;
  for (const StageKind& kind : stage_kinds()) names.emplace_back(kind.name);
  std::string_view nearest = nearest_word(type, names);
  std::string remedy;
  if (!nearest.empty()) {
    remedy = concat("did you mean \"", nearest, "\"?");
  } else {
    remedy = "there are";
    for (const std::string& name : names) remedy += concat(name == names.front() ? " " : ", ", name);
  }
  table.error_at("type", concat("unrecognized block name \"stage.", type, "\""), remedy);
}

constexpr std::string_view kHoldingStages[] = {"cri", "dedup", "multiline", "redact"};

// In the order in which entries go through them, nested ones too. `split`: where a split_json stood.
void check_order(const std::vector<ConfigTable>& tables, std::string& split) {
  for (const ConfigTable& table : tables) {
    const std::string type = table.string("type");
    if (type == "match") check_order(table.tables("stage"), split);
    if (type == "split_json" && split.empty()) split = table.place();
    if (split.empty() ||
        std::find(std::begin(kHoldingStages), std::end(kHoldingStages), type) == std::end(kHoldingStages))
      continue;
    table.error_at("type",
                   concat("stage \"", type, "\" holds entries back and stands behind the split_json at ", split,
                          ": entries of one line would be lost in a crash"),
                   concat("put split_json behind ", type));
  }
}

}  // namespace

void check_stage_order(const std::vector<ConfigTable>& tables) {
  std::string split;
  check_order(tables, split);
}

std::span<const StageKind> stage_kinds() {
  static const std::array kKinds = {
      // clang-format off
      kCriStage,
      kDecolorizeStage,
      kDedupStage,
      kDockerStage,
      kDropStage,
      kEventLogMessageStage,
      kGeoipStage,
      kJsonStage,
      kLabelDropStage,
      kLabelKeepStage,
      kLabelsStage,
      kLimitStage,
      kLogfmtStage,
      kLuhnStage,
      kMatchStage,
      kMetricsStage,
      kMultilineStage,
      kOutputStage,
      kPackStage,
      kPatternStage,
      kRedactStage,
      kRegexStage,
      kReplaceStage,
      kSamplingStage,
      kSplitJsonStage,
      kStaticLabelsStage,
      kStructuredMetadataStage,
      kStructuredMetadataDropStage,
      kTemplateStage,
      kTenantStage,
      kTimestampStage,
      kTruncateStage,
      kWindowsEventStage,
      // clang-format on
  };
  return kKinds;
}

std::unique_ptr<Stage> build_stage(const ConfigTable& table) {
  std::string type = table.string("type");
  if (type.empty()) {
    table.ignore_rest();
    table.error("missing required attribute \"type\"", "name the stage, for example type = \"cri\"");
    return nullptr;
  }
  const StageKind* kind = find_kind(type);
  if (kind == nullptr) {
    refuse_unknown(table, type);
    return nullptr;
  }
  auto arguments = StageArguments::read(kind->arguments, table);
  if (!arguments) return nullptr;
  Result<std::unique_ptr<Stage>> stage = kind->build(*arguments);
  if (stage) {
    (*stage)->set_kind(kind->name);
    return *std::move(stage);
  }
  if (!stage.error().message.empty()) table.error(stage.error().message);
  return nullptr;
}

}  // namespace pipeline
