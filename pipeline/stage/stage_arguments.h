// StageArgument: one argument a stage has, for reading, checking and documenting alike; StageArguments: those of one
// [[...stage]] table, defaults filled in and types checked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/config/config.h"

namespace pipeline {

enum class ArgumentType {
  kText,
  kTexts,  // an array
  kBoolean,
  kInteger,
  kNumber,
  kNumbers,   // an array
  kDuration,  // text such as "3s"; may be negative
  kSize,      // text such as "10KiB" (argument_text.h), or a number of bytes; may be negative
  kTextMap,   // a table of texts
  kTables,    // [[...stage.name]]: tables whose arguments are StageArgument::members
  kStages,    // [[...stage.name]]: nested stages
};
std::string_view argument_type_name(ArgumentType type);

struct StageArgument {
  std::string_view name;
  ArgumentType type;
  std::string_view otherwise;  // the default, as text; "" for none
  bool required;
  std::string_view help;
  std::span<const StageArgument> members{};  // kTables
};

class StageArguments {
 public:
  // Nothing: a fault was added to the document of `table`. Other keys than these (and `type`) are faults, too, reported
  // when the document is finished.
  static std::optional<StageArguments> read(std::span<const StageArgument> known, const ConfigTable& table);

  const std::string& text(std::string_view name) const;
  const std::vector<std::string>& texts(std::string_view name) const;
  bool boolean(std::string_view name) const;
  int64_t integer(std::string_view name) const;  // also kSize, in bytes
  double number(std::string_view name) const;
  const std::vector<double>& numbers(std::string_view name) const;
  int64_t nanoseconds(std::string_view name) const;  // kDuration
  const std::vector<std::pair<std::string, std::string>>& text_map(std::string_view name) const;
  const std::vector<StageArguments>& tables(std::string_view name) const;
  bool given(std::string_view name) const;
  const ConfigTable& table() const { return table_; }  // for kStages

 private:
  using Texts = std::vector<std::string>;
  using Numbers = std::vector<double>;
  using TextMap = std::vector<std::pair<std::string, std::string>>;
  using Tables = std::vector<StageArguments>;
  using Value = std::variant<std::string, Texts, bool, int64_t, double, Numbers, TextMap, Tables>;
  explicit StageArguments(const ConfigTable& table) : table_(table) {}
  template <class T>
  const T& get(std::string_view name) const;
  static std::optional<Value> read_value(const StageArgument& argument, const ConfigTable& table);
  static std::optional<Value> read_tables(const StageArgument& argument, const ConfigTable& table);

  ConfigTable table_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace pipeline
