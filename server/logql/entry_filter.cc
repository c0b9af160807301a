#include "server/logql/entry_filter.h"

#include <algorithm>

#include "pipeline/parse/value_text.h"
#include "server/logql/log_pipeline.h"

namespace server {
using pipeline::parse_go_duration;
using pipeline::parse_go_float;
using pipeline::parse_human_bytes;

using Kind = LabelFilter::Kind;

pipeline::Result<EntryFilter> EntryFilter::compile(const LabelFilter& filter) { return compile_part(filter, false); }

// A wrong address inside `and` or `or` is simply false, as in Loki.
pipeline::Result<EntryFilter> EntryFilter::compile_part(const LabelFilter& filter, bool inside) {
  EntryFilter out(filter);
  out.filter_.operands.clear();
  if (filter.kind == Kind::kString) {
    const LabelMatcher& m = filter.matcher;
    TRY_LET(out.matcher_, pipeline::Matcher::create(m.name, m.op, m.value, pipeline::Dot::kNotNewline));
    if (m.op == MatchOp::kRegex || m.op == MatchOp::kNotRegex) out.loose_ = pipeline::LooseTexts::of(m.value);
  } else if (filter.kind == Kind::kIp) {
    auto ip = pipeline::IpFilter::compile(filter.ip);
    if (!ip && !inside) return pipeline::fail(ip.error());
    if (ip) out.ip_ = *std::move(ip);
  }
  for (const LabelFilter& operand : filter.operands) {
    TRY_LET(EntryFilter compiled, compile_part(operand, true));
    out.operands_.push_back(std::move(compiled));
  }
  return out;
}

bool EntryFilter::keeps(EntryLabels& labels) const {
  switch (filter_.kind) {
    case Kind::kString: {
      const std::string& name = matcher_->name();
      if (name == kErrorLabel) return matches(labels.error());
      if (name == kErrorDetailsLabel) return matches(std::string_view());
      return matches(labels.get(name).value_or(std::string_view()));
    }
    case Kind::kIp: return keeps_address(labels);
    case Kind::kAnd: {
      const bool left = operands_[0].keeps(labels);  // both are asked: each may set __error__
      return operands_[1].keeps(labels) && left;
    }
    case Kind::kOr: return operands_[0].keeps(labels) || operands_[1].keeps(labels);
    case Kind::kNumber:
    case Kind::kDuration:
    case Kind::kBytes: return keeps_converted(labels);
  }
  return false;
}

namespace {

template <class Number>
bool compares(CompareOp op, Number left, Number right) {
  switch (op) {
    case CompareOp::kEqual: return left == right;
    case CompareOp::kNotEqual: return left != right;
    case CompareOp::kGreater: return left > right;
    case CompareOp::kGreaterEqual: return left >= right;
    case CompareOp::kLess: return left < right;
    case CompareOp::kLessEqual: return left <= right;
  }
  return false;
}

// Most values are short runs of digits; no need for the whole grammar.
std::optional<double> small_number(std::string_view text) {
  if (text.empty() || text.size() > 15) return std::nullopt;
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return static_cast<double>(value);
}

}  // namespace

bool EntryFilter::matches(std::string_view value) const {
  if (loose_) return loose_->matches(value) == (matcher_->op() == MatchOp::kRegex);
  return matcher_->matches(value);
}

bool EntryFilter::keeps_converted(EntryLabels& labels) const {
  const auto text = labels.get(filter_.name);
  if (!text) return false;
  auto failed = [&](const pipeline::Error& error) {
    if (!labels.has_error()) labels.set_error("LabelFilterErr", labels.arena().copy(error.message));
    return true;
  };
  if (filter_.kind == Kind::kNumber) {
    if (auto small = small_number(*text)) return compares(filter_.compare, *small, filter_.number);
    auto value = parse_go_float(*text);
    return value ? compares(filter_.compare, *value, filter_.number) : failed(value.error());
  }
  if (filter_.kind == Kind::kDuration) {
    auto value = parse_go_duration(*text);
    return value ? compares(filter_.compare, *value, filter_.duration_ns) : failed(value.error());
  }
  auto value = parse_human_bytes(*text);
  return value ? compares(filter_.compare, *value, filter_.bytes) : failed(value.error());
}

bool EntryFilter::keeps_address(const EntryLabels& labels) const {
  if (labels.has_error()) return true;
  const auto text = labels.get(filter_.name);
  if (!text || !ip_) return false;
  return ip_->found_in(*text) == (filter_.compare == CompareOp::kEqual);
}

void EntryFilter::append_label_names(std::vector<std::string>& names) const {
  if (matcher_) {
    names.push_back(matcher_->name());
  } else if (operands_.empty()) {
    names.push_back(filter_.name);
  }
  for (const EntryFilter& operand : operands_) operand.append_label_names(names);
}

bool EntryFilter::has_address() const {
  return filter_.kind == Kind::kIp ||
         std::any_of(operands_.begin(), operands_.end(), [](const EntryFilter& o) { return o.has_address(); });
}

}  // namespace server
