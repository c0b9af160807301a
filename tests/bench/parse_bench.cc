// How fast blocks are taken apart: line split, literal search, line filters, CRI, JSON and logfmt fields. What stages
// make of them is measured by stage_bench.
//
//   parse_bench [seconds per row]
#include <cstdlib>
#include <string>
#include <vector>

#include "pipeline/match/line_filter.h"
#include "pipeline/match/line_splitter.h"
#include "pipeline/match/literal_search.h"
#include "pipeline/model/batch.h"
#include "pipeline/parse/cri.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/logfmt.h"
#include "tests/bench/speed_table.h"

namespace {

using namespace bench;
using namespace pipeline;

template <class Line>
size_t for_lines(const std::string& block, std::vector<uint32_t>& ends, const Line& line) {
  ends.clear();
  find_newlines(block, ends);
  size_t check = 0, begin = 0;
  for (uint32_t end : ends) check += line(std::string_view(block).substr(begin, end - begin)), begin = end + 1u;
  return check;
}

}  // namespace

int main(int argc, char** argv) {
  BlockCorpus corpus;
  Blocks text = corpus.make([&] { return corpus.text_line(); });
  Blocks json = corpus.make([&] { return corpus.json_line(); });
  Blocks logfmt = corpus.make([&] { return corpus.logfmt_line(); });
  Blocks cri_text = corpus.make([&] { return corpus.cri(corpus.text_line()); });
  Blocks cri_json = corpus.make([&] { return corpus.cri(corpus.json_line()); });
  SpeedTable table("parse", argc > 1 ? std::atof(argv[1]) : 1.0);
  std::vector<uint32_t> ends, rows;

  table.row("line split, text", text, [&](const std::string& block) {
    ends.clear();
    find_newlines(block, ends);
    return ends.size();
  });
  table.row("literal search, absent", text, [](const std::string& block) {
    static const LiteralSearcher searcher("connection reset by peer");
    return searcher.find(block) & 1;
  });
  table.row("literal search, in every line", text, [&](const std::string& block) {
    static const LiteralSearcher searcher("cache miss");
    ends.clear();
    searcher.find_all(block, ends);
    return ends.size();
  });
  auto select = [&](const LineFilters& filters, const std::string& block) {
    ends.clear(), rows.clear();
    find_newlines(block, ends);
    filters.select(block, ends, rows);
    return rows.size();
  };
  auto filters = [](LineFilterOp op, std::string operand) {
    std::vector<LineFilter> out;
    out.push_back(*LineFilter::create(op, std::move(operand)));
    return LineFilters(std::move(out));
  };
  LineFilters common = filters(LineFilterOp::kContains, "took 9"),
              regex = filters(LineFilterOp::kMatches, "took 9\\d+ ms"),
              plain_regex = filters(LineFilterOp::kMatches, "[0-9]+ ms, [a-z]+ miss");
  table.row("select |= 1 line in 10", text, [&](const std::string& block) { return select(common, block); });
  table.row("select |~ with literal", text, [&](const std::string& block) { return select(regex, block); });
  table.row("select |~ literal in every line", text,
            [&](const std::string& block) { return select(plain_regex, block); });

  Rfc3339Parser times;
  auto parse_line = [&](std::string_view line) {
    CriLine cri;
    UnixNanos time = 0;
    if (!parse_cri(line, cri) || !times.parse(cri.time, time)) std::abort();
    return cri.content.size() + static_cast<size_t>(time);
  };
  table.row("CRI parse with split, text", cri_text,
            [&](const std::string& block) { return for_lines(block, ends, parse_line); });
  table.row("CRI parse with split, json", cri_json,
            [&](const std::string& block) { return for_lines(block, ends, parse_line); });
  std::vector<JsonField> fields;
  Arena arena;
  table.row("json fields (LogQL)", json, [&](const std::string& block) {
    arena.clear();
    return for_lines(block, ends, [&](std::string_view line) {
      fields.clear();
      if (flatten_json(line, fields, arena)) std::abort();
      return fields.size();
    });
  });
  table.row("logfmt pairs (LogQL)", logfmt, [&](const std::string& block) {
    return for_lines(block, ends, [&](std::string_view line) {
      size_t pairs = 0;
      LogfmtPair pair;
      for (LogfmtScanner scanner(line); scanner.next(pair) == LogfmtScanner::Step::kPair;) ++pairs;
      return pairs;
    });
  });
  table.finish();
}
