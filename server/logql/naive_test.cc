// Random queries on random entries: the compiled pieces against the naive interpreter.
#include <doctest/doctest.h>
#include <random>
#include <string>

#include "server/logql/metric.h"
#include "server/logql/parser.h"
#include "server/logql/testing/list_source.h"
#include "server/logql/testing/matrix_check.h"
#include "server/logql/testing/random_metric.h"
#include "server/logql/testing/random_run.h"

using namespace server;

namespace {

class RandomQueries {
 public:
  explicit RandomQueries(unsigned seed) : random_(seed) {}

  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  template <size_t N>
  std::string one_of(const char* const (&list)[N]) {
    return list[pick(N)];
  }
  bool often() { return pick(4) != 0; }

  std::string name() { return one_of({"a", "b", "app", "lvl", "sm", "c_d", "num", "app_extracted", "nope"}); }
  std::string value() { return one_of({"1", "2", "x", "5s", "10kb", "", "10.0.0.1", "info", "1.5", "x y"}); }

  std::string json_line() {
    std::string out = "{";
    for (int i = pick(6); i > 0; --i) {
      out += "\"" + one_of({"a", "b", "app", "lvl", "sm", "num", "app_extracted", "9 n"}) + "\":";
      switch (pick(5)) {
        case 0: out += std::to_string(pick(5)); break;
        case 1: out += "{\"d\":\"" + value() + "\"}"; break;
        case 2: out += one_of({"true", "null", "[1]", "\"q\\\"\\u00e9\""}); break;
        default: out += "\"" + value() + "\"";
      }
      out += i > 1 ? "," : "";
    }
    return out + "}";
  }
  std::string logfmt_line() {
    std::string out;
    for (int i = pick(6); i > 0; --i) {
      out += one_of({"a", "b", "app", "lvl", "sm", "num", "c.d"});
      if (often()) out += "=" + one_of({"1", "2", "x", "5s", "10kb", "", "\"x y\"", "info"});
      out += " ";
    }
    return out;
  }
  std::string line(bool broken) {
    if (pick(10) == 0)
      return "{\"a\":\"" + value() + "\",\"_entry\":\"" + one_of({"num=5 a=b", "x \\u001b[31mred\\u001b[0m", ""}) +
             "\",\"sm\":\"p\"}";
    if (pick(20) == 0) return "\x1b[32m" + logfmt_line() + "\x1b[0m";
    const int kind = pick(broken ? 5 : 4);
    if (kind <= 1) return json_line();
    if (kind == 2) return logfmt_line();
    if (kind == 3) return one_of({"GET /a 200 5ms", "POST /b 404", "from 10.0.0.1:80", "", "error: x"});
    return one_of({"{\"a\":1,", "{\"a\" 1}", "a=\"x", "=", "{\"a\":tru}", "nope"});
  }
  std::vector<NaiveEntry> entries(bool broken, bool only_json) {
    std::vector<NaiveEntry> out;
    for (int i = 0; i < 40; ++i) {
      NaiveEntry entry;
      std::vector<pipeline::Label> labels = {{"app", one_of({"foo", "bar"})}};
      if (pick(2)) labels.emplace_back("lvl", one_of({"info", "warn"}));
      if (pick(4) == 0) labels.emplace_back("c_d", "");
      entry.stream = pipeline::LabelSet::from(labels);
      if (pick(3)) entry.metadata.emplace_back("sm", value());
      if (pick(5) == 0) entry.metadata.emplace_back("app", value());
      if (broken && pick(10) == 0) entry.metadata.emplace_back("__error__", "mine");
      std::sort(entry.metadata.begin(), entry.metadata.end());
      entry.time = pick(100) * 1'000'000;
      entry.line = only_json ? json_line() : line(broken);
      out.push_back(std::move(entry));
    }
    return out;
  }

