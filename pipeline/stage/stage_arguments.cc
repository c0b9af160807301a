#include "pipeline/stage/stage_arguments.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "pipeline/config/value_check.h"
#include "pipeline/stage/argument_text.h"

namespace pipeline {

namespace {

bool is_number(ConfigKind kind) { return kind == ConfigKind::kInteger || kind == ConfigKind::kNumber; }

// The value in the file is of the argument's type, or absent.
bool check_type(const StageArgument& argument, const ConfigTable& table) {
  using enum ArgumentType;
  const std::string_view name = argument.name;
  switch (argument.type) {
    case kText:
    case kDuration: return check_kind(table, name, "string");
    case kSize: return is_number(table.kind(name)) || check_kind(table, name, "string");
    case kBoolean: return check_kind(table, name, "bool");
    case kInteger:
    case kNumber: return check_kind(table, name, "number");
    case kTexts: return check_kind(table, name, "array") && check_element_kinds(table, name, "string");
    case kNumbers: return check_kind(table, name, "array") && check_element_kinds(table, name, "number");
    case kTextMap:
      if (table.kind(name) == ConfigKind::kTable) table.table(name).ignore_rest();
      return check_kind(table, name, "object") && check_element_kinds(table, name, "string");
    case kTables:
    case kStages: return true;  // said where they are read
  }
  return true;
}

// A duration or size: the text in the file, else the default.
std::optional<int64_t> read_quantity(const StageArgument& argument, const ConfigTable& table,
                                     Result<int64_t> (*parse)(std::string_view)) {
  const std::string_view name = argument.name;
  if (is_number(table.kind(name))) return table.integer(name, 0);
  const std::string text = table.string(name, argument.otherwise.empty() ? "0" : argument.otherwise);
  auto value = parse(text);
  if (value) return *value;
  table.error_at(name, concat(name, ": \"", text, "\" ", value.error().message),
                 argument.type == ArgumentType::kSize ? "for example \"64KiB\"" : "for example \"1h30m\" or \"500ms\"");
  return std::nullopt;
}

double default_number(const StageArgument& argument) {
  return argument.otherwise.empty() ? 0 : std::stod(std::string(argument.otherwise));
}

}  // namespace

std::string_view argument_type_name(ArgumentType type) {
  constexpr std::string_view kNames[] = {"text",           "list of texts",   "boolean",  "integer",
                                         "number",         "list of numbers", "duration", "size",
                                         "table of texts", "tables",          "stages"};
  return kNames[static_cast<size_t>(type)];
}

std::optional<StageArguments> StageArguments::read(std::span<const StageArgument> known, const ConfigTable& table) {
  table.name_unknown_keys("unrecognized attribute name");
  StageArguments out(table);
  bool complete = true;
  for (const StageArgument& argument : known) {
    if (argument.required && !table.has(argument.name)) {
      const std::string_view what = argument.type == ArgumentType::kTables ? "block" : "attribute";
      table.error(concat("missing required ", what, " \"", argument.name, "\""), std::string(argument.help));
      complete = false;
    }
    if (argument.type == ArgumentType::kStages) {  // read by the stage itself
      table.has(argument.name);
      continue;
    }
    auto value = check_type(argument, table) ? read_value(argument, table) : std::nullopt;
    if (!value) complete = false;
    if (value) out.values_.emplace(argument.name, *std::move(value));
  }
  if (!complete) return std::nullopt;
  return out;
}

std::optional<StageArguments::Value> StageArguments::read_value(const StageArgument& argument,
                                                                const ConfigTable& table) {
  using enum ArgumentType;
  const std::string_view name = argument.name;
  switch (argument.type) {
    case kText: return table.string(name, argument.otherwise);
    case kTexts: return table.strings(name);
    case kBoolean: return table.boolean(name, argument.otherwise == "true");
    case kInteger: return table.integer(name, static_cast<int64_t>(default_number(argument)));
    case kNumber: return table.number(name, default_number(argument));
    case kNumbers: return table.numbers(name);
    case kDuration: return read_quantity(argument, table, parse_argument_duration);
    case kSize: return read_quantity(argument, table, parse_argument_size);
    case kTextMap: return table.string_map(name);
    case kTables: return read_tables(argument, table);
    case kStages: break;
  }
  return std::nullopt;
}

std::optional<StageArguments::Value> StageArguments::read_tables(const StageArgument& argument,
                                                                 const ConfigTable& table) {
  Tables out;
  bool complete = true;
  for (const ConfigTable& inner : table.tables(argument.name)) {
    auto arguments = read(argument.members, inner);
    if (!arguments) complete = false;
    if (arguments) out.push_back(*std::move(arguments));
  }
  if (!complete) return std::nullopt;
  return out;
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
double StageArguments::number(std::string_view name) const { return get<double>(name); }
const std::vector<double>& StageArguments::numbers(std::string_view name) const { return get<Numbers>(name); }
int64_t StageArguments::nanoseconds(std::string_view name) const { return get<int64_t>(name); }
const std::vector<std::pair<std::string, std::string>>& StageArguments::text_map(std::string_view name) const {
  return get<TextMap>(name);
}
const std::vector<StageArguments>& StageArguments::tables(std::string_view name) const { return get<Tables>(name); }
bool StageArguments::given(std::string_view name) const { return table_.has(name); }

}  // namespace pipeline
