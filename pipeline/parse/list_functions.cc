// Functions on lists and maps, and defaults: Sprig's.
#include <algorithm>

#include "pipeline/parse/template_cast.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Call = TemplateCall;

Result<Value> list_of(const Call& call, std::span<const Value> items, TemplateList::Type type) {
  TRY_LET(TemplateList * list, call.memory().list(items.size(), type));
  std::copy(items.begin(), items.end(), list->items);
  return Value::list(list);
}
Result<Value> list_of(const Call& call, std::span<const Value> items) {
  return list_of(call, items, TemplateList::Type::kAny);
}

// The list of argument `i`; an error with the function's word for it.
Result<TemplateList*> list_at(const Call& call, size_t i, std::string_view function) {
  if (call[i].is(Kind::kList)) return &call[i].as_list();
  std::string_view kind = call[i].is_absent() ? "invalid" : go_kind(call[i]);
  return fail(Errc::kInvalid, concat("Cannot find ", function, " on type ", kind));
}

// --- defaults

Result<Value> default_(const Call& call) { return call.size() < 2 || is_empty(call[1]) ? call[0] : call[1]; }
Result<Value> empty(const Call& call) { return Value::boolean(is_empty(call[0])); }
Result<Value> coalesce(const Call& call) {
  for (const Value& value : call.arguments) {
    if (!is_empty(value)) return value;
  }
  return Value::nil();
}
Result<Value> all(const Call& call) {
  return Value::boolean(std::none_of(call.arguments.begin(), call.arguments.end(), is_empty));
}
Result<Value> any(const Call& call) {
  return Value::boolean(!std::all_of(call.arguments.begin(), call.arguments.end(), is_empty));
}
Result<Value> ternary(const Call& call) { return call[call[2].as_bool() ? 0 : 1]; }

// --- lists

Result<Value> list(const Call& call) { return list_of(call, call.arguments); }

Result<Value> first(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "first"));
  return items->size > 0 ? items->items[0] : Value::nil();
}
Result<Value> last(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "last"));
  return items->size > 0 ? items->items[items->size - 1] : Value::nil();
}
Result<Value> rest(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "rest"));
  if (items->size == 0) return list_of(call, {});
  return list_of(call, {items->items + 1, items->size - 1});
}
Result<Value> initial(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "initial"));
  if (items->size == 0) return list_of(call, {});
  return list_of(call, {items->items, items->size - 1});
}
Result<Value> reverse(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "reverse"));
  TRY_LET(Value copy, list_of(call, {items->items, items->size}));
  std::reverse(copy.as_list().begin(), copy.as_list().end());
  return copy;
}

Result<Value> append(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "push"));
  std::vector<Value> all_items(items->begin(), items->end());
  all_items.push_back(call[1]);
  return list_of(call, all_items);
}
Result<Value> prepend(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "prepend"));
  std::vector<Value> all_items = {call[1]};
  all_items.insert(all_items.end(), items->begin(), items->end());
  return list_of(call, all_items);
}
Result<Value> concat_lists(const Call& call) {
  std::vector<Value> all_items;
  for (size_t i = 0; i < call.size(); ++i) {
    TRY_LET(TemplateList * items, list_at(call, i, "concat"));
    TRY(call.memory().charge(items->size * sizeof(Value)));
    all_items.insert(all_items.end(), items->begin(), items->end());
  }
  return list_of(call, all_items);
}

bool contains(std::span<const Value> items, const Value& value) {
  return std::any_of(items.begin(), items.end(), [&](const Value& item) { return is_equal(item, value); });
}

// Quadratic, as upstream; a long list is refused instead.
constexpr size_t kMaxCompared = 10'000;

Result<Value> uniq(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "uniq"));
  if (items->size > kMaxCompared) return fail(Errc::kOverLimit, "uniq of too long a list");
  std::vector<Value> out;
  for (const Value& item : *items) {
    if (!contains(out, item)) out.push_back(item);
  }
  return list_of(call, out);
}
Result<Value> without(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "without"));
  if (items->size > kMaxCompared || call.size() > kMaxCompared)
    return fail(Errc::kOverLimit, "without too many values");
  std::vector<Value> out;
  for (const Value& item : *items) {
    if (!contains(call.arguments.subspan(1), item)) out.push_back(item);
  }
  return list_of(call, out);
}
Result<Value> compact(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 0, "compact"));
  std::vector<Value> out;
  std::copy_if(items->begin(), items->end(), std::back_inserter(out), [](const Value& v) { return !is_empty(v); });
  return list_of(call, out);
}
Result<Value> has(const Call& call) {
  if (call[1].is_absent()) return Value::boolean(false);
  TRY_LET(TemplateList * items, list_at(call, 1, "has"));
  return Value::boolean(contains({items->items, items->size}, call[0]));
}

