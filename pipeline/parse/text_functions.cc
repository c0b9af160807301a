// Functions on texts, with Sprig's names and order of arguments: what is piped in comes last.
#include <algorithm>

#include "pipeline/model/letter_case.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_text.h"
#include "pipeline/parse/template_cast.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Call = TemplateCall;

Result<Value> lower(const Call& call) { return call.memory().text(to_lower(call.text(0))); }
Result<Value> upper(const Call& call) { return call.memory().text(to_upper(call.text(0))); }
Result<Value> trim(const Call& call) { return Value::text(go_text::trim_space(call.text(0))); }
Result<Value> trim_all(const Call& call) { return Value::text(go_text::trim(call.text(1), call.text(0))); }

Result<Value> trim_prefix(const Call& call) {
  std::string_view text = call.text(1);
  if (text.starts_with(call.text(0))) text.remove_prefix(call.text(0).size());
  return Value::text(text);
}
Result<Value> trim_suffix(const Call& call) {
  std::string_view text = call.text(1);
  if (text.ends_with(call.text(0))) text.remove_suffix(call.text(0).size());
  return Value::text(text);
}

Result<Value> contains(const Call& call) {
  return Value::boolean(call.text(1).find(call.text(0)) != std::string::npos);
}
Result<Value> has_prefix(const Call& call) { return Value::boolean(call.text(1).starts_with(call.text(0))); }
Result<Value> has_suffix(const Call& call) { return Value::boolean(call.text(1).ends_with(call.text(0))); }

Result<Value> replace(const Call& call) {
  TRY_LET(std::string out,
          go_text::replace(call.text(2), call.text(0), call.text(1), -1, call.run.limits().memory_bytes));
  return call.memory().text(out);
}

Result<Value> repeat(const Call& call) {
  int64_t count = call.integer(0);
  std::string_view text = call.text(1);
  if (count < 0) return fail(Errc::kInvalid, "strings: negative Repeat count");
  if (text.empty()) return Value::text("");
  if (static_cast<uint64_t>(count) > call.run.limits().memory_bytes / text.size()) {
    return fail(Errc::kOverLimit, "repeat makes too long a text");
  }
  std::string out;
  out.reserve(text.size() * static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) out.append(text);
  return call.memory().text(out);
}

// Bytes, as upstream: it may cut a character.
Result<Value> trunc(const Call& call) {
  int64_t count = call.integer(0);
  std::string_view text = call.text(1);
  auto size = static_cast<int64_t>(text.size());
  if (count < 0 && count >= -size && size + count > 0)
    return Value::text(text.substr(static_cast<size_t>(size + count)));
  if (count >= 0 && size > count) return Value::text(text.substr(0, static_cast<size_t>(count)));
  return Value::text(text);
}

Result<Value> substr(const Call& call) {
  int64_t begin = call.integer(0), end = call.integer(1);
  std::string_view text = call.text(2);
  auto size = static_cast<int64_t>(text.size());
  if (begin < 0) {
    if (end < 0 || end > size) return out_of_range(0, end, text.size());
    return Value::text(text.substr(0, static_cast<size_t>(end)));
  }
  if (end < 0 || end > size) end = size;
  if (begin > end) return out_of_range(begin, end, text.size());
  return Value::text(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
}

Result<Value> indent_by(const Call& call, std::string_view before) {
  int64_t blanks = call.integer(0);
  if (blanks < 0) return fail(Errc::kInvalid, "strings: negative Repeat count");
  std::string_view text = call.text(1);
  auto lines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (static_cast<uint64_t>(blanks) > call.run.limits().memory_bytes / lines) {
    return fail(Errc::kOverLimit, "indent makes too long a text");
  }
  std::string pad(static_cast<size_t>(blanks), ' '), out(before);
  out += pad;
  for (char c : text) {
    out.push_back(c);
    if (c == '\n') out += pad;
  }
  return call.memory().text(out);
}
Result<Value> indent(const Call& call) { return indent_by(call, ""); }
Result<Value> nindent(const Call& call) { return indent_by(call, "\n"); }

Result<Value> title(const Call& call) {
  std::string out;
  bool starts = true;
  std::string_view text = call.text(0);
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    append_utf8(out, starts ? upper_letter(code) : code);
    starts = code != '_' && !is_letter_or_digit(code) && (code < 0x80 || go_text::is_space(code));
  }
  return call.memory().text(out);
}

