#include "server/logql/page_conditions.h"

#include <algorithm>
#include <optional>

#include "server/logql/implied_text.h"

namespace server {

namespace {

// Where labels come from, as far as stages have been looked at.
enum class Origin { kMetadata, kLineOrMetadata };

// Set by the pipeline, or made from another label of the entry (name_extracted).
bool has_other_origin(std::string_view name) { return name.starts_with("__") || name.ends_with("_extracted"); }

std::optional<PageCondition> condition_of(const LabelMatcher& matcher, Origin origin) {
  if (has_other_origin(matcher.name)) return std::nullopt;
  PageCondition out;
  out.not_with = {matcher.name};
  if (matcher.op == MatchOp::kEqual && !matcher.value.empty()) {
    out.texts = {matcher.value};
    out.metadata = {{matcher.name, matcher.value}};
  } else if (matcher.op == MatchOp::kRegex) {
    for (pipeline::RequiredLiteral& literal : required_in_values(matcher.value))
      out.texts.push_back(std::move(literal.text));
    out.metadata = {{matcher.name, std::string(kAnyMetadataValue)}};
    const bool any = std::any_of(out.texts.begin(), out.texts.end(), [](const auto& text) { return text.empty(); });
    if (any || out.texts.empty()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (origin == Origin::kMetadata) {
    out.texts.clear();
    return out;
  }
  if (!std::all_of(out.texts.begin(), out.texts.end(), stays_as_written)) return std::nullopt;
  out.or_backslash = true;  // a value may be written with escapes
  return out;
}

// One condition of which the filter says that it holds.
std::optional<PageCondition> condition_of(const LabelFilter& filter, Origin origin) {
  if (filter.kind == LabelFilter::Kind::kString) return condition_of(filter.matcher, origin);
  const bool both = filter.kind == LabelFilter::Kind::kAnd;
  if (!both && filter.kind != LabelFilter::Kind::kOr) return std::nullopt;
  std::optional<PageCondition> out;
  for (const LabelFilter& operand : filter.operands) {
    auto condition = condition_of(operand, origin);
    if (both && condition) return condition;
    if (both) continue;
    if (!condition) return std::nullopt;
    if (!out) out.emplace();
    out->texts.insert(out->texts.end(), condition->texts.begin(), condition->texts.end());
    out->metadata.insert(out->metadata.end(), condition->metadata.begin(), condition->metadata.end());
    out->not_with.insert(out->not_with.end(), condition->not_with.begin(), condition->not_with.end());
    out->or_backslash = out->or_backslash || condition->or_backslash;
  }
  return out;
}

void add_conditions(const LabelFilter& filter, Origin origin, std::vector<PageCondition>& out) {
  if (filter.kind == LabelFilter::Kind::kAnd) {
    for (const LabelFilter& operand : filter.operands) add_conditions(operand, origin, out);
  } else if (auto condition = condition_of(filter, origin)) {
    out.push_back(*std::move(condition));
  }
}

bool is_parser(const Stage& stage) {
  return std::holds_alternative<JsonStage>(stage) || std::holds_alternative<LogfmtStage>(stage) ||
         std::holds_alternative<RegexpStage>(stage) || std::holds_alternative<PatternStage>(stage);
}

}  // namespace

std::vector<PageCondition> page_conditions(const std::vector<Stage>& stages, const LogPipeline& pipeline) {
  std::vector<PageCondition> out;
  for (const pipeline::LineFilter& filter : pipeline.leading().filters()) {
    if (filter.is_negative() || filter.required().empty()) continue;
    PageCondition& condition = out.emplace_back();
    for (const auto& literal : filter.required()) condition.texts.push_back(literal.literal());
  }
  Origin origin = Origin::kMetadata;
  for (const Stage& stage : stages) {
    if (const auto* filter = std::get_if<LabelFilterStage>(&stage)) {
      add_conditions(filter->filter, origin, out);
    } else if (is_parser(stage)) {
      origin = Origin::kLineOrMetadata;
    } else if (!std::holds_alternative<LineFilterStage>(stage)) {
      break;
    }
  }
  return out;
}

}  // namespace server