Result<Value> slice(const Call& call) {
  if (!call[0].is(Kind::kList)) {
    return fail(Errc::kInvalid, concat("list should be type of slice or array but ", go_kind(call[0])));
  }
  const TemplateList& items = call[0].as_list();
  if (items.size == 0) return Value::nil();
  int64_t begin = call.size() > 1 ? integer_of(call[1]) : 0;
  int64_t end = call.size() > 2 ? integer_of(call[2]) : static_cast<int64_t>(items.size);
  if (begin < 0 || end < begin || end > static_cast<int64_t>(items.size)) {
    return fail(Errc::kInvalid, "reflect: slice index out of bounds");
  }
  return part_of_list(call, items, static_cast<size_t>(begin), static_cast<size_t>(end));
}

Result<Value> chunk(const Call& call) {
  TRY_LET(TemplateList * items, list_at(call, 1, "chunk"));
  int64_t size = call.integer(0);
  if (size <= 0) return fail(Errc::kInvalid, "runtime error: integer divide by zero");
  std::vector<Value> out;
  for (size_t at = 0; at < items->size;) {
    size_t end = static_cast<uint64_t>(size) < items->size - at ? at + static_cast<size_t>(size) : items->size;
    TRY_LET(Value part, list_of(call, {items->items + at, end - at}));
    out.push_back(part);
    at = end;
  }
  return list_of(call, out);
}

// --- maps

TemplateMap& map_at(const Call& call, size_t i) { return call[i].as_map(); }

Result<TemplateMap*> copy_of(const Call& call, const TemplateMap& map) {
  TRY_LET(TemplateMap * out, call.memory().map(map.size));
  std::copy(map.begin(), map.end(), out->members);
  out->size = map.size;
  return out;
}

Result<Value> dict(const Call& call) {
  TRY_LET(TemplateMap * out, call.memory().map((call.size() + 1) / 2));
  for (size_t i = 0; i < call.size(); i += 2) {
    TRY_LET(std::string_view name, text_of(call, call[i]));
    TRY(call.memory().set(*out, name, i + 1 < call.size() ? call[i + 1] : Value::text("")));
  }
  return Value::map(out);
}
Result<Value> get(const Call& call) {
  const Value* found = map_at(call, 0).find(call.text(1));
  return found != nullptr ? *found : Value::text("");
}

// A map that is put into itself would have no end. What is too large to be sure counts as holding it.
constexpr size_t kMaxLookedAt = 1'000'000;

bool holds(const Value& value, const TemplateMap& map, size_t& looked_at, int depth = 0) {
  if (depth > kMaxTemplateDepth || ++looked_at > kMaxLookedAt) return true;
  if (value.is(Kind::kMap)) {
    const TemplateMap& inner = value.as_map();
    return &inner == &map || std::any_of(inner.begin(), inner.end(), [&](const TemplateMap::Member& member) {
      return holds(member.value, map, looked_at, depth + 1);
    });
  }
  if (!value.is(Kind::kList)) return false;
  const TemplateList& items = value.as_list();
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& item) { return holds(item, map, looked_at, depth + 1); });
}
bool holds(const Value& value, const TemplateMap& map) {
  size_t looked_at = 0;
  return holds(value, map, looked_at);
}

Result<Value> set(const Call& call) {
  if (holds(call[2], map_at(call, 0))) return fail(Errc::kInvalid, "a map cannot be put into itself");
  TRY(call.memory().set(map_at(call, 0), call.text(1), call[2]));
  return call[0];
}
Result<Value> unset(const Call& call) {
  map_at(call, 0).erase(call.text(1));
  return call[0];
}
Result<Value> has_key(const Call& call) { return Value::boolean(map_at(call, 0).find(call.text(1)) != nullptr); }

Result<Value> pluck(const Call& call) {
  std::vector<Value> out;
  for (size_t i = 1; i < call.size(); ++i) {
    if (const Value* found = map_at(call, i).find(call.text(0))) out.push_back(*found);
  }
  return list_of(call, out);
}
// Upstream's order is random; ours is by name.
Result<Value> keys(const Call& call) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < call.size(); ++i) {
    for (const TemplateMap::Member& member : map_at(call, i)) out.push_back(member.name);
  }
  return list_of_texts(call, out);
}
Result<Value> values(const Call& call) {
  std::vector<Value> out;
  for (const TemplateMap::Member& member : map_at(call, 0)) out.push_back(member.value);
  return list_of(call, out);
}
Result<Value> pick(const Call& call) {
  TRY_LET(TemplateMap * out, call.memory().map(call.size()));
  for (size_t i = 1; i < call.size(); ++i) {
    if (const Value* found = map_at(call, 0).find(call.text(i))) TRY(call.memory().set(*out, call.text(i), *found));
  }
  return Value::map(out);
}
Result<Value> omit(const Call& call) {
  TRY_LET(TemplateMap * out, copy_of(call, map_at(call, 0)));
  for (size_t i = 1; i < call.size(); ++i) out->erase(call.text(i));
  return Value::map(out);
}

