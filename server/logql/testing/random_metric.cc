#include "server/logql/testing/random_metric.h"

#include <set>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;

std::string RandomMetric::line() {
  std::string out = one_of({"level=info", "level=error", "level=warn", "x"});
  if (pick(8)) {
    out += pick(40) ? concat(" v=", pick(2) ? "" : "-", pick(100) / 4, one_of({"", ".25", ".5", ".75"}))
                    : one_of({" v=NaN", " v=+Inf", " v=-Inf", " v=oops", " v="});
  }
  if (pick(3)) out += concat(" d=", pick(40), one_of({"s", "m", "h"}));
  if (pick(3)) out += concat(" b=", pick(40), one_of({"B", "KiB"}));
  if (pick(2)) out += concat(" total=", pick(1000));
  return out + " user=u" + std::to_string(pick(4)) + std::string(static_cast<size_t>(pick(20)), '.');
}

std::vector<NaiveEntry> RandomMetric::entries(size_t count, UnixNanos begin, int64_t span) {
  std::vector<NaiveEntry> out;
  std::set<UnixNanos> times;
  while (out.size() < count) {
    NaiveEntry entry;
    entry.time = begin + pick(span);
    if (!times.insert(entry.time).second) continue;
    std::vector<pipeline::Label> labels = {{"app", one_of({"foo", "bar", "baz"})}};
    if (pick(3)) labels.emplace_back("zone", one_of({"z1", "z2"}));
    entry.stream = pipeline::LabelSet::from(std::move(labels));
    if (pick(3) == 0) entry.metadata.emplace_back("sm", one_of({"1", "2", "2.5"}));
    entry.line = line();
    out.push_back(std::move(entry));
  }
  return out;
}

std::string RandomMetric::duration(int64_t unit) { return concat((1 + pick(6)) * unit, "ms"); }

std::string RandomMetric::selection() {
  std::string out = one_of({"{app=`foo`}", "{app=~`.+`}", "{app!=``,zone!=`z1`}", "{app=~`foo|bar`}", "{app=`nope`}"});
  if (pick(3) == 0) out += one_of({" |= `error`", " != `info`", " |~ `v=.*5`", " |= `u1` or `u2`"});
  return out;
}

RandomMetric::Made RandomMetric::unwrapped(int64_t unit) {
  const bool counter = pick(8) == 0;
  std::string stages = pick(4) ? " | logfmt" : " | logfmt | keep app, zone, v, d, b, total, level";
  if (counter) {
    stages += " | unwrap total";
  } else {
    stages += one_of({" | unwrap v", " | unwrap v", " | unwrap duration(d)", " | unwrap bytes(b)", " | unwrap sm"});
  }
  if (pick(6)) stages += " | __error__=``";
  if (pick(4) == 0) stages += one_of({" | level=`error`", " | user!=`u1`"});
  std::string window = concat("[", duration(unit), "]");
  if (pick(3) == 0) window += concat(" offset ", pick(2) ? "-" : "", duration(unit));
  const std::string inner = selection() + stages + " " + window;
  if (counter) return {concat("rate_counter(", inner, ")"), Exact::kNo};
  if (pick(4) == 0) {
    const std::string op = one_of({"sum_over_time", "rate"});
    return {concat(op, "(", inner, ")"), op == "rate" ? Exact::kSelf : Exact::kSums};
  }
  const std::string op = one_of({"avg_over_time", "min_over_time", "max_over_time", "stddev_over_time",
                                 "stdvar_over_time", "first_over_time", "last_over_time", "quantile_over_time"});
  const Exact exact = op[0] == 'a' || op.starts_with("std") ? Exact::kNo : Exact::kSums;
  const std::string quantile = op[0] == 'q' ? one_of({"0, ", "0.25, ", "0.5, ", "1, ", "1.5, "}) : "";
  std::string grouping = one_of({"", "", " by (app)", " by (level, zone)", " by ()", " without (user, total, d, b)"});
  return {concat(op, "(", quantile, inner, ")", grouping), exact};
}

RandomMetric::Made RandomMetric::range(int64_t unit) {
  if (pick(2)) return unwrapped(unit);
  std::string inner = selection();
  if (pick(3) == 0) inner += one_of({" | logfmt", " | logfmt level, user", " | logfmt | level!=``", " | drop sm"});
  inner += concat(" [", duration(unit), "]");
  if (pick(3) == 0) inner += concat(" offset ", pick(2) ? "-" : "", duration(unit));
  const std::string op = one_of({"count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"});
  return {concat(op, "(", inner, ")"), op.ends_with("rate") ? Exact::kSelf : Exact::kSums};
}

