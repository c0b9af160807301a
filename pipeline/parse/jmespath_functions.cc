// The functions of JMESPath, community edition.
#include <algorithm>
#include <cmath>
#include <map>

#include "pipeline/model/letter_case.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_text.h"
#include "pipeline/parse/jmespath_node.h"
#include "pipeline/parse/value_text.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Arguments = std::vector<JmesArgument>;

std::string_view text_at(const Arguments& arguments, size_t i) { return arguments[i].value.as_text(); }
TemplateList& list_at(const Arguments& arguments, size_t i) { return arguments[i].value.as_list(); }
double number_at(const Arguments& arguments, size_t i) { return arguments[i].value.as_number(); }

Result<Value> list_of(JmesSearch& search, const std::vector<Value>& items) {
  TRY_LET(TemplateList * list, search.memory().list(items.size()));
  std::copy(items.begin(), items.end(), list->items);
  return Value::list(list);
}

// --- numbers

Result<Value> abs(JmesSearch&, const Arguments& a) { return Value::number(std::fabs(number_at(a, 0))); }
Result<Value> ceil(JmesSearch&, const Arguments& a) { return Value::number(std::ceil(number_at(a, 0))); }
Result<Value> floor(JmesSearch&, const Arguments& a) { return Value::number(std::floor(number_at(a, 0))); }
Result<Value> sum(JmesSearch&, const Arguments& a) {
  double total = 0;
  for (const Value& item : list_at(a, 0)) total += item.as_number();
  return Value::number(total);
}
Result<Value> avg(JmesSearch& search, const Arguments& a) {
  if (list_at(a, 0).size == 0) return Value::nil();
  TRY_LET(Value total, sum(search, a));
  return Value::number(total.as_number() / static_cast<double>(list_at(a, 0).size));
}

// Numbers by size, texts by their bytes.
bool is_less(const Value& a, const Value& b) {
  return a.is(Kind::kText) ? a.as_text() < b.as_text() : a.as_number() < b.as_number();
}

Result<Value> max(JmesSearch&, const Arguments& a) {
  const TemplateList& list = list_at(a, 0);
  return list.size == 0 ? Value::nil() : *std::max_element(list.begin(), list.end(), is_less);
}
Result<Value> min(JmesSearch&, const Arguments& a) {
  const TemplateList& list = list_at(a, 0);
  return list.size == 0 ? Value::nil() : *std::min_element(list.begin(), list.end(), is_less);
}
Result<Value> sort(JmesSearch& search, const Arguments& a) {
  std::vector<Value> items(list_at(a, 0).begin(), list_at(a, 0).end());
  std::stable_sort(items.begin(), items.end(), is_less);
  return list_of(search, items);
}

// The key of every element: all numbers or all texts.
struct Keyed {
  Value key, item;
};
Result<std::vector<Keyed>> keyed(JmesSearch& search, const Arguments& a) {
  std::vector<Keyed> out;
  for (const Value& item : list_at(a, 0)) {
    TRY_LET(Value key, search.run(*a[1].expression, item));
    bool fits = key.is(Kind::kNumber) || key.is(Kind::kText);
    if (!fits || (!out.empty() && out[0].key.kind() != key.kind())) {
      return fail(Errc::kInvalid, "invalid type, must be number or string");
    }
    out.push_back({key, item});
  }
  return out;
}
bool is_key_less(const Keyed& a, const Keyed& b) { return is_less(a.key, b.key); }