  std::string line_filter() {
    std::string out = one_of({"|= ", "!= ", "|~ ", "!~ ", "|> ", "!> "});
    const bool regex = out[1] == '~', pattern = out[1] == '>';
    for (int i = 0; i == 0 || pick(3) == 0; ++i) {
      if (i > 0) out += " or ";
      if (regex) {
        out += "`" + one_of({"a.*b", "(?i)GET", "x|info", "^\\{", "[0-9]+ms", "", "404$"}) + "`";
      } else if (pattern) {
        out += "`" + one_of({"<_> 200 <_>", "GET <_>", "<_>", "<_>x<_>"}) + "`";
      } else {
        out += pick(6) ? "`" + one_of({"a", "\"a\"", "x", "GET", "info", "=1", ""}) + "`" : "ip(`10.0.0.0/8`)";
      }
    }
    return out;
  }
  std::string label_filter(int depth = 0) {
    if (depth < 2 && pick(3) == 0)
      return "(" + label_filter(depth + 1) + one_of({" and ", " or ", ", ", " "}) + label_filter(depth + 1) + ")";
    std::string label = pick(8) ? name() : "__error__";
    switch (pick(5)) {
      case 0: return label + one_of({">", ">=", "<", "<=", "=", "!="}) + one_of({"1", "1.5", "2"});
      case 1: return label + one_of({">", "<", "=", "!="}) + one_of({"1s", "5s", "1kB", "10kB"});
      case 2: return label + one_of({"=", "!="}) + "ip(`10.0.0.0/8`)";
      case 3:
        return label + one_of({"=~", "!~"}) + "`" + one_of({".+", "x|1", "", "[a-z]*", "in.o", "in.*", "10kb|10.0"}) +
               "`";
      default: return label + one_of({"=", "!="}) + "`" + value() + "`";
    }
  }
  std::string label_formats() {
    std::vector<std::string> targets = {"a", "lvl", "new", "app", "sm"};
    std::string out;
    for (int i = 1 + pick(3); i > 0; --i) {
      const auto at = targets.begin() + pick(static_cast<int>(targets.size()));
      out += *at + "=" +
             (pick(2) ? name()
                      : "`" +
                            one_of({"{{.a}}", "x", "{{.b}}{{.sm}}", "{{.a | substr 3 1}}", "{{len .}}",
                                    "{{__line__ | trunc 3}}", "{{__timestamp__ | unixEpoch}}"}) +
                            "`");
      targets.erase(at);
      if (i > 1) out += ", ";
    }
    return out;
  }
  std::string stage(bool changes_line) {
    switch (pick(changes_line ? 13 : 8)) {
      case 0:
      case 1: return line_filter();
      case 2: return "| " + one_of({"json", "json a, x=`b.d`", "json sm, app, nope", "json q=`num`"});
      case 3:
        return "| " + one_of({"logfmt", "logfmt --strict", "logfmt --keep-empty", "logfmt a, z=`b`", "logfmt sm"});
      case 4: return "| " + one_of({"regexp `(?P<a>[a-z]+) (?P<path>/\\w)?`", "pattern `<m> <path> <_>`"});
      case 5:
      case 6: return "| " + label_filter();
      case 7:
        return "| " + one_of({"drop app, a=~`.*`", "drop lvl=`info`, sm=~`.+`", "keep a, app, lvl=~`.*`",
                              "keep b, sm=`x`", "drop __error__, __error_details__=~`.*`"});
      case 8: return "| " + one_of({"unpack", "unpack", "decolorize"});
      case 9:
      case 10: return "| label_format " + label_formats();
      default:
        return "| line_format `" +
               one_of({"{{.a}} {{.sm}}", "x={{.lvl}} {\"k\":1}", "{{.__error__}}", "{{.a | upper}} a={{.b}}",
                       "{{if .lvl}}{{.lvl}}{{else}}{{__line__}}{{end}}", "{{substr 3 1 .app}}",
                       "{{range $k, $v := .}}{{$k}}={{$v}} {{end}}", "{{index . \"a\"}}"}) +
               "`";
    }
  }
  std::string log_query(bool changes_line) {
    std::string out = one_of({"{app=`foo`}", "{app=~`.+`}", "{app!=``,lvl!=`warn`}"});
    for (int i = pick(5); i > 0; --i) out += " " + stage(changes_line);
    return out;
  }
  std::string metric_query() {
    std::string out = one_of({"count_over_time", "rate", "bytes_over_time", "bytes_rate"});
    out += "(" + log_query(true) + " [" + one_of({"10ms", "25ms", "0"}) + "] offset " + one_of({"0s", "7ms", "-7ms"}) +
           ")";
    for (int i = pick(3); i > 0; --i)
      out = one_of({"sum", "sum", "sum", "min", "max", "count", "avg"}) +
            one_of({" ", " by (a, app) ", " without (sm, b) ", " by (lvl) ", " without () "}) + "(" + out + ")";
    // Averages come out a little different when added up in another order; % and comparisons would magnify that.
    if (out.find("avg") != std::string::npos) return out;
    if (pick(3) == 0) out = out + one_of({" > 1", " >= bool 2", " * 2", " / 0", " % 3", " - 1"});
    if (pick(5) == 0) out = one_of({"2 < ", "10 - ", "1 == bool "}) + "(" + out + ")";
    return out;
  }

