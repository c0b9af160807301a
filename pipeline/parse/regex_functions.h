// Functions on regular expressions that the stages and LogQL share. For the template_* files of this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parse/template_function.h"

namespace pipeline {

// The expression compiled once per run; kInvalid: as Go's MustCompile panics.
Result<const Regex*> regex_of(const TemplateCall& call, std::string_view pattern);

// Go's ReplaceAllString; `literal`: $1 is nothing special.
Result<std::string> regex_replace(const Regex& regex, std::string_view text, std::string_view with, bool literal,
                                  size_t limit_bytes);
// Go's FindAllString: at most `count` matches, all if negative.
std::vector<std::string_view> regex_find_all(const Regex& regex, std::string_view text, int64_t count);

Result<TemplateValue> regex_replace_all(const TemplateCall& call);          // expression, text, replacement
Result<TemplateValue> regex_replace_all_literal(const TemplateCall& call);  // the same

}  // namespace pipeline
