// The functions that Go templates can call. For the template_* files of this room.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipeline/parse/go_template.h"

namespace pipeline {

struct TemplateCall {
  std::span<const TemplateValue> arguments;  // of the types that the function declares
  TemplateRun& run;

  size_t size() const { return arguments.size(); }
  const TemplateValue& operator[](size_t i) const { return arguments[i]; }
  std::string_view text(size_t i) const { return arguments[i].as_text(); }
  int64_t integer(size_t i) const { return arguments[i].as_integer(); }
  TemplateMemory& memory() const { return run.memory(); }
};

struct TemplateFunction {
  std::string_view name;
  // One letter per parameter: s string, i int, l int64, b bool, f float64, m map[string]interface {}, t time.Time,
  // v interface {}, r any value as it is (reflect.Value). A last * repeats the one before it (none or more).
  std::string_view parameters;
  Result<TemplateValue> (*call)(const TemplateCall& call);  // an error: Go's text behind "error calling NAME: "
};

using TemplateFunctionList = std::span<const TemplateFunction>;

TemplateFunctionList builtin_functions();   // template_builtins.cc: len, index, printf, eq, ...
TemplateFunctionList text_functions();      // text_functions.cc
TemplateFunctionList number_functions();    // number_functions.cc
TemplateFunctionList list_functions();      // list_functions.cc: lists and maps
TemplateFunctionList encoding_functions();  // encoding_functions.cc: digests, base64, JSON, URLs, paths, types
TemplateFunctionList date_functions();      // date_functions.cc
TemplateFunctionList stage_functions();     // stage_functions.cc: Alloy's own and those of Sprig that only it has
TemplateFunctionList logql_functions();     // logql_functions.cc: Loki's own

// Null: there is none of that name.
const TemplateFunction* find_template_function(TemplateFunctions table, std::string_view name);

}  // namespace pipeline