Result<Value> max_by(JmesSearch& search, const Arguments& a) {
  if (list_at(a, 0).size == 1) return list_at(a, 0).items[0];
  TRY_LET(auto items, keyed(search, a));
  return items.empty() ? Value::nil() : std::max_element(items.begin(), items.end(), is_key_less)->item;
}
Result<Value> min_by(JmesSearch& search, const Arguments& a) {
  if (list_at(a, 0).size == 1) return list_at(a, 0).items[0];
  TRY_LET(auto items, keyed(search, a));
  return items.empty() ? Value::nil() : std::min_element(items.begin(), items.end(), is_key_less)->item;
}
Result<Value> sort_by(JmesSearch& search, const Arguments& a) {
  if (list_at(a, 0).size == 1) return a[0].value;
  TRY_LET(auto items, keyed(search, a));
  std::stable_sort(items.begin(), items.end(), is_key_less);
  std::vector<Value> out;
  for (const Keyed& item : items) out.push_back(item.item);
  return list_of(search, out);
}
Result<Value> group_by(JmesSearch& search, const Arguments& a) {
  std::map<std::string_view, std::vector<Value>> groups;
  for (const Value& item : list_at(a, 0)) {
    TRY_LET(Value key, search.run(*a[1].expression, item));
    if (!key.is(Kind::kText)) return fail(Errc::kInvalid, "invalid type, the expression must evaluate to a string");
    groups[key.as_text()].push_back(item);
  }
  if (groups.empty()) return Value::nil();
  TRY_LET(TemplateMap * out, search.memory().map(groups.size()));
  size_t count = 0;
  for (const auto& [name, items] : groups) {
    TRY_LET(Value list, list_of(search, items));
    out->members[count++] = {name, list};
  }
  out->adopt(count);
  return Value::map(out);
}
Result<Value> map_all(JmesSearch& search, const Arguments& a) {
  std::vector<Value> out;
  for (const Value& item : list_at(a, 1)) {
    TRY_LET(Value value, search.run(*a[0].expression, item));
    out.push_back(value.is_absent() ? Value::nil() : value);
  }
  return list_of(search, out);
}

// --- texts

int64_t count_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}
Result<int64_t> whole_at(const Arguments& a, size_t i) {
  double number = number_at(a, i);
  if (number != std::trunc(number) || std::fabs(number) > 1e15) {
    return fail(Errc::kInvalid, "invalid value, must be an integer");
  }
  return static_cast<int64_t>(number);
}

Result<Value> lower(JmesSearch& search, const Arguments& a) { return search.memory().text(to_lower(text_at(a, 0))); }
Result<Value> upper(JmesSearch& search, const Arguments& a) { return search.memory().text(to_upper(text_at(a, 0))); }
Result<Value> starts_with(JmesSearch&, const Arguments& a) {
  return Value::boolean(text_at(a, 0).starts_with(text_at(a, 1)));
}
Result<Value> ends_with(JmesSearch&, const Arguments& a) {
  return Value::boolean(text_at(a, 0).ends_with(text_at(a, 1)));
}

std::string_view trim_left_of(std::string_view text, const Arguments& a) {
  if (a.size() > 1 && !text_at(a, 1).empty()) return go_text::trim_left(text, text_at(a, 1));
  size_t at = 0;
  for (size_t next = 0; at < text.size() && go_text::is_space(take_utf8(text, next)); at = next) continue;
  return text.substr(at);
}
std::string_view trim_right_of(std::string_view text, const Arguments& a) {
  if (a.size() > 1 && !text_at(a, 1).empty()) return go_text::trim_right(text, text_at(a, 1));
  std::string_view trimmed = go_text::trim_space(text);
  return trimmed.empty() ? trimmed : text.substr(0, static_cast<size_t>(trimmed.end() - text.begin()));
}
Result<Value> trim(JmesSearch&, const Arguments& a) {
  return Value::text(trim_right_of(trim_left_of(text_at(a, 0), a), a));
}
Result<Value> trim_left(JmesSearch&, const Arguments& a) { return Value::text(trim_left_of(text_at(a, 0), a)); }
Result<Value> trim_right(JmesSearch&, const Arguments& a) { return Value::text(trim_right_of(text_at(a, 0), a)); }

