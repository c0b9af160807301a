// The interpreter of JMESPath expressions.
#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/parse/jmespath_node.h"

namespace pipeline {

namespace {

using Node = JmesNode;
using Kind = TemplateValue::Kind;

bool is_number(const TemplateValue& value) { return value.is(Kind::kNumber); }

// Zero is true here: only null, false and what is empty are not.
bool holds(const TemplateValue& value) { return is_number(value) || is_true(value); }

const TemplateValue kNothing = TemplateValue::nil();

const TemplateValue& member(const TemplateValue& value, std::string_view name) {
  if (!value.is(Kind::kMap)) return kNothing;
  const TemplateValue* found = value.as_map().find(name);
  return found != nullptr ? *found : kNothing;
}

Result<TemplateValue> compare(Node::Operation operation, const TemplateValue& a, const TemplateValue& b) {
  using enum Node::Operation;
  if (operation == kEqual) return TemplateValue::boolean(is_equal(a, b));
  if (operation == kUnequal) return TemplateValue::boolean(!is_equal(a, b));
  if (!is_number(a) || !is_number(b)) return TemplateValue::nil();
  double x = a.as_number(), y = b.as_number();
  switch (operation) {
    case kLess: return TemplateValue::boolean(x < y);
    case kLessEqual: return TemplateValue::boolean(x <= y);
    case kGreater: return TemplateValue::boolean(x > y);
    default: return TemplateValue::boolean(x >= y);
  }
}

// Upstream forgives here what fails on the left.
Result<TemplateValue> found_or_null(Result<TemplateValue> value) {
  if (value || value.error().code == Errc::kOverLimit) return value;
  return TemplateValue::nil();
}

// Python's slices: the rows of [begin:end:by] of `size` things.
Result<std::vector<size_t>> sliced(const Node& node, size_t size) {
  int64_t by = node.by.value_or(1), count = static_cast<int64_t>(size);
  if (by == 0) return fail(Errc::kInvalid, "slice step cannot be 0");
  auto place = [&](std::optional<int64_t> at, int64_t otherwise) {
    if (!at) return otherwise;
    int64_t lowest = by < 0 ? -1 : 0, highest = by < 0 ? count - 1 : count;
    if (*at < 0) return std::max(*at < -count ? lowest : *at + count, lowest);
    return std::min(*at, highest);
  };
  int64_t begin = place(node.begin, by < 0 ? count - 1 : 0), end = place(node.end, by < 0 ? -1 : count);
  std::vector<size_t> rows;
  for (int64_t i = begin; by > 0 ? i < end : i > end;) {
    rows.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  return rows;
}

}  // namespace

Result<TemplateValue> JmesSearch::list_of(const std::vector<TemplateValue>& items) {
  TRY_LET(TemplateList * list, memory_.list(items.size()));
  std::copy(items.begin(), items.end(), list->items);
  return TemplateValue::list(list);
}

Result<TemplateValue> JmesSearch::run(const Node& node, const TemplateValue& current) {
  TRY(memory_.charge(1));  // every step counts against the memory, so that a search has an end
  switch (node.kind) {
    case Node::Kind::kCurrent: return current;
    case Node::Kind::kRoot: return root_;
    case Node::Kind::kField: return member(current, node.text);
    case Node::Kind::kVariable: {
      for (size_t i = variables_.size(); i > 0; --i) {
        if (variables_[i - 1].first == node.text) return variables_[i - 1].second;
      }
      return fail(Errc::kInvalid, concat("undefined variable $", node.text));
    }
    case Node::Kind::kLiteral: return node.literal;
    case Node::Kind::kIndex: {
      if (!current.is(Kind::kList)) return TemplateValue::nil();
      const TemplateList& list = current.as_list();
      int64_t index = node.index < 0 ? node.index + static_cast<int64_t>(list.size) : node.index;
      if (index < 0 || index >= static_cast<int64_t>(list.size)) return TemplateValue::nil();
      return list.items[index];
    }
    case Node::Kind::kSlice: return slice(node, current);
    case Node::Kind::kPipe:
    case Node::Kind::kChain: {
      TRY_LET(TemplateValue left, run(*node.children[0], current));
      if (node.kind == Node::Kind::kChain && left.is_absent()) return TemplateValue::nil();
      return run(*node.children[1], left);
    }
    case Node::Kind::kListProjection: {
      TRY_LET(TemplateValue left, run(*node.children[0], current));
      if (!left.is(Kind::kList)) return TemplateValue::nil();
      return project(*node.children[1], left.as_list().begin(), left.as_list().end());
    }
    case Node::Kind::kSliceProjection: {
      TRY_LET(TemplateValue left, run(*node.children[0], current));
      if (left.is(Kind::kText)) return left;  // what follows is for elements only
      if (!left.is(Kind::kList)) return TemplateValue::nil();
      return project(*node.children[1], left.as_list().begin(), left.as_list().end());
    }
    case Node::Kind::kObjectProjection: return object_projection(node, current);
    case Node::Kind::kFlatten: return flatten(node, current);
    case Node::Kind::kFilter: return filter(node, current);
    case Node::Kind::kOr:
    case Node::Kind::kAnd: {
      TRY_LET(TemplateValue left, run(*node.children[0], current));
      if (holds(left) == (node.kind == Node::Kind::kOr)) return left;
      return run(*node.children[1], current);
    }
    case Node::Kind::kNot: {
      TRY_LET(TemplateValue child, run(*node.children[0], current));
      return TemplateValue::boolean(!holds(child));
    }
    case Node::Kind::kCompare: {
      TRY_LET(TemplateValue left, run(*node.children[0], current));
      TRY_LET(TemplateValue right, run(*node.children[1], current));
      return compare(node.operation, left, right);
    }
    case Node::Kind::kArithmetic: return arithmetic(node, current);
    case Node::Kind::kNegative:
    case Node::Kind::kPositive: {
      TRY_LET(TemplateValue child, run(*node.children[0], current));
      if (!is_number(child)) return TemplateValue::nil();
      return node.kind == Node::Kind::kNegative ? TemplateValue::number(-child.as_number()) : child;
    }
    case Node::Kind::kMultiList: return multi_list(node, current);
    case Node::Kind::kMultiHash: return multi_hash(node, current);
    case Node::Kind::kCall: return call(node, current);
    case Node::Kind::kExpression: return fail(Errc::kInvalid, "an &expression is an argument only");
    case Node::Kind::kLet: return let(node, current);
  }
  return TemplateValue::nil();
}

// What `node` gives for each, nulls left out.
Result<TemplateValue> JmesSearch::project(const Node& node, const TemplateValue* begin, const TemplateValue* end) {
  std::vector<TemplateValue> out;
  for (const TemplateValue* at = begin; at != end; ++at) {
    TRY_LET(TemplateValue value, run(node, *at));
    if (!value.is_absent()) out.push_back(value);
  }
  return list_of(out);
}

Result<TemplateValue> JmesSearch::object_projection(const Node& node, const TemplateValue& current) {
  TRY_LET(TemplateValue left, found_or_null(run(*node.children[0], current)));
  if (!left.is(Kind::kMap)) return TemplateValue::nil();
  std::vector<TemplateValue> values;
  for (const TemplateMap::Member& one : left.as_map()) values.push_back(one.value);
  return project(*node.children[1], values.data(), values.data() + values.size());
}

Result<TemplateValue> JmesSearch::slice(const Node& node, const TemplateValue& current) {
  if (current.is(Kind::kText)) {
    std::vector<std::string_view> characters;
    std::string_view text = current.as_text();
    for (size_t at = 0; at < text.size();) {
      size_t begin = at++;
      while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
      characters.push_back(text.substr(begin, at - begin));
    }
    auto rows = sliced(node, characters.size());
    if (!rows) return TemplateValue::nil();
    std::string out;
    for (size_t row : *rows) out.append(characters[row]);
    return memory_.text(out);
  }
  if (!current.is(Kind::kList)) return TemplateValue::nil();
  TRY_LET(auto rows, sliced(node, current.as_list().size));
  std::vector<TemplateValue> out;
  for (size_t row : rows) out.push_back(current.as_list().items[row]);
  return list_of(out);
}

Result<TemplateValue> JmesSearch::flatten(const Node& node, const TemplateValue& current) {
  TRY_LET(TemplateValue left, found_or_null(run(*node.children[0], current)));
  if (!left.is(Kind::kList)) return TemplateValue::nil();
  std::vector<TemplateValue> out;
  for (const TemplateValue& item : left.as_list()) {
    if (item.is(Kind::kList)) {
      out.insert(out.end(), item.as_list().begin(), item.as_list().end());
    } else {
      out.push_back(item);
    }
  }
  return list_of(out);
}

Result<TemplateValue> JmesSearch::filter(const Node& node, const TemplateValue& current) {
  TRY_LET(TemplateValue left, found_or_null(run(*node.children[0], current)));
  if (!left.is(Kind::kList)) return TemplateValue::nil();
  std::vector<TemplateValue> out;
  for (const TemplateValue& item : left.as_list()) {
    TRY_LET(TemplateValue condition, run(*node.children[2], item));
    if (!holds(condition)) continue;
    TRY_LET(TemplateValue value, run(*node.children[1], item));
    if (!value.is_absent()) out.push_back(value);
  }
  return list_of(out);
}

Result<TemplateValue> JmesSearch::multi_list(const Node& node, const TemplateValue& current) {
  std::vector<TemplateValue> out;
  for (const Node::Pointer& child : node.children) {
    TRY_LET(TemplateValue value, run(*child, current));
    out.push_back(value);
  }
  return list_of(out);
}

Result<TemplateValue> JmesSearch::multi_hash(const Node& node, const TemplateValue& current) {
  if (current.is_absent()) return TemplateValue::nil();
  TRY_LET(TemplateMap * map, memory_.map(node.names.size()));
  for (size_t i = 0; i < node.names.size(); ++i) {
    TRY_LET(TemplateValue value, run(*node.children[i], current));
    TRY(memory_.set(*map, node.names[i], value));
  }
  return TemplateValue::map(map);
}

Result<TemplateValue> JmesSearch::arithmetic(const Node& node, const TemplateValue& current) {
  TRY_LET(TemplateValue left, run(*node.children[0], current));
  TRY_LET(TemplateValue right, run(*node.children[1], current));
  if (!is_number(left) || !is_number(right)) return TemplateValue::nil();
  double a = left.as_number(), b = right.as_number();
  using enum Node::Operation;
  switch (node.operation) {
    case kAdd: return TemplateValue::number(a + b);
    case kSubtract: return TemplateValue::number(a - b);
    case kMultiply: return TemplateValue::number(a * b);
    case kDivide: return TemplateValue::number(a / b);
    case kDivideWhole: return TemplateValue::number(std::floor(a / b));
    default: {
      const double rest = std::fmod(a, b);
      return TemplateValue::number(std::isnan(rest) ? std::numeric_limits<double>::quiet_NaN() : rest);
    }
  }
}

Result<TemplateValue> JmesSearch::let(const Node& node, const TemplateValue& current) {
  std::vector<TemplateValue> values;  // in the scope outside
  for (size_t i = 0; i < node.names.size(); ++i) {
    TRY_LET(TemplateValue value, run(*node.children[i], current));
    values.push_back(value);
  }
  for (size_t i = 0; i < values.size(); ++i) variables_.emplace_back(node.names[i], values[i]);
  TRY_LET(TemplateValue result, run(*node.children.back(), current));
  variables_.resize(variables_.size() - values.size());
  return result;
}

Result<TemplateValue> JmesSearch::call(const Node& node, const TemplateValue& current) {
  if (node.function == nullptr) return fail(Errc::kInvalid, concat("unknown function: ", node.text));
  std::vector<JmesArgument> arguments;
  for (const Node::Pointer& child : node.children) {
    JmesArgument argument;
    if (child->kind == Node::Kind::kExpression) {
      argument.expression = child->children[0].get();
    } else {
      TRY_LET(argument.value, run(*child, current));
    }
    arguments.push_back(argument);
  }
  TRY(check_jmes_arguments(*node.function, arguments));
  return node.function->call(*this, arguments);
}

}  // namespace pipeline
