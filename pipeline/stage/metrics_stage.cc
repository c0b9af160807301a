// The stage `metrics` (agent.md 5.17, 11.9): counters, gauges and histograms made of the entries that pass, shown on
// /metrics of the agent.
#include <algorithm>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "pipeline/parse/value_text.h"
#include "pipeline/stage/argument_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/metric_series.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr std::string_view kDefaultPrefix = "loki_process_custom_";
constexpr std::string_view kTexts[] = {"set", "inc", "dec", "add", "sub", "observe"};
enum class Action : uint8_t { kSet, kInc, kDec, kAdd, kSub, kObserve };

struct MetricOptions {
  MetricType type = MetricType::kCounter;
  std::string source, value;  // value: "" for any
  Action action = Action::kInc;
  bool match_all = false, count_bytes = false;
};

// A metric and its series.
struct Metric {
  MetricOptions options;
  MetricSeries series;
};

struct MetricsMemory final : StageMemory {
  explicit MetricsMemory(StageUse used) : use(used) {}
  const StageUse use;
  std::vector<MetricSeries::Series*> by_labels;  // scratch: label set of the batch -> series
};

// As a number: text as a number or as a duration in seconds. Nothing: it is none.
std::optional<double> number_of(const FieldValue& value) {
  using enum FieldValue::Kind;
  switch (value.kind) {
    case kNumber:
    case kBool: return value.number;
    case kInteger: return static_cast<double>(value.integer);
    case kText: {
      if (auto number = parse_go_float(value.text)) return *number;
      auto duration = parse_argument_duration(value.text);
      if (!duration) return std::nullopt;
      return static_cast<double>(*duration) / 1e9;
    }
    default: return std::nullopt;
  }
}

class MetricsStage final : public Stage {
 public:
  explicit MetricsStage(std::vector<Metric> metrics) : metrics_(std::move(metrics)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override { return std::make_unique<MetricsMemory>(use); }
  void add_reads(FieldNames& reads) const override {
    for (const Metric& metric : metrics_) {
      if (!metric.options.match_all) reads.names.insert(metric.options.source);
    }
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<MetricsMemory&>(stage_memory);
    if (memory.use == StageUse::kRebuild) return;
    std::lock_guard lock(mutex_);
    for (Metric& metric : metrics_) {
      memory.by_labels.assign(batch.label_sets->size(), nullptr);
      count(batch, metric, memory);
    }
  }

  void append_metrics(MetricPage& page, UnixNanos now) const override {
    std::lock_guard lock(mutex_);
    for (Metric& metric : metrics_) metric.series.append(page, now);
  }

 private:
  static void count(Batch& batch, Metric& metric, MetricsMemory& memory) {
    const MetricOptions& options = metric.options;
    FieldReader reader(batch, options.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      FieldValue value;
      if (!options.match_all) {
        value = reader.at(i);
        if (value.kind == FieldValue::Kind::kAbsent) continue;
        if (!options.value.empty() && field_text(value, batch.arena) != options.value) continue;
      }
      std::optional<double> number = 1;
      if (options.count_bytes && options.match_all) {
        number = static_cast<double>(batch.lines[i].size());
      } else if (options.action != Action::kInc && options.action != Action::kDec) {
        number = number_of(value);
      }
      if (!number) continue;
      MetricSeries::Series*& series = memory.by_labels[batch.labels[i]];
      if (series == nullptr) series = metric.series.of(batch.label_sets->at(batch.labels[i]));
      if (series == nullptr) continue;  // too many
      change(metric, *series, *number);
      series->last_change = std::max(series->last_change, batch.read_time(i));
    }
  }

  static void change(Metric& metric, MetricSeries::Series& series, double number) {
    switch (metric.options.action) {
      case Action::kSet: series.value = number; break;
      case Action::kInc: series.value += 1; break;
      case Action::kDec: series.value -= 1; break;
      case Action::kSub: series.value -= number; break;
      case Action::kObserve: metric.series.observe(series, number); break;
      case Action::kAdd:
        // A counter that goes down would end upstream's program.
        if (metric.options.type != MetricType::kCounter || number >= 0) series.value += number;
        break;
    }
  }

  mutable std::mutex mutex_;
  mutable std::vector<Metric> metrics_;  // their series: under mutex_
};

constexpr StageArgument kMetricArguments[] = {
    {"kind", ArgumentType::kText, "", true, "counter, gauge or histogram"},
    {"name", ArgumentType::kText, "", true, "name of the metric, behind the prefix"},
    {"prefix", ArgumentType::kText, "loki_process_custom_", false, "stands before the name; replaces the default"},
    {"description", ArgumentType::kText, "", false, "the help text of the metric"},
    {"source", ArgumentType::kText, "", false, "extracted value to count; \"\": the one called as the metric"},
    {"value", ArgumentType::kText, "", false, "count only where the source is exactly this text"},
    {"action", ArgumentType::kText, "", false, "counter: inc, add; gauge: set, inc, dec, add, sub; required for both"},
    {"match_all", ArgumentType::kBoolean, "false", false, "counter: count every entry, whatever its values"},
    {"count_entry_bytes", ArgumentType::kBoolean, "false", false,
     "counter, with match_all and add: add the length of the line"},
    {"buckets", ArgumentType::kNumbers, "", false,
     "histogram: upper bounds, ascending, required; []: those of Prometheus, 0.005 to 10"},
    {"max_idle_duration", ArgumentType::kDuration, "5m", false,
     "a series that nothing was added to for so long ends; at least 1s"}};

constexpr StageArgument kArguments[] = {
    {"metric", ArgumentType::kTables, "", false, "the metrics, one table each", kMetricArguments}};

tl::unexpected<Error> refuse_foreign(std::string_view name) {
  return fail(Errc::kInvalid, concat("unrecognized attribute name \"", name, "\""));
}

// What only some kinds have.
Result<void> check_arguments(const StageArguments& arguments, MetricType type) {
  if (type != MetricType::kCounter) {
    for (std::string_view name : {"match_all", "count_entry_bytes"}) {
      if (arguments.given(name)) return refuse_foreign(name);
    }
  }
  const std::string_view foreign = type == MetricType::kHistogram ? "action" : "buckets";
  const std::string_view required = type == MetricType::kHistogram ? "buckets" : "action";
  if (arguments.given(foreign)) return refuse_foreign(foreign);
  if (!arguments.given(required)) {
    return fail(Errc::kInvalid, concat("missing required attribute \"", required, "\""));
  }
  if (arguments.nanoseconds("max_idle_duration") < 1'000'000'000) {
    return fail(Errc::kInvalid, "max_idle_duration must be greater or equal than 1s");
  }
  return {};
}

Result<Action> read_action(const StageArguments& arguments, MetricType type) {
  if (type == MetricType::kHistogram) return Action::kObserve;
  const std::string& text = arguments.text("action");
  const auto at = std::find(std::begin(kTexts), std::end(kTexts) - 1, text) - std::begin(kTexts);
  const auto action = static_cast<Action>(at);
  if (type == MetricType::kCounter && action != Action::kInc && action != Action::kAdd) {
    return fail(Errc::kInvalid, "the 'action' counter field must be either 'inc' or 'add'");
  }
  if (action == Action::kObserve) {
    return fail(Errc::kInvalid,
                "the 'action' gauge field must be one of the following values: [set, inc, dec, add, sub]");
  }
  return action;
}

Result<std::vector<double>> read_buckets(const StageArguments& arguments) {
  std::vector<double> buckets = arguments.numbers("buckets");
  if (arguments.given("buckets") && buckets.empty()) buckets = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
  for (size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i - 1] < buckets[i]) continue;
    char text[80];
    std::snprintf(text, sizeof text, "histogram buckets must be in increasing order: %f >= %f", buckets[i - 1],
                  buckets[i]);
    return fail(Errc::kInvalid, text);
  }
  return buckets;
}