// The first letter of every word turned.
template <class Turn>
std::string turn_words(std::string_view text, Turn turn) {
  std::string out;
  bool starts = true;
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    bool space = go_text::is_space(code);
    append_utf8(out, starts && !space ? turn(code) : code);
    starts = space;
  }
  return out;
}
Result<Value> untitle(const Call& call) { return call.memory().text(turn_words(call.text(0), lower_letter)); }

// initials and nospace take every byte for a character, as the library behind Sprig.
Result<Value> initials(const Call& call) {
  std::string out;
  bool starts = true;
  for (char c : call.text(0)) {
    const auto code = static_cast<unsigned char>(c);
    bool space = go_text::is_space(code);
    if (starts && !space) append_utf8(out, code);
    starts = space;
  }
  return call.memory().text(out);
}

Result<Value> nospace(const Call& call) {
  std::string out;
  const std::string_view text = call.text(0);
  auto is_space = [](char c) { return go_text::is_space(static_cast<unsigned char>(c)); };
  if (std::none_of(text.begin(), text.end(), is_space)) return call[0];
  for (char c : text) {
    if (!is_space(c)) append_utf8(out, static_cast<unsigned char>(c));
  }
  return call.memory().text(out);
}

Result<Value> swapcase(const Call& call) {
  std::string out;
  std::string_view text = call.text(0);
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    append_utf8(out, is_upper_letter(code) ? lower_letter(code) : upper_letter(code));
  }
  return call.memory().text(out);
}

Result<Value> snakecase(const Call& call) { return call.memory().text(go_text::joined_words(call.text(0), '_')); }
Result<Value> kebabcase(const Call& call) { return call.memory().text(go_text::joined_words(call.text(0), '-')); }
Result<Value> camelcase(const Call& call) { return call.memory().text(go_text::pascal_case(call.text(0))); }

Result<Value> abbrev(const Call& call) {
  return call.memory().text(go_text::abbreviate(call.text(1), 0, call.integer(0)));
}
Result<Value> abbrevboth(const Call& call) {
  int64_t left = call.integer(0), right = call.integer(1);
  if (right < 4 || (left > 0 && right < 7)) return call[2];
  return call.memory().text(go_text::abbreviate(call.text(2), std::max<int64_t>(left, 0), right));
}

Result<Value> wrap(const Call& call) {
  return call.memory().text(go_text::wrap(call.text(1), call.integer(0), "\n", false));
}
Result<Value> wrap_with(const Call& call) {
  return call.memory().text(go_text::wrap(call.text(2), call.integer(0), call.text(1), true));
}

Result<Value> quote_with(const Call& call, bool single) {
  std::string out;
  for (const Value& value : call.arguments) {
    if (value.is_absent()) continue;
    if (!out.empty()) out.push_back(' ');
    TRY_LET(std::string_view text, text_of(call, value));
    if (single) {
      out.append("'").append(text).append("'");
    } else {
      append_go_quoted(out, text);
    }
  }
  return call.memory().text(out);
}
Result<Value> quote(const Call& call) { return quote_with(call, false); }
Result<Value> squote(const Call& call) { return quote_with(call, true); }

Result<Value> cat(const Call& call) {
  std::string out;
  bool first = true;
  for (const Value& value : call.arguments) {
    if (value.is_absent()) continue;
    TRY_LET(std::string_view text, text_of(call, value));
    if (!first) out.push_back(' ');
    first = false;
    out.append(text);
  }
  return call.memory().text(out);
}