// Where a text stands in another one, in bytes as upstream; the third and fourth argument are bounds in bytes.
Result<Value> found(const Arguments& a, bool last) {
  std::string_view text = text_at(a, 0), part = text_at(a, 1);
  auto size = static_cast<int64_t>(text.size());
  int64_t begin = 0, end = size;
  if (a.size() > 2) { TRY_LET(begin, whole_at(a, 2)); }
  if (a.size() > 3) { TRY_LET(end, whole_at(a, 3)); }
  begin = std::max<int64_t>(begin, 0);
  end = std::min(end, size);
  if (part.empty() || end <= begin) return Value::nil();
  std::string_view inner = text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  size_t at = last ? inner.rfind(part) : inner.find(part);
  return at == inner.npos ? Value::nil() : Value::number(static_cast<double>(begin) + static_cast<double>(at));
}
Result<Value> find_first(JmesSearch&, const Arguments& a) { return found(a, false); }
Result<Value> find_last(JmesSearch&, const Arguments& a) { return found(a, true); }

Result<Value> padded(JmesSearch& search, const Arguments& a, bool left) {
  TRY_LET(int64_t width, whole_at(a, 1));
  std::string_view pad = a.size() > 2 ? text_at(a, 2) : " ";
  if (width < 0) return fail(Errc::kInvalid, "invalid value, must be a non-negative integer");
  if (pad.size() > 1) return fail(Errc::kInvalid, "invalid value, the pad must be a string of length 1");
  std::string filler;  // bytes count, as upstream
  TRY(search.memory().charge(static_cast<size_t>(width)));
  for (auto i = static_cast<int64_t>(text_at(a, 0).size()); i < width; ++i) filler.append(pad);
  return search.memory().text(left ? concat(filler, text_at(a, 0)) : concat(text_at(a, 0), filler));
}
Result<Value> pad_left(JmesSearch& search, const Arguments& a) { return padded(search, a, true); }
Result<Value> pad_right(JmesSearch& search, const Arguments& a) { return padded(search, a, false); }

constexpr size_t kMaxTextBytes = 16 << 20;

Result<Value> replace(JmesSearch& search, const Arguments& a) {
  int64_t count = -1;
  if (a.size() > 3) {
    TRY_LET(count, whole_at(a, 3));
    if (count < 0) return fail(Errc::kInvalid, "invalid value, must be a non-negative integer");
  }
  TRY_LET(std::string out, go_text::replace(text_at(a, 0), text_at(a, 1), text_at(a, 2), count, kMaxTextBytes));
  return search.memory().text(out);
}
Result<Value> split(JmesSearch& search, const Arguments& a) {
  int64_t count = -1;
  if (a.size() > 2) {
    TRY_LET(count, whole_at(a, 2));
    if (count < 0) return fail(Errc::kInvalid, "invalid value, must be a non-negative integer");
    ++count;  // so many cuts
  }
  std::vector<Value> out;
  if (text_at(a, 0).empty()) return list_of(search, out);
  for (std::string_view part : go_text::split(text_at(a, 0), text_at(a, 1), count)) out.push_back(Value::text(part));
  return list_of(search, out);
}
Result<Value> join(JmesSearch& search, const Arguments& a) {
  std::string out;
  const TemplateList& list = list_at(a, 1);
  for (size_t i = 0; i < list.size; ++i) {
    out.append(i > 0 ? text_at(a, 0) : "").append(list.items[i].as_text());
    if (out.size() > kMaxTextBytes) return fail(Errc::kOverLimit, "join makes too long a text");
  }
  return search.memory().text(out);
}

// --- lists and objects

