// The one table of stages: their names and arguments, for building, checking and documenting alike.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/stage/stage.h"

namespace pipeline {

enum class ArgumentType { kText, kTexts, kBoolean, kInteger, kDuration, kSize, kTextMap, kStages };
std::string_view argument_type_name(ArgumentType type);

struct StageArgument {
  std::string_view name;
  ArgumentType type;
  std::string_view otherwise;  // the default, as text; "" for none
  bool required;
  std::string_view help;
};

struct StageKind;

// The arguments of one stage as they were configured, defaults filled in and types checked.
class StageArguments {
 public:
  const std::string& text(std::string_view name) const;
  const std::vector<std::string>& texts(std::string_view name) const;
  bool boolean(std::string_view name) const;
  int64_t integer(std::string_view name) const;      // also kSize, in bytes
  int64_t nanoseconds(std::string_view name) const;  // kDuration
  const std::vector<std::pair<std::string, std::string>>& text_map(std::string_view name) const;
  bool given(std::string_view name) const;
  const ConfigTable& table() const { return table_; }  // for kStages

 private:
  friend std::optional<StageArguments> read_arguments(const StageKind& kind, const ConfigTable& table);
  using Texts = std::vector<std::string>;
  using TextMap = std::vector<std::pair<std::string, std::string>>;
  using Value = std::variant<std::string, Texts, bool, int64_t, TextMap>;
  explicit StageArguments(const ConfigTable& table) : table_(table) {}
  template <class T>
  const T& get(std::string_view name) const;

  ConfigTable table_;
  std::map<std::string, Value, std::less<>> values_;
};

struct StageKind {
  std::string_view name;
  std::string_view help;
  std::span<const StageArgument> arguments;
  Result<std::unique_ptr<Stage>> (*build)(const StageArguments& arguments);  // kInvalid: Alloy's text
};

// Nothing: a fault was added to the document of `table`.
std::optional<StageArguments> read_arguments(const StageKind& kind, const ConfigTable& table);

std::span<const StageKind> stage_kinds();
// Stages of Alloy that this version does not have: `stage "multiline" is not supported yet`.
std::span<const std::string_view> later_stage_names();

// Builds the stage of one [[...stage]] table; faults go to its document and give null.
std::unique_ptr<Stage> build_stage(const ConfigTable& table);

}  // namespace pipeline
