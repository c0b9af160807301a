#include "server/cli/stdin_query.h"

#include <algorithm>
#include <atomic>
#include <istream>

#include "pipeline/base/concat.h"
#include "server/api/loki_json.h"
#include "server/logql/metric.h"
#include "server/logql/parser.h"
#include "server/query/query_engine.h"

namespace server {
namespace {

using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

constexpr UnixNanos kBetweenLines = 1000;

// With a selector where there is none: |= "x" and !~ "x" begin a pipeline.
std::string with_selector(std::string_view query) {
  const size_t first = query.find_first_not_of(" \t\n");
  const bool bare = first != query.npos && (query[first] == '|' || query[first] == '!');
  return pipeline::concat(bare ? "{source=\"logcli\"} " : "", query);
}

LabelSet labels_for(const Expr& expr) {
  std::vector<pipeline::Label> labels = {{"source", "logcli"}};
  auto take = [&](const Selector& selector) {
    for (const LabelMatcher& matcher : selector.matchers)
      if (matcher.op == MatchOp::kEqual) labels.emplace_back(matcher.name, matcher.value);
  };
  if (expr.log() != nullptr) {
    take(expr.log()->selector);
  } else {
    for (const RangeAggregation* range : range_aggregations(expr)) take(range->range.log.selector);
  }
  return LabelSet::from(std::move(labels));
}

// Never asked: the view has no objects.
class NoObjects final : public ObjectStore {
 public:
  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return pipeline::fail(none(key)); }
  Result<void> get_range(const std::string& key, uint64_t, uint64_t, std::string&) override {
    return pipeline::fail(none(key));
  }
  Result<uint64_t> size(const std::string& key) override { return pipeline::fail(none(key)); }
  Result<void> remove(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override { return std::vector<std::string>(); }
  Result<uint64_t> remove_unfinished(const std::string&) override { return uint64_t{0}; }

 private:
  static pipeline::Error none(const std::string& key) {
    return {pipeline::Errc::kNotFound, pipeline::concat("object ", key, ": standard input has no objects")};
  }
};

struct Lines {
  std::shared_ptr<EntryColumns> columns = std::make_shared<EntryColumns>();
  UnixNanos first = 0;
};

Lines read_lines(std::istream& in, UnixNanos now) {
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) all.push_back(std::move(line));
  Lines lines;
  lines.first = now - static_cast<UnixNanos>(all.size()) * kBetweenLines;
  for (size_t i = 0; i < all.size(); ++i)
    lines.columns->append(lines.first + static_cast<UnixNanos>(i + 1) * kBetweenLines, all[i], MetadataView());
  return lines;
}

ReadView view_of(const Lines& lines, const LabelSet& labels) {
  ReadView view;
  view.objects = std::make_shared<CatalogSnapshot>();
  if (lines.columns->slice().empty()) return view;
  auto streams = std::make_shared<HeadStreams>();
  streams->add(Stream::make("", labels),
               {lines.columns, lines.columns->slice(), lines.columns->min_time(), lines.columns->max_time()});
  view.head.pieces.push_back({UINT64_MAX, std::move(streams)});
  return view;
}

}  // namespace

Result<void> run_stdin_query(const std::string& query, std::istream& in, UnixNanos now, const CommandOutput& output) {
  const std::string text = with_selector(query);
  TRY_LET(const Expr expr, parse_query(text));
  const Lines lines = read_lines(in, now);
  const ReadView view = view_of(lines, labels_for(expr));
  NoObjects no_objects;
  TenantLimits limits;
  limits.max_entries_limit_per_query = limits.max_query_series = 0;
  limits.max_query_length = std::chrono::nanoseconds(0);
  const LimitTable table(LimitSet{limits, {}});
  QueryEngine engine([&](std::string_view) -> Result<ReadView> { return view; }, no_objects, table,
                     QueryEngineOptions{.memory_limit = 0});
  const std::atomic<bool> not_cancelled{false};
  const bool apart = output.style.form == OutputForm::kJsonLines;
  auto result = expr.log() == nullptr
                    ? engine.instant({"", text, now}, not_cancelled)
                    : engine.range({"",
                                    text,
                                    lines.first,
                                    now + 1,
                                    std::chrono::seconds(1),
                                    {Direction::kForward, UINT32_MAX, std::chrono::nanoseconds(0), apart}},
                                   not_cancelled);
  TRY(result);
  // By the way of an answer's JSON: what is printed is what a server would have made of these lines.
  const std::vector<std::string> flags(apart ? 1 : 0, "categorize-labels");
  TRY_LET(QueryAnswer answer, parse_query_answer(query_answer(*result, flags)));
  std::stable_sort(answer.entries.begin(), answer.entries.end(),
                   [](const AnsweredEntry& a, const AnsweredEntry& b) { return a.time < b.time; });
  return print_answer(answer, output);
}

}  // namespace server
