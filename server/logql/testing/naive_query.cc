#include "server/logql/testing/naive_query.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "pipeline/match/ip_filter.h"
#include "pipeline/match/matcher.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/json_path.h"
#include "pipeline/parse/logfmt.h"
#include "pipeline/parse/pattern.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/metric.h"
#include "server/logql/value_text.h"

namespace server {

using pipeline::Label;
using pipeline::LabelSet;

namespace {

// An entry half way.
class NaiveEntryState {
 public:
  explicit NaiveEntryState(const NaiveEntry& entry) : line(entry.line), time_(entry.time) {
    for (const auto& [name, value] : entry.stream.labels()) original_[name] = stream_[name] = value;
    for (const auto& [name, value] : entry.metadata) {
      if (name == kErrorLabel) {
        error = value;
      } else if (name == kErrorDetailsLabel) {
        details = value;
      } else {
        metadata_[original_.count(name) ? name + "_extracted" : name] = value;
      }
    }
  }

  // Nothing: there is no such label.
  std::optional<std::string> get(const std::string& name) const {
    for (const NaiveLabels* labels : {&parsed_, &metadata_, &stream_})
      if (auto at = labels->find(name); at != labels->end() && (labels != &stream_ || !at->second.empty()))
        return at->second;
    return std::nullopt;
  }
  bool collides(const std::string& name) const { return original_.count(name) || metadata_.count(name); }
  // As a parser does it: a name of its own, and the first value wins.
  void extract(std::string name, const std::string& value) {
    if (collides(name)) name += "_extracted";
    if (extracted_.count(name)) return;
    set(name, value);
  }
  void set(const std::string& name, const std::string& value) {
    extracted_.insert(name);
    metadata_.erase(name);
    stream_.erase(name);
    parsed_[name] = value;
  }
  void remove(const std::string& name) {
    for (NaiveLabels* labels : {&parsed_, &metadata_, &stream_}) labels->erase(name);
  }
  template <class Predicate>
  void remove_if(Predicate predicate) {
    for (NaiveLabels* labels : {&parsed_, &metadata_, &stream_})
      std::erase_if(*labels, [&](const auto& label) { return predicate(label.first, label.second); });
  }
  void fail(const std::string& kind, const std::string& why) {
    error = kind;
    details = why;
  }
  NaiveResult result() const {
    NaiveResult out{time_, line, stream_, metadata_, parsed_};
    if (!error.empty()) out.parsed[std::string(kErrorLabel)] = error;
    if (!details.empty()) out.parsed[std::string(kErrorDetailsLabel)] = details;
    return out;
  }

  std::string line, error, details;