Result<Value> length(JmesSearch&, const Arguments& a) {
  const Value& value = a[0].value;
  size_t size = value.is(Kind::kMap) ? value.as_map().size : value.is(Kind::kList) ? value.as_list().size : 0;
  if (value.is(Kind::kText)) size = static_cast<size_t>(count_of(value.as_text()));
  return Value::number(static_cast<double>(size));
}
Result<Value> contains(JmesSearch&, const Arguments& a) {
  const Value &value = a[0].value, &part = a[1].value;
  if (value.is(Kind::kText)) {
    return Value::boolean(part.is(Kind::kText) && value.as_text().find(part.as_text()) != std::string_view::npos);
  }
  const TemplateList& list = value.as_list();
  return Value::boolean(std::any_of(list.begin(), list.end(), [&](const Value& item) { return is_equal(item, part); }));
}
Result<Value> reverse(JmesSearch& search, const Arguments& a) {
  if (a[0].value.is(Kind::kList)) {
    std::vector<Value> items(list_at(a, 0).begin(), list_at(a, 0).end());
    std::reverse(items.begin(), items.end());
    return list_of(search, items);
  }
  std::string_view text = text_at(a, 0);
  std::string out(text.size(), '\0');
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    take_utf8(text, at);
    text.copy(out.data() + (text.size() - at), at - begin, begin);
  }
  return search.memory().text(out);
}
Result<Value> keys(JmesSearch& search, const Arguments& a) {
  std::vector<Value> out;
  for (const TemplateMap::Member& member : a[0].value.as_map()) out.push_back(Value::text(member.name));
  return list_of(search, out);
}
Result<Value> values(JmesSearch& search, const Arguments& a) {
  std::vector<Value> out;
  for (const TemplateMap::Member& member : a[0].value.as_map()) out.push_back(member.value);
  return list_of(search, out);
}
Result<Value> items(JmesSearch& search, const Arguments& a) {
  std::vector<Value> out;
  for (const TemplateMap::Member& member : a[0].value.as_map()) {
    TRY_LET(Value pair, list_of(search, {Value::text(member.name), member.value}));
    out.push_back(pair);
  }
  return list_of(search, out);
}
Result<Value> from_items(JmesSearch& search, const Arguments& a) {
  TRY_LET(TemplateMap * out, search.memory().map(list_at(a, 0).size));
  size_t count = 0;
  for (const Value& item : list_at(a, 0)) {
    bool pair = item.is(Kind::kList) && item.as_list().size == 2 && item.as_list().items[0].is(Kind::kText);
    if (!pair) return fail(Errc::kInvalid, "invalid value, each array must contain two elements, a key and its value");
    out->members[count++] = {item.as_list().items[0].as_text(), item.as_list().items[1]};
  }
  out->adopt(count);
  return Value::map(out);
}
Result<Value> zip(JmesSearch& search, const Arguments& a) {
  size_t size = list_at(a, 0).size;
  for (size_t i = 1; i < a.size(); ++i) size = std::min(size, list_at(a, i).size);
  std::vector<Value> out;
  for (size_t row = 0; row < size; ++row) {
    std::vector<Value> one;
    for (size_t i = 0; i < a.size(); ++i) one.push_back(list_at(a, i).items[row]);
    TRY_LET(Value list, list_of(search, one));
    out.push_back(list);
  }
  return list_of(search, out);
}
Result<Value> merge(JmesSearch& search, const Arguments& a) {
  size_t count = 0;
  for (const JmesArgument& argument : a) count += argument.value.as_map().size;
  TRY_LET(TemplateMap * out, search.memory().map(count));
  count = 0;
  for (const JmesArgument& argument : a) {
    const TemplateMap& map = argument.value.as_map();
    std::copy(map.begin(), map.end(), out->members + count);
    count += map.size;
  }
  out->adopt(count);
  return Value::map(out);
}

// --- types

Result<Value> not_null(JmesSearch&, const Arguments& a) {
  for (const JmesArgument& argument : a) {
    if (!argument.value.is_absent()) return argument.value;
  }
  return Value::nil();
}
Result<Value> to_array(JmesSearch& search, const Arguments& a) {
  return a[0].value.is(Kind::kList) ? a[0].value : list_of(search, {a[0].value});
}
Result<Value> to_string(JmesSearch& search, const Arguments& a) {
  if (a[0].value.is(Kind::kText)) return a[0].value;
  std::string out;
  append_json(out, a[0].value, true);
  return search.memory().text(out);
}
Result<Value> to_number(JmesSearch&, const Arguments& a) {
  if (a[0].value.is(Kind::kNumber)) return a[0].value;
  if (!a[0].value.is(Kind::kText)) return Value::nil();
  auto number = parse_go_float(text_at(a, 0));
  return number ? Value::number(*number) : Value::nil();
}
Result<Value> type(JmesSearch&, const Arguments& a) {
  switch (a[0].value.kind()) {
    case Kind::kNumber: return Value::text("number");
    case Kind::kText: return Value::text("string");
    case Kind::kBool: return Value::text("boolean");
    case Kind::kList: return Value::text("array");
    case Kind::kMap: return Value::text("object");
    default: return Value::text("null");
  }
}

