#include "pipeline/stage/stage_table.h"

#include <algorithm>
#include <array>

#include "pipeline/base/invariant.h"
#include "pipeline/base/quantity.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

// Of Alloy, in later versions of ours.
constexpr std::string_view kLaterStages[] = {"decolorize",
                                             "eventlogmessage",
                                             "geoip",
                                             "limit",
                                             "logfmt",
                                             "luhn",
                                             "metrics",
                                             "multiline",
                                             "pack",
                                             "pattern",
                                             "replace",
                                             "sampling",
                                             "split_json",
                                             "structured_metadata",
                                             "structured_metadata_drop",
                                             "template",
                                             "tenant",
                                             "truncate",
                                             "windowsevent"};

const StageKind* find_kind(std::string_view name) {
  for (const StageKind& kind : stage_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

void refuse_unknown(const ConfigTable& table, const std::string& type) {
  table.ignore_rest();
  if (std::find(std::begin(kLaterStages), std::end(kLaterStages), type) != std::end(kLaterStages)) {
    table.error_at("type", concat("stage \"", type, "\" is not supported yet"));
    return;
  }
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
  table.error_at("type", concat("unknown stage \"", type, "\""), remedy);
}

}  // namespace

std::string_view argument_type_name(ArgumentType type) {
  constexpr std::string_view kNames[] = {"text",     "list of texts", "boolean",        "integer",
                                         "duration", "size",          "table of texts", "stages"};
  return kNames[static_cast<size_t>(type)];
}

template <class T>
const T& StageArguments::get(std::string_view name) const {
  auto found = values_.find(name);
  INVARIANT(found != values_.end() && std::holds_alternative<T>(found->second));
  return std::get<T>(found->second);
}

const std::string& StageArguments::text(std::string_view name) const { return get<std::string>(name); }
const std::vector<std::string>& StageArguments::texts(std::string_view name) const { return get<Texts>(name); }
bool StageArguments::boolean(std::string_view name) const { return get<bool>(name); }
int64_t StageArguments::integer(std::string_view name) const { return get<int64_t>(name); }
int64_t StageArguments::nanoseconds(std::string_view name) const { return get<int64_t>(name); }
const std::vector<std::pair<std::string, std::string>>& StageArguments::text_map(std::string_view name) const {
  return get<TextMap>(name);
}
bool StageArguments::given(std::string_view name) const { return table_.has(name); }

std::optional<StageArguments> read_arguments(const StageKind& kind, const ConfigTable& table) {
  StageArguments out(table);
  bool complete = true;
  for (const StageArgument& argument : kind.arguments) {
    std::string_view name = argument.name, otherwise = argument.otherwise;
    if (argument.required && !table.has(name)) {
      table.error(concat("missing required attribute \"", name, "\""), std::string(argument.help));
      complete = false;
    }
    StageArguments::Value value;
    switch (argument.type) {
      case ArgumentType::kText: value = table.string(name, otherwise); break;
      case ArgumentType::kTexts:
        if (table.kind(name) == ConfigKind::kString) table.error_at(name, "should be array, got string");
        value = table.strings(name);
        break;
      case ArgumentType::kBoolean: value = table.boolean(name, otherwise == "true"); break;
      case ArgumentType::kInteger: value = table.integer(name, std::stoll(std::string(otherwise))); break;
      case ArgumentType::kDuration:
        value = static_cast<int64_t>(table.duration(name, std::chrono::nanoseconds(0)).count());
        break;
      case ArgumentType::kSize: value = static_cast<int64_t>(table.size(name, 0)); break;
      case ArgumentType::kTextMap: value = table.string_map(name); break;
      case ArgumentType::kStages: continue;  // read by the stage itself
    }
    out.values_.emplace(name, std::move(value));
  }
  if (!complete) return std::nullopt;
  return out;
}

std::span<const StageKind> stage_kinds() {
  static const std::array kKinds = {kCriStage,       kDockerStage,       kJsonStage,      kRegexStage,
                                    kLabelsStage,    kStaticLabelsStage, kLabelDropStage, kLabelKeepStage,
                                    kTimestampStage, kOutputStage,       kDropStage,      kMatchStage};
  return kKinds;
}

std::span<const std::string_view> later_stage_names() { return kLaterStages; }

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
  auto arguments = read_arguments(*kind, table);
  if (!arguments) return nullptr;
  Result<std::unique_ptr<Stage>> stage = kind->build(*arguments);
  if (stage) return *std::move(stage);
  table.error(stage.error().message);
  return nullptr;
}

}  // namespace pipeline