 private:
  UnixNanos time_;
  NaiveLabels original_, stream_, metadata_, parsed_;
  std::set<std::string> extracted_;
};

bool matches(const LabelMatcher& matcher, const std::string& value, pipeline::Dot dot = pipeline::Dot::kAny) {
  if (matcher.op == MatchOp::kEqual) return value == matcher.value;
  if (matcher.op == MatchOp::kNotEqual) return value != matcher.value;
  return pipeline::Regex::compile(matcher.value, dot)->full_match(value) == (matcher.op == MatchOp::kRegex);
}

bool operand_in(const LineFilterStage& stage, const LineFilterOperand& operand, const std::string& line) {
  if (operand.is_ip) return pipeline::IpFilter::compile(operand.text)->found_in(line);
  switch (stage.op) {
    case LineFilterOp::kContains:
    case LineFilterOp::kNotContains: return line.find(operand.text) != std::string::npos;
    case LineFilterOp::kMatches:
    case LineFilterOp::kNotMatches: return pipeline::Regex::compile(operand.text)->partial_match(line);
    default: return pipeline::PatternFilter::compile(operand.text)->matches(line);
  }
}

template <class Number>
bool compares(CompareOp op, Number left, Number right) {
  switch (op) {
    case CompareOp::kEqual: return left == right;
    case CompareOp::kNotEqual: return left != right;
    case CompareOp::kGreater: return left > right;
    case CompareOp::kGreaterEqual: return left >= right;
    case CompareOp::kLess: return left < right;
    default: return left <= right;
  }
}

template <class Number>
bool compares(NaiveEntryState& entry, CompareOp op, const Result<Number>& left, Number right) {
  if (left) return compares(op, *left, right);
  if (entry.error.empty()) entry.fail("LabelFilterErr", left.error().message);
  return true;
}

bool label_filter(const LabelFilter& filter, NaiveEntryState& entry) {
  using Kind = LabelFilter::Kind;
  if (filter.kind == Kind::kAnd) {
    const bool left = label_filter(filter.operands[0], entry);
    const bool right = label_filter(filter.operands[1], entry);
    return left && right;
  }
  if (filter.kind == Kind::kOr) {
    if (label_filter(filter.operands[0], entry)) return true;
    return label_filter(filter.operands[1], entry);
  }
  if (filter.kind == Kind::kString) {
    const LabelMatcher& matcher = filter.matcher;
    if (matcher.op == MatchOp::kRegex && matcher.value.empty()) return true;
    if (matcher.op == MatchOp::kNotRegex && matcher.value.empty()) return false;
    std::string value = entry.get(matcher.name).value_or("");
    if (matcher.name == kErrorLabel) value = entry.error;
    if (matcher.name == kErrorDetailsLabel) value = "";
    return matches(matcher, value, pipeline::Dot::kNotNewline);
  }
  const auto value = entry.get(filter.name);
  switch (filter.kind) {
    case Kind::kIp:
      if (!entry.error.empty()) return true;
      return value && pipeline::IpFilter::compile(filter.ip)->found_in(*value) == (filter.compare == CompareOp::kEqual);
    case Kind::kNumber: return value && compares(entry, filter.compare, parse_go_float(*value), filter.number);
    case Kind::kDuration:
      return value && compares(entry, filter.compare, parse_go_duration(*value), filter.duration_ns);
    default: return value && compares(entry, filter.compare, parse_human_bytes(*value), filter.bytes);
  }
}

// False: the entry is dropped.
struct NaiveStage {
  NaiveEntryState& entry;
  pipeline::Arena arena{};