constexpr JmesFunction kFunctions[] = {{"abs", "n", abs},
                                       {"avg", "N", avg},
                                       {"ceil", "n", ceil},
                                       {"contains", "[sa]v", contains},
                                       {"ends_with", "ss", ends_with},
                                       {"find_first", "ss?nn", find_first},
                                       {"find_last", "ss?nn", find_last},
                                       {"floor", "n", floor},
                                       {"from_items", "a", from_items},
                                       {"group_by", "ae", group_by},
                                       {"items", "o", items},
                                       {"join", "sS", join},
                                       {"keys", "o", keys},
                                       {"length", "[sao]", length},
                                       {"lower", "s", lower},
                                       {"map", "ea", map_all},
                                       {"max", "C", max},
                                       {"max_by", "ae", max_by},
                                       {"merge", "o*", merge},
                                       {"min", "C", min},
                                       {"min_by", "ae", min_by},
                                       {"not_null", "v*", not_null},
                                       {"pad_left", "sn?s", pad_left},
                                       {"pad_right", "sn?s", pad_right},
                                       {"replace", "sss?n", replace},
                                       {"reverse", "[sa]", reverse},
                                       {"sort", "C", sort},
                                       {"sort_by", "ae", sort_by},
                                       {"split", "ss?n", split},
                                       {"starts_with", "ss", starts_with},
                                       {"sum", "N", sum},
                                       {"to_array", "v", to_array},
                                       {"to_number", "v", to_number},
                                       {"to_string", "v", to_string},
                                       {"trim", "s?s", trim},
                                       {"trim_left", "s?s", trim_left},
                                       {"trim_right", "s?s", trim_right},
                                       {"type", "v", type},
                                       {"upper", "s", upper},
                                       {"values", "o", values},
                                       {"zip", "aa*", zip}};

bool are_all(const Value& list, Kind kind) {
  return std::all_of(list.as_list().begin(), list.as_list().end(), [&](const Value& item) { return item.is(kind); });
}

bool fits(char type, const JmesArgument& argument) {
  const Value& value = argument.value;
  if (type == 'e') return argument.expression != nullptr;
  if (argument.expression != nullptr) return false;
  switch (type) {
    case 's': return value.is(Kind::kText);
    case 'n': return value.is(Kind::kNumber);
    case 'a': return value.is(Kind::kList);
    case 'o': return value.is(Kind::kMap);
    case 'S': return value.is(Kind::kList) && are_all(value, Kind::kText);
    case 'N': return value.is(Kind::kList) && are_all(value, Kind::kNumber);
    case 'C': return value.is(Kind::kList) && (are_all(value, Kind::kNumber) || are_all(value, Kind::kText));
    default: return true;
  }
}

}  // namespace

const JmesFunction* find_jmes_function(std::string_view name) {
  for (const JmesFunction& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

Result<void> check_jmes_arguments(const JmesFunction& function, const Arguments& arguments) {
  std::string_view rest = function.parameters;
  bool optional = false, repeated = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (rest.starts_with('?')) optional = true, rest.remove_prefix(1);
    if (rest.empty()) return fail(Errc::kInvalid, concat("too many arguments for ", function.name));
    size_t size = rest[0] == '[' ? rest.find(']') + 1 : 1;
    std::string_view types = size == 1 ? rest.substr(0, 1) : rest.substr(1, size - 2);
    bool fit = std::any_of(types.begin(), types.end(), [&](char type) { return fits(type, arguments[i]); });
    if (!fit) return fail(Errc::kInvalid, concat("invalid type for argument ", i + 1, " of ", function.name));
    bool repeats = rest.substr(size).starts_with('*');
    repeated = repeated || repeats;
    if (!repeats) rest.remove_prefix(size);
  }
  bool satisfied = rest.empty() || optional || rest.starts_with('?') || repeated;
  if (!satisfied) return fail(Errc::kInvalid, concat("not enough arguments for ", function.name));
  return {};
}

}  // namespace pipeline