 private:
  std::mt19937 random_;
};

// As the engine does it: stream by stream, the leading filters on all lines at once.
std::vector<std::string> fast_log(const LogExpr& log, const std::vector<NaiveEntry>& entries) {
  auto compiled = LogPipeline::compile(log.stages);
  REQUIRE_MESSAGE(compiled.has_value(), compiled.error().message);
  const auto matchers = compile_selector(log.selector);
  std::vector<uint32_t> rows, ends;
  std::string text;
  for (const NaiveEntry& entry : entries) ends.push_back(static_cast<uint32_t>((text += entry.line).size()));
  compiled->leading().select(text, ends, rows);
  LabelResults results;
  PipelineRun run(*compiled, results, LeadingFilters::kDone);
  std::vector<std::string> out;
  for (uint32_t row : rows) {
    const NaiveEntry& entry = entries[row];
    if (!pipeline::matches_all(matchers, entry.stream)) continue;
    run.begin_stream(entry.stream);
    std::string metadata;
    append_metadata(metadata, std::vector<MetadataPair>(entry.metadata.begin(), entry.metadata.end()));
    if (!run.process(entry.time, entry.line, MetadataView(metadata))) continue;
    const ResultLabels& labels = results.at(run.labels());
    out.push_back(std::to_string(entry.time) + " " + std::string(run.line()) + " " + labels.stream.text() +
                  labels.metadata.text() + labels.parsed.text());
  }
  return out;
}

std::string text_of(const NaiveLabels& labels) {
  return pipeline::LabelSet::from(std::vector<pipeline::Label>(labels.begin(), labels.end())).text();
}

std::vector<std::string> slow_log(const LogExpr& log, const std::vector<NaiveEntry>& entries) {
  std::vector<std::string> out;
  for (const NaiveResult& entry : naive_log(log, entries, INT64_MIN, INT64_MAX))
    out.push_back(std::to_string(entry.time) + " " + entry.line + " " + text_of(entry.stream) +
                  text_of(entry.metadata) + text_of(entry.parsed));
  return out;
}

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("pipeline: agrees with the naive interpreter on random log queries") {
    const auto seed = static_cast<unsigned>(random_seed());
    INFO("seed ", seed);
    RandomQueries random(seed);
    for (int round = 0; round < random_rounds(200); ++round) {
      const auto entries = random.entries(true, false);
      for (int i = 0; i < 20; ++i) {
        const std::string query = random.log_query(true);
        INFO(query);
        auto expr = parse_query(query);
        REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
        CHECK(fast_log(*expr->log(), entries) == slow_log(*expr->log(), entries));
      }
    }
  }

  TEST_CASE("metric: agrees with the naive interpreter on random queries") {
    const auto seed = static_cast<unsigned>(random_seed());
    INFO("seed ", seed);
    RandomQueries random(seed);
    int compared = 0;
    for (int round = 0; round < random_rounds(40); ++round) {
      const auto entries = random.entries(false, round % 2 == 0);
      ListSource source(entries);
      for (int i = 0; i < 20; ++i) {
        const std::string query = random.metric_query();
        INFO(query);
        auto expr = parse_query(query);
        REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
        const StepGrid grid{random.pick(20) * 1'000'000, (1 + random.pick(20)) * 1'000'000,
                            static_cast<uint32_t>(1 + random.pick(8))};
        auto slow = naive_metric(*expr, entries, grid);
        auto fast = evaluate_metric(*expr, grid, source);
        // Sums do not parse what they do not need, so they may miss errors that the naive interpreter sees.
        if (!slow) continue;
        REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
        fast->sort();
        slow->sort();
        check_same(*fast, *slow);
        ++compared;
      }
    }
    CHECK(compared > 100);
  }

  TEST_CASE("metric: agrees with the naive interpreter on random queries of the whole language") {
    const auto seed = static_cast<unsigned>(random_seed());
    INFO("seed ", seed);
    RandomMetric random(seed);
    int compared = 0, refused = 0;
    for (int round = 0; round < random_rounds(60); ++round) {
      const auto entries = random.entries(60, 0, 100'000'000);
      ListSource source(entries, static_cast<size_t>(1 + random.pick(3)));
      for (int i = 0; i < 40; ++i) {
        const std::string query = random.query(6);
        INFO(query);
        auto expr = parse_query(query);
        REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
        const StepGrid grid{random.pick(20) * 1'000'000, (1 + random.pick(20)) * 1'000'000,
                            static_cast<uint32_t>(1 + random.pick(10))};
        auto slow = naive_metric(*expr, entries, grid);
        auto fast = evaluate_metric(*expr, grid, source);
        if (slow) {
          REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
          fast->sort();
          slow->sort();
          check_same(*fast, *slow);
          ++compared;
        } else if (slow.error().message.find("match") != std::string::npos || !fast) {
          ++refused;  // errors of what is not parsed may be missed
        }
      }
    }
    CHECK(compared > 1000);
    CHECK(refused > 20);
  }
}