  bool operator()(const LineFilterStage& stage) {
    bool found = false;
    for (const LineFilterOperand& operand : stage.operands) found = found || operand_in(stage, operand, entry.line);
    const bool negative = stage.op == LineFilterOp::kNotContains || stage.op == LineFilterOp::kNotMatches ||
                          stage.op == LineFilterOp::kNotPattern;
    return found != negative;
  }
  bool operator()(const JsonStage& stage) {
    if (!stage.extractions.empty()) return json_paths(stage);
    std::vector<pipeline::JsonField> fields;
    const auto fault = pipeline::flatten_json(entry.line, fields, arena);
    for (const pipeline::JsonField& field : fields)
      entry.extract(std::string(field.name), std::string(pipeline::logql_text(field.value, arena)));
    if (fault) entry.fail("JSONParserErr", std::string(*fault));
    return true;
  }
  bool json_paths(const JsonStage& stage) {
    const std::string& line = entry.line;
    if (line.empty()) return true;
    if (line[0] != '{' && line[0] != '[' && line[0] != '"') {
      entry.fail("JSONParserErr", "");
      return true;
    }
    for (const Extraction& extraction : stage.extractions) {
      const auto found = pipeline::JsonPath::parse(extraction.expression)->find(line);
      if (found.fault) entry.fail("JSONParserErr", std::string(*found.fault));
      if (!found.value) continue;
      const std::string name = extraction.name + (entry.collides(extraction.name) ? "_extracted" : "");
      entry.set(name, std::string(pipeline::json_path_text(*found.value, arena)));
    }
    for (const Extraction& extraction : stage.extractions)
      if (!entry.get(extraction.name)) entry.set(extraction.name, "");
    return true;
  }
  bool operator()(const LogfmtStage& stage) {
    for (const Extraction& extraction : stage.extractions)
      if (!entry.collides(extraction.name)) entry.set(extraction.name, "");
    pipeline::LogfmtScanner scanner(entry.line);
    pipeline::LogfmtPair pair;
    for (;;) {
      const auto step = scanner.next(pair);
      if (step == pipeline::LogfmtScanner::Step::kEnd) return true;
      if (step == pipeline::LogfmtScanner::Step::kFault) {
        if (!stage.strict) continue;
        entry.fail("LogfmtParserErr", scanner.fault());
        return true;
      }
      const std::string key(pipeline::sanitise_label_name(pair.key, arena));
      const std::string value(pipeline::logfmt_text(pair, arena));
      if (stage.extractions.empty()) {
        if (!key.empty() && (!value.empty() || stage.keep_empty)) entry.extract(key, value);
        continue;
      }
      for (const Extraction& extraction : stage.extractions) {
        if (extraction.expression != key) continue;
        entry.set(extraction.name + (entry.collides(extraction.name) ? "_extracted" : ""), value);
        break;
      }
    }
  }
  bool operator()(const RegexpStage& stage) {
    const auto regex = pipeline::Regex::compile(stage.regex);
    std::vector<std::string_view> groups(regex->group_count());
    if (!regex->find(entry.line, groups)) return true;
    for (size_t i = 1; i < groups.size(); ++i)
      if (!regex->group_names()[i].empty()) entry.extract(regex->group_names()[i], std::string(groups[i]));
    return true;
  }
  bool operator()(const PatternStage& stage) {
    const auto pattern = pipeline::PatternParser::compile(stage.pattern);
    std::vector<std::string_view> values;
    if (entry.line.empty()) return true;
    const size_t found = pattern->parse(entry.line, values);
    for (size_t i = 0; i < found; ++i) entry.extract(pattern->names()[i], std::string(values[i]));
    return true;
  }
  bool operator()(const LabelFilterStage& stage) { return label_filter(stage.filter, entry); }
  // Only {{.field}} and text.
  bool operator()(const LineFormatStage& stage) {
    std::string out;
    std::string_view form = stage.form;
    while (!form.empty()) {
      const size_t open = form.find("{{.");
      out += form.substr(0, open);
      if (open == std::string_view::npos) break;
      const size_t close = form.find("}}", open);
      const std::string name(form.substr(open + 3, close - open - 3));
      out += name == kErrorLabel ? entry.error : entry.get(name).value_or("");
      form.remove_prefix(close + 2);
    }
    entry.line = out;
    return true;
  }
  bool operator()(const DropStage& stage) {
    for (const NamedLabel& label : stage.labels) {
      if (label.name == kErrorLabel || label.name == kErrorDetailsLabel) {
        std::string& slot = label.name == kErrorLabel ? entry.error : entry.details;
        if (!label.matcher || matches(*label.matcher, slot)) slot.clear();
      } else if (!label.matcher || matches(*label.matcher, entry.get(label.name).value_or(""))) {
        entry.remove(label.name);
      }
    }
    return true;
  }
  bool operator()(const KeepStage& stage) {
    entry.remove_if([&](const std::string& name, const std::string& value) {
      return std::none_of(stage.labels.begin(), stage.labels.end(), [&](const NamedLabel& label) {
        return label.name == name && (!label.matcher || matches(*label.matcher, value));
      });
    });
    return true;
  }
  bool operator()(const DecolorizeStage&) { return true; }
  bool operator()(const UnpackStage&) { return true; }
  bool operator()(const LabelFormatStage&) { return true; }
};

using Samples = std::map<LabelSet, double>;

Result<Samples> range_at(const RangeAggregation& aggregation, const std::vector<NaiveEntry>& entries, UnixNanos at) {
  const LogRange& range = aggregation.range;
  const UnixNanos last = at - range.offset_ns;
  Samples out;
  for (const NaiveResult& entry : naive_log(range.log, entries, last - range.range_ns + 1, last + 1)) {
    const LabelSet labels = entry.all();
    if (labels.get(kErrorLabel)) return pipeline::fail(pipeline::Errc::kInvalid, pipeline_error_text(labels));
    const bool bytes = aggregation.op == RangeOp::kBytesOverTime || aggregation.op == RangeOp::kBytesRate;
    out[labels] += bytes ? static_cast<double>(entry.line.size()) : 1;
  }
  if (aggregation.op == RangeOp::kRate || aggregation.op == RangeOp::kBytesRate)
    for (auto& [labels, value] : out) value /= static_cast<double>(range.range_ns) / 1e9;
  return out;
}

double aggregate_values(VectorOp op, const std::vector<double>& values) {
  double out = op == VectorOp::kCount ? static_cast<double>(values.size()) : values[0];
  for (size_t i = 1; i < values.size(); ++i) {
    if (op == VectorOp::kSum || op == VectorOp::kAvg) out += values[i];
    if (op == VectorOp::kMax)
      out = std::isnan(out) ? values[i] : std::isnan(values[i]) ? out : std::max(out, values[i]);
    if (op == VectorOp::kMin)
      out = std::isnan(out) ? values[i] : std::isnan(values[i]) ? out : std::min(out, values[i]);
  }
  return op == VectorOp::kAvg ? out / static_cast<double>(values.size()) : out;
}

Result<Samples> evaluate_at(const Expr& expr, const std::vector<NaiveEntry>& entries, UnixNanos at) {
  if (const auto* literal = std::get_if<Literal>(&expr.node)) return Samples{{LabelSet(), literal->value}};
  if (const auto* literal = std::get_if<VectorLiteral>(&expr.node)) return Samples{{LabelSet(), literal->value}};
  if (const auto* range = std::get_if<RangeAggregation>(&expr.node)) return range_at(*range, entries, at);
  if (const auto* vector = std::get_if<VectorAggregation>(&expr.node)) {
    TRY_LET(const Samples inner, evaluate_at(*vector->inner, entries, at));
    std::map<LabelSet, std::vector<double>> groups;
    for (const auto& [labels, value] : inner) {
      std::vector<Label> group;
      for (const Label& label : labels.labels()) {
        if (!vector->grouping) continue;
        const auto& names = vector->grouping->labels;
        const bool named = std::find(names.begin(), names.end(), label.first) != names.end();
        if (named != vector->grouping->without) group.push_back(label);
      }
      groups[LabelSet::from(group)].push_back(value);
    }
    Samples out;
    for (const auto& [labels, values] : groups) out[labels] = aggregate_values(vector->op, values);
    return out;
  }
  const auto& binary = std::get<BinaryOperation>(expr.node);
  TRY_LET(const Samples left, evaluate_at(*binary.left, entries, at));
  TRY_LET(const Samples right, evaluate_at(*binary.right, entries, at));
  const bool scalar_left = std::holds_alternative<Literal>(binary.left->node);
  Samples out;
  for (const auto& [labels, value] : scalar_left ? right : left) {
    const double a = scalar_left ? left.begin()->second : value, b = scalar_left ? value : right.begin()->second;
    const double made = apply_operation(binary.op, a, b);
    if (!is_comparison(binary.op) || binary.return_bool) {
      out[labels] = made;
    } else if (made != 0) {
      out[labels] = value;
    }
  }
  return out;
}

}  // namespace

LabelSet NaiveResult::all() const {
  std::vector<Label> labels;
  for (const NaiveLabels* part : {&stream, &metadata, &parsed}) labels.insert(labels.end(), part->begin(), part->end());
  return LabelSet::from(std::move(labels));
}

std::optional<NaiveResult> naive_stages(const std::vector<Stage>& stages, const NaiveEntry& entry) {
  NaiveEntryState state(entry);
  for (const Stage& stage : stages)
    if (!std::visit(NaiveStage{state}, stage)) return std::nullopt;
  return state.result();
}

std::vector<NaiveResult> naive_log(const LogExpr& log, const std::vector<NaiveEntry>& entries, UnixNanos begin,
                                   UnixNanos end) {
  std::vector<NaiveResult> out;
  for (const NaiveEntry& entry : entries) {
    if (entry.time < begin || entry.time >= end) continue;
    const auto& matchers = log.selector.matchers;
    const bool selected = std::all_of(matchers.begin(), matchers.end(), [&](const LabelMatcher& matcher) {
      return matches(matcher, std::string(entry.stream.get(matcher.name).value_or("")));
    });
    if (!selected) continue;
    if (auto kept = naive_stages(log.stages, entry)) out.push_back(*std::move(kept));
  }
  return out;
}

Result<Matrix> naive_metric(const Expr& expr, const std::vector<NaiveEntry>& entries, const StepGrid& grid) {
  std::map<LabelSet, Series> series;
  for (uint32_t step = 0; step < grid.count; ++step) {
    TRY_LET(const Samples samples, evaluate_at(expr, entries, grid.at(step)));
    for (const auto& [labels, value] : samples) series[labels].points.push_back({step, value});
  }
  Matrix out;
  for (auto& [labels, made] : series) {
    made.labels = labels;
    out.series.push_back(std::move(made));
  }
  return out;
}

}  // namespace server
