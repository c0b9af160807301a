#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "pipeline/match/regex.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/testing/naive_query.h"

namespace server {

using pipeline::fail;
using pipeline::Label;
using pipeline::LabelSet;

namespace {

struct NaiveValue {
  LabelSet labels;
  double value = 0;
};
using NaiveVector = std::vector<NaiveValue>;

bool named(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

LabelSet only(const LabelSet& labels, const std::vector<std::string>& names, bool wanted) {
  std::vector<Label> out;
  for (const Label& label : labels.labels())
    if (named(names, label.first) == wanted) out.push_back(label);
  return LabelSet::from(std::move(out));
}

double mean(const std::vector<double>& values) {
  double out = 0, n = 0;
  for (const double value : values) {
    ++n;
    if (std::isinf(out) && ((std::isinf(value) && (out > 0) == (value > 0)) || std::isfinite(value))) continue;
    out += value / n - out / n;
  }
  return out;
}

double variance(const std::vector<double>& values) {
  double average = 0, squares = 0, n = 0;
  for (const double value : values) {
    const double delta = value - average;
    average += delta / ++n;
    squares += delta * (value - average);
  }
  return squares / n;
}

double extreme(const std::vector<double>& values, bool highest) {
  double out = values[0];
  for (const double value : values)
    if ((highest ? value > out : value < out) || std::isnan(out)) out = value;
  return out;
}

double sum(const std::vector<double>& values) {
  double out = 0;
  for (const double value : values) out += value;
  return out;
}

double quantile(double q, std::vector<double> values) {
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  std::sort(values.begin(), values.end(), [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const double rank = q * static_cast<double>(values.size() - 1), weight = rank - std::floor(rank);
  const auto low = static_cast<size_t>(rank);
  return values[low] * (1 - weight) + values[std::min(low + 1, values.size() - 1)] * weight;
}

struct Timed {
  UnixNanos time;
  double value;
};

double counter_rate(const std::vector<Timed>& samples, UnixNanos start, UnixNanos end) {
  if (samples.size() < 2) return 0;
  double gained = samples.back().value - samples.front().value, previous = 0;
  for (const Timed& sample : samples) {
    if (sample.value < previous) gained += previous;
    previous = sample.value;
  }
  const auto sampled = static_cast<double>(samples.back().time - samples.front().time);
  const double usual = sampled / static_cast<double>(samples.size() - 1);
  double before = static_cast<double>((end - start) / 1'000'000);
  if (before >= 1.1 * usual) before = usual / 2;
  if (gained > 0 && samples[0].value >= 0) before = std::min(before, sampled * (samples[0].value / gained));
  return gained * ((sampled + before) / sampled) / (static_cast<double>(end - start) / 1e9);
}

double over_window(const RangeAggregation& aggregation, const std::vector<Timed>& samples, UnixNanos start,
                   UnixNanos end) {
  std::vector<double> values;
  for (const Timed& sample : samples) values.push_back(sample.value);
  const double seconds = static_cast<double>(aggregation.range.range_ns) / 1e9;
  switch (aggregation.op) {
    case RangeOp::kAbsentOverTime:
    case RangeOp::kCountOverTime: return static_cast<double>(values.size());
    case RangeOp::kRate: return (aggregation.range.unwrap ? sum(values) : static_cast<double>(values.size())) / seconds;
    case RangeOp::kRateCounter: return counter_rate(samples, start, end);
    case RangeOp::kBytesOverTime:
    case RangeOp::kSumOverTime: return sum(values);
    case RangeOp::kBytesRate: return sum(values) / seconds;
    case RangeOp::kAvgOverTime: return mean(values);
    case RangeOp::kMinOverTime: return extreme(values, false);
    case RangeOp::kMaxOverTime: return extreme(values, true);
    case RangeOp::kStdvarOverTime: return variance(values);
    case RangeOp::kStddevOverTime: return std::sqrt(variance(values));
    case RangeOp::kQuantileOverTime: return quantile(aggregation.parameter.value_or(0), values);
    case RangeOp::kFirstOverTime: return values.front();
    case RangeOp::kLastOverTime: return values.back();
  }
  return 0;
}

// The labels of a sample: an aggregation's own grouping, else all without what was unwrapped, unless the sum right
// above asks for it by name.
LabelSet sample_labels(const RangeAggregation& aggregation, const VectorAggregation* outer, const LabelSet& all) {
  const auto& grouping = aggregation.grouping;
  if (grouping && !grouping->without) return only(all, grouping->labels, true);
  LabelSet out = grouping ? only(all, grouping->labels, false) : all;
  if (!aggregation.range.unwrap) return out;
  const bool additive = aggregation.op == RangeOp::kSumOverTime || aggregation.op == RangeOp::kRate;
  const bool asked = outer && outer->op == VectorOp::kSum && additive && outer->grouping && !outer->grouping->without &&
                     named(outer->grouping->labels, aggregation.range.unwrap->label);
  return asked ? out : out.without(aggregation.range.unwrap->label);
}

Result<NaiveVector> range_at(const RangeAggregation& aggregation, const VectorAggregation* outer,
                             const std::vector<NaiveEntry>& entries, UnixNanos at) {
  const LogRange& range = aggregation.range;
  const UnixNanos end = at - range.offset_ns, start = end - range.range_ns;
  std::map<LabelSet, std::vector<Timed>> windows;
  for (const NaiveSample& sample : naive_samples(range, entries, start + 1, end + 1)) {
    const LabelSet all = sample.entry.all();
    if (all.get(kErrorLabel)) return fail(pipeline::Errc::kInvalid, pipeline_error_text(all));
    const bool bytes = aggregation.op == RangeOp::kBytesOverTime || aggregation.op == RangeOp::kBytesRate;
    windows[sample_labels(aggregation, outer, all)].push_back(
        {sample.entry.time, bytes ? static_cast<double>(sample.entry.line.size()) : sample.value});
  }
  NaiveVector out;
  for (auto& [labels, samples] : windows) {
    std::stable_sort(samples.begin(), samples.end(), [](const Timed& a, const Timed& b) { return a.time < b.time; });
    out.push_back({labels, over_window(aggregation, samples, start, end)});
  }
  if (aggregation.op != RangeOp::kAbsentOverTime) return out;
  if (!out.empty()) return NaiveVector();
  std::map<std::string, std::string> labels;
  std::map<std::string, int> seen;
  for (const LabelMatcher& matcher : range.log.selector.matchers) {
    if (matcher.op == MatchOp::kEqual && seen[matcher.name]++ == 0) {
      labels[matcher.name] = matcher.value;
    } else {
      labels.erase(matcher.name);
    }
  }
  return NaiveVector{{LabelSet::from({labels.begin(), labels.end()}), 1}};
}

Result<NaiveVector> aggregate(const VectorAggregation& aggregation, const NaiveVector& inner) {
  std::map<LabelSet, NaiveVector> groups;
  for (const NaiveValue& one : inner) {
    const auto& grouping = aggregation.grouping;
    groups[grouping ? only(one.labels, grouping->labels, !grouping->without) : LabelSet()].push_back(one);
  }
  NaiveVector out;
  for (auto& [labels, members] : groups) {
    std::vector<double> values;
    for (const NaiveValue& one : members) values.push_back(one.value);
    const bool down = aggregation.op == VectorOp::kTopK || aggregation.op == VectorOp::kApproxTopK ||
                      aggregation.op == VectorOp::kSortDesc;
    switch (aggregation.op) {
      case VectorOp::kSum: out.push_back({labels, sum(values)}); break;
      case VectorOp::kAvg: out.push_back({labels, mean(values)}); break;
      case VectorOp::kCount: out.push_back({labels, static_cast<double>(values.size())}); break;
      case VectorOp::kMax: out.push_back({labels, extreme(values, true)}); break;
      case VectorOp::kMin: out.push_back({labels, extreme(values, false)}); break;
      case VectorOp::kStdvar: out.push_back({labels, values.size() == 1 ? 0 : variance(values)}); break;
      case VectorOp::kStddev: out.push_back({labels, values.size() == 1 ? 0 : std::sqrt(variance(values))}); break;
      default:
        std::stable_sort(members.begin(), members.end(), [&](const NaiveValue& a, const NaiveValue& b) {
          if (std::isnan(a.value) || std::isnan(b.value)) return !std::isnan(a.value) && std::isnan(b.value);
          return down ? a.value > b.value : a.value < b.value;
        });
        if (aggregation.k > 0 && members.size() > static_cast<size_t>(aggregation.k))
          members.resize(static_cast<size_t>(aggregation.k));
        out.insert(out.end(), members.begin(), members.end());
    }
  }
  return out;
}

double operate(BinaryOp op, double a, double b) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  switch (op) {
    case BinaryOp::kAdd: return a + b;
    case BinaryOp::kSubtract: return a - b;
    case BinaryOp::kMultiply: return a * b;
    case BinaryOp::kDivide: return b == 0 ? none : a / b;
    case BinaryOp::kModulo: return b == 0 ? none : std::fmod(a, b);
    case BinaryOp::kPower: return std::pow(a, b);
    case BinaryOp::kEqual: return a == b ? 1 : 0;
    case BinaryOp::kNotEqual: return a != b ? 1 : 0;
    case BinaryOp::kLess: return a < b ? 1 : 0;
    case BinaryOp::kLessEqual: return a <= b ? 1 : 0;
    case BinaryOp::kGreater: return a > b ? 1 : 0;
    case BinaryOp::kGreaterEqual: return a >= b ? 1 : 0;
    default: return none;
  }
}

// Adds the value of an operation under these labels, unless a comparison without bool says no.
void put(NaiveVector& out, const BinaryOperation& binary, const LabelSet& labels, double a, double b, double kept) {
  const double value = operate(binary.op, a, b);
  if (!is_comparison(binary.op) || binary.return_bool) {
    out.push_back({labels, value});
  } else if (value != 0) {
    out.push_back({labels, kept});
  }
}

Result<NaiveVector> combine_vectors(const BinaryOperation& binary, NaiveVector left, NaiveVector right) {
  const VectorMatching& matching = binary.matching;
  auto key = [&](const NaiveValue& one) { return only(one.labels, matching.labels, matching.on); };
  auto found = [&](const NaiveVector& in, const NaiveValue& wanted) {
    return std::any_of(in.begin(), in.end(), [&](const NaiveValue& one) { return key(one) == key(wanted); });
  };
  NaiveVector out;
  if (is_set_operation(binary.op)) {
    for (const NaiveValue& one : left)
      if (binary.op == BinaryOp::kOr || found(right, one) == (binary.op == BinaryOp::kAnd)) out.push_back(one);
    for (const NaiveValue& one : right)
      if (binary.op == BinaryOp::kOr && !found(left, one)) out.push_back(one);
    return out;
  }
  using Cardinality = VectorMatching::Cardinality;
  const bool swapped = matching.cardinality == Cardinality::kOneToMany;
  if (swapped) std::swap(left, right);
  for (size_t i = 0; i < right.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (key(right[i]) == key(right[k])) return fail(pipeline::Errc::kInvalid, "found duplicate series");
  std::map<LabelSet, int> made;
  for (const NaiveValue& many : left) {
    const auto one =
        std::find_if(right.begin(), right.end(), [&](const NaiveValue& other) { return key(other) == key(many); });
    if (one == right.end()) continue;
    LabelSet labels = matching.cardinality == Cardinality::kOneToOne ? key(many) : many.labels;
    for (const std::string& name : matching.include) {
      labels = labels.without(name);
      if (const auto value = one->labels.get(name)) labels = labels.with(name, *value);
    }
    if (made[labels]++) return fail(pipeline::Errc::kInvalid, "multiple matches for labels");
    const double a = swapped ? one->value : many.value, b = swapped ? many.value : one->value;
    put(out, binary, labels, a, b, a);
  }
  return out;
}

class NaiveMetric {
 public:
  NaiveMetric(const std::vector<NaiveEntry>& entries, UnixNanos at) : entries_(entries), at_(at) {}

  Result<NaiveVector> run(const Expr& expr, const VectorAggregation* outer) const {
    return std::visit([&](const auto& node) { return run(node, outer); }, expr.node);
  }

 private:
  Result<NaiveVector> run(const LogExpr&, const VectorAggregation*) const { return NaiveVector(); }
  Result<NaiveVector> run(const Literal& literal, const VectorAggregation*) const {
    return NaiveVector{{LabelSet(), literal.value}};
  }
  Result<NaiveVector> run(const VectorLiteral& literal, const VectorAggregation*) const {
    return NaiveVector{{LabelSet(), literal.value}};
  }
  Result<NaiveVector> run(const RangeAggregation& range, const VectorAggregation* outer) const {
    return range_at(range, outer, entries_, at_);
  }
  Result<NaiveVector> run(const VectorAggregation& vector, const VectorAggregation*) const {
    TRY_LET(const NaiveVector inner, run(*vector.inner, &vector));
    return aggregate(vector, inner);
  }
  Result<NaiveVector> run(const LabelReplace& replace, const VectorAggregation*) const {
    TRY_LET(NaiveVector inner, run(*replace.inner, nullptr));
    const auto regex = pipeline::Regex::compile(replace.regex);
    std::vector<std::string_view> groups(regex->group_count());
    for (NaiveValue& one : inner) {
      const std::string source(one.labels.get(replace.source).value_or(""));
      if (!regex->full_find(source, groups)) continue;
      std::string value;
      regex->expand(value, replace.replacement, groups);
      one.labels = one.labels.without(replace.destination);
      if (!value.empty()) one.labels = one.labels.with(replace.destination, value);
    }
    return inner;
  }
  Result<NaiveVector> run(const BinaryOperation& binary, const VectorAggregation*) const {
    TRY_LET(const NaiveVector left, run(*binary.left, nullptr));
    TRY_LET(const NaiveVector right, run(*binary.right, nullptr));
    NaiveVector out;
    if (std::holds_alternative<Literal>(binary.left->node)) {
      for (const NaiveValue& one : right) put(out, binary, one.labels, left[0].value, one.value, one.value);
    } else if (std::holds_alternative<Literal>(binary.right->node)) {
      for (const NaiveValue& one : left) put(out, binary, one.labels, one.value, right[0].value, one.value);
    } else {
      return combine_vectors(binary, left, right);
    }
    return out;
  }

  const std::vector<NaiveEntry>& entries_;
  const UnixNanos at_;
};

}  // namespace

Result<Matrix> naive_metric(const Expr& expr, const std::vector<NaiveEntry>& entries, const StepGrid& grid) {
  std::map<LabelSet, Series> series;
  for (uint32_t step = 0; step < grid.count; ++step) {
    TRY_LET(const NaiveVector values, NaiveMetric(entries, grid.at(step)).run(expr, nullptr));
    for (const auto& [labels, value] : values) series[labels].points.push_back({step, value});
  }
  Matrix out;
  for (auto& [labels, made] : series) {
    made.labels = labels;
    out.series.push_back(std::move(made));
  }
  return out;
}

}  // namespace server
