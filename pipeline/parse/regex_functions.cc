#include "pipeline/parse/regex_functions.h"

namespace pipeline {

Result<const Regex*> regex_of(const TemplateCall& call, std::string_view pattern) {
  auto regex = call.run.regex(pattern);
  if (regex) return regex;
  return fail(Errc::kInvalid, concat("regexp: Compile(`", pattern, "`): ", regex.error().message));
}

Result<std::string> regex_replace(const Regex& regex, std::string_view text, std::string_view with, bool literal,
                                  size_t limit_bytes) {
  std::string out;
  size_t copied = 0;
  bool too_long = false;
  text = searchable(text);
  regex.each_match(text, [&](std::span<const std::string_view> groups) {
    auto begin = static_cast<size_t>(groups[0].data() - text.data());
    out.append(text, copied, begin - copied);
    copied = begin + groups[0].size();
    if (literal) {
      out.append(with);
    } else {
      regex.expand(out, with, groups);
    }
    too_long = out.size() > limit_bytes;
    return !too_long;
  });
  if (too_long) return fail(Errc::kOverLimit, "the replacement makes too long a text");
  return out.append(text, copied);
}

std::vector<std::string_view> regex_find_all(const Regex& regex, std::string_view text, int64_t count) {
  std::vector<std::string_view> out;
  if (count == 0) return out;
  regex.each_match(text, [&](std::span<const std::string_view> groups) {
    out.push_back(groups[0]);
    return count < 0 || static_cast<int64_t>(out.size()) < count;
  });
  return out;
}

namespace {
Result<TemplateValue> replaced(const TemplateCall& call, bool literal) {
  TRY_LET(const Regex* regex, regex_of(call, call.text(0)));
  TRY_LET(std::string out, regex_replace(*regex, call.text(1), call.text(2), literal, call.run.limits().memory_bytes));
  return call.memory().text(out);
}
}  // namespace

Result<TemplateValue> regex_replace_all(const TemplateCall& call) { return replaced(call, false); }
Result<TemplateValue> regex_replace_all_literal(const TemplateCall& call) { return replaced(call, true); }

}  // namespace pipeline
