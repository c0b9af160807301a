// The functions that every Go template has (text/template: funcs.go).
#include <algorithm>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/template_cast.h"
#include "pipeline/parse/template_function.h"

namespace pipeline {

using Kind = TemplateValue::Kind;
using Integer = TemplateValue::Integer;

namespace {

// --- comparison

enum class Basic { kOther, kBool, kComplex, kInteger, kNumber, kText };
Basic basic_kind(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kBool: return Basic::kBool;
    case Kind::kComplex: return Basic::kComplex;
    case Kind::kInteger: return Basic::kInteger;
    case Kind::kNumber: return Basic::kNumber;
    case Kind::kText: return Basic::kText;
    default: return Basic::kOther;
  }
}

// 0: not equal, 1: equal.
Result<int> equal_values(const TemplateValue& a, const TemplateValue& b) {
  Basic kind = basic_kind(a);
  if (kind != basic_kind(b)) {
    if (a.is_absent() || b.is_absent()) return 0;
    return fail(Errc::kInvalid, "incompatible types for comparison");
  }
  if (kind == Basic::kInteger) return a.as_integer() == b.as_integer();
  if (kind == Basic::kOther) {
    if (a.is_absent() || b.is_absent()) return a.is_absent() == b.is_absent();
    if (!a.is(Kind::kTime) || !b.is(Kind::kTime)) {
      return fail(Errc::kInvalid, concat("non-comparable type ", go_type(a)));
    }
  }
  return is_equal(a, b);
}

Result<TemplateValue> eq(const TemplateCall& call) {
  if (call.size() < 2) return fail(Errc::kInvalid, "missing argument for comparison");
  for (size_t i = 1; i < call.size(); ++i) {
    TRY_LET(int equal, equal_values(call[0], call[i]));
    if (equal != 0) return TemplateValue::boolean(true);
  }
  return TemplateValue::boolean(false);
}

Result<TemplateValue> ne(const TemplateCall& call) {
  TRY_LET(int equal, equal_values(call[0], call[1]));
  return TemplateValue::boolean(equal == 0);
}

// -1, 0, 1; NaN compares as neither: 2.
Result<int> order(const TemplateValue& a, const TemplateValue& b) {
  Basic kind = basic_kind(a);
  if (kind == Basic::kOther || basic_kind(b) == Basic::kOther || (kind == basic_kind(b) && kind <= Basic::kComplex)) {
    return fail(Errc::kInvalid, "invalid type for comparison");
  }
  if (kind != basic_kind(b)) return fail(Errc::kInvalid, "incompatible types for comparison");
  if (kind == Basic::kText) {
    int by = a.as_text().compare(b.as_text());
    return by < 0 ? -1 : by > 0 ? 1 : 0;
  }
  if (kind == Basic::kInteger) return a.as_integer() < b.as_integer() ? -1 : a.as_integer() > b.as_integer() ? 1 : 0;
  double x = a.as_number(), y = b.as_number();
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

Result<TemplateValue> lt(const TemplateCall& call) {
  TRY_LET(int by, order(call[0], call[1]));
  return TemplateValue::boolean(by == -1);
}
Result<TemplateValue> le(const TemplateCall& call) {
  TRY_LET(int by, order(call[0], call[1]));
  return TemplateValue::boolean(by == -1 || by == 0);
}
Result<TemplateValue> gt(const TemplateCall& call) {
  TRY_LET(int by, order(call[0], call[1]));
  return TemplateValue::boolean(by == 1 || by == 2);  // as upstream: not <=
}
Result<TemplateValue> ge(const TemplateCall& call) {
  TRY_LET(int by, order(call[0], call[1]));
  return TemplateValue::boolean(by != -1);
}

Result<TemplateValue> not_(const TemplateCall& call) { return TemplateValue::boolean(!is_true(call[0])); }

// --- parts of values

Result<size_t> index_of(const TemplateValue& index, size_t size) {
  if (index.is_absent()) return fail(Errc::kInvalid, "cannot index slice/array with nil");
  if (!index.is(Kind::kInteger)) {
    return fail(Errc::kInvalid, concat("cannot index slice/array with type ", go_type(index)));
  }
  if (index.as_integer() < 0 || static_cast<size_t>(index.as_integer()) > size) {
    return fail(Errc::kInvalid, concat("index out of range: ", index.as_integer()));
  }
  return static_cast<size_t>(index.as_integer());
}

Result<TemplateValue> index(const TemplateCall& call) {
  TemplateValue value = call[0];
  if (value.is_absent()) return fail(Errc::kInvalid, "index of untyped nil");
  for (size_t i = 1; i < call.size(); ++i) {
    if (value.is_absent()) return fail(Errc::kInvalid, "index of nil pointer");
    const TemplateValue& at = call[i];
    if (value.is(Kind::kMap)) {
      if (!at.is(Kind::kText)) {
        return fail(Errc::kInvalid, at.is_absent() ? "value is nil; should be of type string"
                                                   : concat("value has type ", go_type(at), "; should be string"));
      }
      const TemplateMap& map = value.as_map();
      const TemplateValue* found = map.find(at.as_text());
      value = found != nullptr ? *found : map.only_texts ? TemplateValue::text("") : TemplateValue::nil();
    } else if (value.is(Kind::kList) || value.is(Kind::kText)) {
      size_t size = value.is(Kind::kList) ? value.as_list().size : value.as_text().size();
      TRY_LET(size_t place, index_of(at, size));
      if (place == size) return fail(Errc::kInvalid, concat("index out of range: ", at.as_integer()));
      value = value.is(Kind::kList)
                  ? value.as_list().items[place]
                  : TemplateValue::integer(static_cast<unsigned char>(value.as_text()[place]), Integer::kUint8);
    } else {
      return fail(Errc::kInvalid, concat("can't index item of type ", go_type(value)));
    }
  }
  return value;
}

Result<TemplateValue> slice(const TemplateCall& call) {
  const TemplateValue& value = call[0];
  if (value.is(Kind::kMissing)) return fail(Errc::kInvalid, "slice of untyped nil");
  if (call.size() > 4) return fail(Errc::kInvalid, concat("too many slice indexes: ", call.size() - 1));
  if (!value.is(Kind::kText) && !value.is(Kind::kList)) {
    return fail(Errc::kInvalid, concat("can't slice item of type ", go_type(value)));
  }
  if (value.is(Kind::kText) && call.size() == 4) return fail(Errc::kInvalid, "cannot 3-index slice a string");
  size_t size = value.is(Kind::kText) ? value.as_text().size() : value.as_list().size;
  size_t bounds[3] = {0, size, size};
  for (size_t i = 1; i < call.size(); ++i) { TRY_LET(bounds[i - 1], index_of(call[i], size)); }
  if (bounds[0] > bounds[1]) {
    return fail(Errc::kInvalid, concat("invalid slice index: ", bounds[0], " > ", bounds[1]));
  }
  if (value.is(Kind::kText)) return TemplateValue::text(value.as_text().substr(bounds[0], bounds[1] - bounds[0]));
  return part_of_list(call, value.as_list(), bounds[0], bounds[1]);
}

Result<TemplateValue> len(const TemplateCall& call) {
  switch (call[0].kind()) {
    case Kind::kText: return TemplateValue::integer(static_cast<int64_t>(call.text(0).size()));
    case Kind::kList: return TemplateValue::integer(static_cast<int64_t>(call[0].as_list().size));
    case Kind::kMap: return TemplateValue::integer(static_cast<int64_t>(call[0].as_map().size));
    case Kind::kMissing:
    case Kind::kNil: return fail(Errc::kInvalid, "len of nil pointer");
    default: return fail(Errc::kInvalid, concat("len of type ", go_type(call[0])));
  }
}

Result<TemplateValue> call_function(const TemplateCall& call) {
  if (call[0].is_absent()) return fail(Errc::kInvalid, "call of nil");
  return fail(Errc::kInvalid, concat("non-function of type ", go_type(call[0])));
}

// --- printing and escaping

Result<TemplateValue> print(const TemplateCall& call) {
  std::string out;
  append_go_print(out, call.arguments);
  return call.memory().text(out);
}
Result<TemplateValue> println(const TemplateCall& call) {
  std::string out;
  append_go_println(out, call.arguments);
  return call.memory().text(out);
}
Result<TemplateValue> printf(const TemplateCall& call) {
  std::string out;
  TRY(append_go_printf(out, call.text(0), call.arguments.subspan(1), call.run.limits().output_bytes));
  return call.memory().text(out);
}

// What html, js and urlquery escape.
std::string printed(const TemplateCall& call) {
  std::string out;
  std::vector<TemplateValue> values(call.arguments.begin(), call.arguments.end());
  for (TemplateValue& value : values) value = value.is_absent() ? TemplateValue::text("<no value>") : value;
  append_go_print(out, values);
  return out;
}

Result<TemplateValue> html(const TemplateCall& call) {
  std::string out;
  for (char c : printed(call)) {
    switch (c) {
      case '\0': out += "\xef\xbf\xbd"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out.push_back(c);
    }
  }
  return call.memory().text(out);
}

Result<TemplateValue> js(const TemplateCall& call) {
  std::string text = printed(call), out;
  constexpr char kHex[] = "0123456789ABCDEF";
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    switch (code) {
      case '\\': out += "\\\\"; break;
      case '\'': out += "\\'"; break;
      case '"': out += "\\\""; break;
      default:
        if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == '=' || (code >= 0x80 && code < 0xa1) ||
            code == 0x2028 || code == 0x2029) {
          out += "\\u";
          for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[code >> shift & 0xf]);
        } else {
          append_utf8(out, code);
        }
    }
  }
  return call.memory().text(out);
}