bool is_metric_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
  });
}

Result<Metric> build_metric(const StageArguments& arguments) {
  const std::string& kind = arguments.text("kind");
  MetricOptions options;
  if (kind == "gauge") options.type = MetricType::kGauge;
  if (kind == "histogram") options.type = MetricType::kHistogram;
  if (kind != "counter" && options.type == MetricType::kCounter) {
    return fail(Errc::kInvalid, concat("unrecognized block name \"metric.", kind, "\""));
  }
  TRY(check_arguments(arguments, options.type));
  TRY_LET(options.action, read_action(arguments, options.type));
  options.source = arguments.text("source").empty() ? arguments.text("name") : arguments.text("source");
  options.value = arguments.text("value");
  options.match_all = arguments.boolean("match_all");
  options.count_bytes = arguments.boolean("count_entry_bytes");
  if (options.match_all && !options.value.empty()) {
    return fail(Errc::kInvalid, "a 'counter' metric supports either 'match_all' or a 'value', but not both");
  }
  if (options.count_bytes && (!options.match_all || options.action != Action::kAdd)) {
    return fail(Errc::kInvalid,
                "the 'count_entry_bytes' counter field must be specified along with match_all set to true or action "
                "set to 'add'");
  }
  TRY_LET(auto buckets, read_buckets(arguments));
  const std::string& prefix = arguments.text("prefix");
  std::string name = concat(prefix.empty() ? kDefaultPrefix : prefix, arguments.text("name"));
  if (!is_metric_name(name)) return fail(Errc::kInvalid, concat("invalid metric name: ", name));
  return Metric{options, MetricSeries(std::move(name), arguments.text("description"), options.type, std::move(buckets),
                                      arguments.nanoseconds("max_idle_duration"))};
}

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  std::vector<Metric> metrics;
  for (const StageArguments& each : arguments.tables("metric")) {
    TRY_LET(Metric metric, build_metric(each));
    metrics.push_back(std::move(metric));
  }
  return std::make_unique<MetricsStage>(std::move(metrics));
}

}  // namespace

const StageKind kMetricsStage = {"metrics", "counts entries and their values in metrics of the agent", kArguments,
                                 build};

}  // namespace pipeline