RandomMetric::Made RandomMetric::aggregation(int depth, int64_t unit) {
  Made inner = expression(depth - 1, unit);
  const std::string grouping = one_of({"", " by (app)", " by (app, level)", " by (zone)", " without (user, sm)",
                                       " without ()", " by ()", " by (v, app)"});
  if (pick(4) == 0) {
    const std::string rank = one_of({"topk", "bottomk", "approx_topk"});
    const std::string k = std::to_string(1 + pick(4)), by = rank[0] == 'a' ? "" : grouping;
    const std::string of_them = one_of({"sum", "count", "max"});
    return {concat(of_them, "(", rank, by, "(", k, ", ", inner.text, "))"),
            of_them == "sum" ? of_sum(inner.exact) : inner.exact};
  }
  if (pick(8) == 0) return {concat(one_of({"sort", "sort_desc"}), "(", inner.text, ")"), inner.exact};
  const std::string op = one_of({"sum", "sum", "sum", "min", "max", "count", "avg", "stddev", "stdvar"});
  Exact exact = op == "sum" ? of_sum(inner.exact) : inner.exact;
  if (op == "avg" || op.starts_with("std")) exact = Exact::kNo;
  return {concat(op, grouping, " (", inner.text, ")"), exact};
}

RandomMetric::Made RandomMetric::with_scalar(int depth, int64_t unit) {
  Made inner = expression(depth - 1, unit);
  const bool is_exact = inner.exact != Exact::kNo, number_last = pick(3);
  std::string op = one_of({" + ", " - ", " * ", " / "});
  if (is_exact && pick(2)) op = one_of({" > ", " < ", " >= bool ", " == ", " != bool ", " % "});
  const std::string number = one_of({"0", "1", "2", "0.5", "-3"});
  if (!is_exact && op == " / " && (!number_last || number == "0")) op = " * ";
  const Exact exact = op == " / " ? of_quotient(inner.exact) : inner.exact;
  return number_last ? Made{concat("(", inner.text, ")", op, number), exact}
                     : Made{concat(number, op, "(", inner.text, ")"), exact};
}

RandomMetric::Made RandomMetric::of_two(int depth, int64_t unit) {
  Made left = expression(depth - 1, unit), right = expression(depth - 1, unit);
  if (pick(2)) {
    left = {concat(one_of({"sum by (app) (", "sum by (app, zone) ("}), left.text, ")"), of_sum(left.exact)};
  }
  if (pick(2)) {
    const std::string op = one_of({"sum by (app) (", "max by (app) (", "sum by (zone) ("});
    right = {concat(op, right.text, ")"), op[0] == 's' ? of_sum(right.exact) : right.exact};
  }
  if (pick(6) == 0) right = {"vector(7)"};
  const std::string matching = one_of({"", "", "on (app) ", "on (app, zone) ", "on () ", "ignoring (zone) ",
                                       "ignoring (level, user, v, d, b, total, sm, zone) "});
  const Exact exact = std::min(left.exact, right.exact);
  if (pick(3) == 0) {
    return {concat("(", left.text, ")", one_of({" and ", " or ", " unless "}), matching, "(", right.text, ")"), exact};
  }
  std::string op = one_of({" + ", " - ", " * ", " / "});
  if (exact != Exact::kNo && pick(2)) op = one_of({" > ", " <= bool ", " == ", " != "});
  if (exact == Exact::kNo && op == " / ") op = " * ";
  std::string side;
  if (!matching.empty() && pick(2))
    side = one_of({"group_left () ", "group_right () ", "group_left (zone) ", "group_right (level) "});
  return {concat("(", left.text, ")", op, matching, side, "(", right.text, ")"),
          op == " / " || op == " * " ? of_quotient(exact) : exact};
}

RandomMetric::Made RandomMetric::expression(int depth, int64_t unit) {
  if (depth == 0) return range(unit);
  switch (pick(8)) {
    case 0:
    case 1: return range(unit);
    case 2: return with_scalar(depth, unit);
    case 3: return of_two(depth, unit);
    case 4: {
      Made inner = expression(depth - 1, unit);
      const std::string change =
          one_of({"`made`, `$1`, `app`, `(.*)o`", "`made`, `x-${1}`, `zone`, `(.*)`", "`made`, ``, `app`, `.*`"});
      return {concat("label_replace(", inner.text, ", ", change, ")"), inner.exact};
    }
    default: return aggregation(depth, unit);
  }
}

}  // namespace server