// Into the first map: what it has not or what is empty there; maps inside of maps likewise.
Result<void> merge_into(const Call& call, TemplateMap& to, const TemplateMap& from, bool overwrite, int depth) {
  if (depth > kMaxTemplateDepth) return fail(Errc::kOverLimit, "maps nested too deep");
  std::vector<TemplateMap::Member> members(from.begin(), from.end());
  for (const TemplateMap::Member& member : members) {
    const Value* known = to.find(member.name);
    if (known != nullptr && known->is(Kind::kMap) && member.value.is(Kind::kMap)) {
      TRY(merge_into(call, known->as_map(), member.value.as_map(), overwrite, depth + 1));
      continue;
    }
    bool takes = known == nullptr || is_empty(*known) || (overwrite && !is_empty(member.value));
    if (takes && holds(member.value, to)) return fail(Errc::kInvalid, "a map cannot be put into itself");
    if (takes) TRY(call.memory().set(to, member.name, member.value));
  }
  return {};
}
Result<Value> merge_all(const Call& call, bool overwrite) {
  for (size_t i = 1; i < call.size(); ++i) TRY(merge_into(call, map_at(call, 0), map_at(call, i), overwrite, 0));
  return call[0];
}
Result<Value> merge(const Call& call) { return merge_all(call, false); }
Result<Value> merge_overwrite(const Call& call) { return merge_all(call, true); }

constexpr int kMaxCopiedDepth = 2000;  // of lists in lists: each level takes some stack

Result<Value> deep_copy_of(const Call& call, const Value& value, int depth) {
  if (depth > kMaxCopiedDepth) return fail(Errc::kOverLimit, "deepCopy of what is nested too deep");
  if (value.is(Kind::kMap)) {
    TRY_LET(TemplateMap * out, copy_of(call, value.as_map()));
    out->only_texts = value.as_map().only_texts;
    for (TemplateMap::Member& member : *out) { TRY_LET(member.value, deep_copy_of(call, member.value, depth + 1)); }
    return Value::map(out);
  }
  if (!value.is(Kind::kList)) return value;
  TRY_LET(Value out, list_of(call, {value.as_list().items, value.as_list().size}, value.as_list().type));
  for (Value& item : out.as_list()) { TRY_LET(item, deep_copy_of(call, item, depth + 1)); }
  return out;
}
Result<Value> deep_copy(const Call& call) {
  if (call[0].is_absent()) return fail(Errc::kInvalid, "deepCopy of nil");
  return deep_copy_of(call, call[0], 0);
}

// dig "a" "b" otherwise map
Result<Value> dig(const Call& call) {
  if (call.size() < 3) return fail(Errc::kInvalid, "dig needs at least three arguments");
  Value at = call[call.size() - 1];
  for (size_t i = 0; i + 2 < call.size(); ++i) {
    if (!at.is(Kind::kMap) || !call[i].is(Kind::kText)) return fail(Errc::kInvalid, "dig goes through maps by texts");
    const Value* found = at.as_map().find(call.text(i));
    if (found == nullptr) return call[call.size() - 2];
    at = *found;
  }
  return at;
}

constexpr TemplateFunction kFunctions[] = {{"default", "vv*", default_},
                                           {"empty", "v", empty},
                                           {"coalesce", "v*", coalesce},
                                           {"all", "v*", all},
                                           {"any", "v*", any},
                                           {"ternary", "vvb", ternary},
                                           {"list", "v*", list},
                                           {"tuple", "v*", list},
                                           {"first", "v", first},
                                           {"mustFirst", "v", first},
                                           {"last", "v", last},
                                           {"mustLast", "v", last},
                                           {"rest", "v", rest},
                                           {"mustRest", "v", rest},
                                           {"initial", "v", initial},
                                           {"mustInitial", "v", initial},
                                           {"reverse", "v", reverse},
                                           {"mustReverse", "v", reverse},
                                           {"append", "vv", append},
                                           {"mustAppend", "vv", append},
                                           {"push", "vv", append},
                                           {"mustPush", "vv", append},
                                           {"prepend", "vv", prepend},
                                           {"mustPrepend", "vv", prepend},
                                           {"concat", "v*", concat_lists},
                                           {"uniq", "v", uniq},
                                           {"mustUniq", "v", uniq},
                                           {"without", "vv*", without},
                                           {"mustWithout", "vv*", without},
                                           {"compact", "v", compact},
                                           {"mustCompact", "v", compact},
                                           {"has", "vv", has},
                                           {"mustHas", "vv", has},
                                           {"slice", "vv*", slice},
                                           {"mustSlice", "vv*", slice},
                                           {"chunk", "iv", chunk},
                                           {"mustChunk", "iv", chunk},
                                           {"dict", "v*", dict},
                                           {"get", "ms", get},
                                           {"set", "msv", set},
                                           {"unset", "ms", unset},
                                           {"hasKey", "ms", has_key},
                                           {"pluck", "sm*", pluck},
                                           {"keys", "m*", keys},
                                           {"values", "m", values},
                                           {"pick", "ms*", pick},
                                           {"omit", "ms*", omit},
                                           {"merge", "mm*", merge},
                                           {"mustMerge", "mm*", merge},
                                           {"mergeOverwrite", "mm*", merge_overwrite},
                                           {"mustMergeOverwrite", "mm*", merge_overwrite},
                                           {"deepCopy", "v", deep_copy},
                                           {"mustDeepCopy", "v", deep_copy},
                                           {"dig", "v*", dig}};

}  // namespace

TemplateFunctionList list_functions() { return kFunctions; }

}  // namespace pipeline