Result<Value> plural(const Call& call) { return call[call.integer(2) == 1 ? 0 : 1]; }

Result<Value> split_list(const Call& call) {
  return list_of_texts(call, go_text::split(call.text(1), call.text(0), -1));
}

// _0, _1, ...
Result<Value> numbered(const Call& call, const std::vector<std::string_view>& parts) {
  TRY_LET(TemplateMap * map, call.memory().map(parts.size()));
  map->only_texts = true;
  for (size_t i = 0; i < parts.size(); ++i) {
    TRY_LET(Value name, call.memory().text(concat("_", i)));
    TRY(call.memory().set(*map, name.as_text(), Value::text(parts[i])));
  }
  return Value::map(map);
}
Result<Value> split(const Call& call) { return numbered(call, go_text::split(call.text(1), call.text(0), -1)); }
Result<Value> splitn(const Call& call) {
  return numbered(call, go_text::split(call.text(2), call.text(0), call.integer(1)));
}

Result<Value> to_string(const Call& call) {
  TRY_LET(std::string_view text, text_of(call, call[0]));
  return Value::text(text);
}
Result<Value> to_strings(const Call& call) {
  TRY_LET(auto texts, texts_of(call, call[0]));
  return list_of_texts(call, texts);
}
Result<Value> join(const Call& call) {
  TRY_LET(auto texts, texts_of(call, call[1]));
  size_t size = texts.size() * call.text(0).size();
  for (std::string_view text : texts) size += text.size();
  if (size > call.run.limits().memory_bytes) return fail(Errc::kOverLimit, "join makes too long a text");
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) out.append(i > 0 ? call.text(0) : "").append(texts[i]);
  return call.memory().text(out);
}
Result<Value> sort_alpha(const Call& call) {
  if (call[0].is_absent()) return list_of_texts(call, {"<nil>"});
  TRY_LET(auto texts, texts_of(call, call[0]));
  std::sort(texts.begin(), texts.end());
  return list_of_texts(call, texts);
}

constexpr TemplateFunction kFunctions[] = {{"lower", "s", lower},
                                           {"upper", "s", upper},
                                           {"title", "s", title},
                                           {"trim", "s", trim},
                                           {"trimAll", "ss", trim_all},
                                           {"trimPrefix", "ss", trim_prefix},
                                           {"trimSuffix", "ss", trim_suffix},
                                           {"contains", "ss", contains},
                                           {"hasPrefix", "ss", has_prefix},
                                           {"hasSuffix", "ss", has_suffix},
                                           {"replace", "sss", replace},
                                           {"repeat", "is", repeat},
                                           {"trunc", "is", trunc},
                                           {"substr", "iis", substr},
                                           {"indent", "is", indent},
                                           {"nindent", "is", nindent},
                                           {"trimall", "ss", trim_all},
                                           {"untitle", "s", untitle},
                                           {"initials", "s", initials},
                                           {"nospace", "s", nospace},
                                           {"swapcase", "s", swapcase},
                                           {"snakecase", "s", snakecase},
                                           {"kebabcase", "s", kebabcase},
                                           {"camelcase", "s", camelcase},
                                           {"abbrev", "is", abbrev},
                                           {"abbrevboth", "iis", abbrevboth},
                                           {"wrap", "is", wrap},
                                           {"wrapWith", "iss", wrap_with},
                                           {"quote", "v*", quote},
                                           {"squote", "v*", squote},
                                           {"cat", "v*", cat},
                                           {"plural", "ssi", plural},
                                           {"splitList", "ss", split_list},
                                           {"split", "ss", split},
                                           {"splitn", "sis", splitn},
                                           {"toString", "v", to_string},
                                           {"toStrings", "v", to_strings},
                                           {"join", "sv", join},
                                           {"sortAlpha", "v", sort_alpha}};

}  // namespace

TemplateFunctionList text_functions() { return kFunctions; }

}  // namespace pipeline