Result<TemplateValue> urlquery(const TemplateCall& call) {
  std::string out;
  append_query_escaped(out, printed(call));
  return call.memory().text(out);
}

// Without a function: the executor does it (and and or do not evaluate all of their arguments).
constexpr TemplateFunction kFunctions[] = {{"and", "r*", nullptr},
                                           {"or", "r*", nullptr},
                                           {"not", "r", not_},
                                           {"eq", "rr*", eq},
                                           {"ne", "rr", ne},
                                           {"lt", "rr", lt},
                                           {"le", "rr", le},
                                           {"gt", "rr", gt},
                                           {"ge", "rr", ge},
                                           {"index", "rr*", index},
                                           {"slice", "rr*", slice},
                                           {"len", "r", len},
                                           {"call", "rr*", call_function},
                                           {"print", "v*", print},
                                           {"println", "v*", println},
                                           {"printf", "sv*", printf},
                                           {"html", "v*", html},
                                           {"js", "v*", js},
                                           {"urlquery", "v*", urlquery}};

}  // namespace

TemplateFunctionList builtin_functions() { return kFunctions; }

const TemplateFunction* find_template_function(TemplateFunctions table, std::string_view name) {
  auto find = [&](TemplateFunctionList list) -> const TemplateFunction* {
    auto at = std::find_if(list.begin(), list.end(), [&](const TemplateFunction& f) { return f.name == name; });
    return at == list.end() ? nullptr : &*at;
  };
  if (table == TemplateFunctions::kLogql) {
    if (const auto* found = find(logql_functions())) return found;
    return find(builtin_functions());
  }
  // Sprig's slice stands before the built-in one.
  for (auto list : {stage_functions, text_functions, number_functions, list_functions, encoding_functions,
                    date_functions, builtin_functions}) {
    if (const auto* found = find(list())) return found;
  }
  return nullptr;
}

}  // namespace pipeline
