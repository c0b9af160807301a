// How fast blocks become entries: line split, literal search, CRI parsing, the cri stage, JSON and logfmt fields.
//
//   parse_bench [seconds per row]
//
// Input is made up (seeded): 138-byte text lines and 219-byte JSON lines, plain and in CRI form, in blocks of 256 KiB
// as the agent reads them. Prints a table and one JSON line; GB/s of raw bytes per second of this thread's CPU time.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <time.h>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/config/config.h"
#include "pipeline/match/line_filter.h"
#include "pipeline/match/line_splitter.h"
#include "pipeline/match/literal_search.h"
#include "pipeline/parse/cri.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/logfmt.h"
#include "pipeline/stage/stage_list.h"

namespace {

using namespace pipeline;

constexpr size_t kBlockBytes = 256 * 1024;
constexpr size_t kBlocks = 64;  // 16 MiB: more than the second-level cache

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

using Blocks = std::vector<std::string>;

class Corpus {
 public:
  Blocks make(const std::function<std::string()>& line) {
    Blocks blocks;
    while (blocks.size() < kBlocks) {
      std::string block;
      for (std::string next = line(); block.size() + next.size() < kBlockBytes; next = line()) block += next;
      blocks.push_back(std::move(block));
    }
    return blocks;
  }
  std::string text_line() {
    std::string line = concat("worker[", number(5), "] INFO request ", number(9), " from 10.", number(2), ".",
                              number(2), ".7 took ", number(4), " ms, cache miss on shard ", number(2),
                              ", queue depth ", number(3), ", session opened for user u", number(4));
    line.resize(137, 'x');
    return line + "\n";
  }
  std::string json_line() {
    std::string line =
        concat(R"({"time":"2026-11-01T10:00:)", number(2), R"(.)", number(9), R"(Z","level":"info","host":"node-)",
               number(2), R"(","service":"checkout","method":"GET","path":"/api/v1/items/)", number(6),
               R"(","status_code":)", number(3), R"(,"duration_ms":)", number(2), ".", number(3), R"(,"trace_id":")",
               number(9), number(9), R"(","bytes":)", number(5));
    if (line.size() < 217) line.resize(217, '1');
    return line + "}\n";
  }
  std::string logfmt_line() {
    return concat("ts=2026-11-01T10:00:00.", number(9), "Z level=info caller=handler.go:", number(3),
                  " msg=\"request served in time\" status=", number(3), " duration=", number(3),
                  "ms path=/api/v1/items/", number(6), " trace=", number(9), "\n");
  }
  std::string cri(const std::string& line) {
    return concat("2026-11-01T10:00:", second(), ".", number(9), "Z stdout F ", line);
  }

 private:
  std::string number(size_t digits) {
    std::string out;
    while (out.size() < digits) out += static_cast<char>('0' + random_() % 10);
    if (out[0] == '0') out[0] = '1';
    return out;
  }
  std::string second() { return concat(std::string(1, static_cast<char>('0' + random_() % 6)), number(1)); }

  std::mt19937 random_{42};
};

class Table {
 public:
  explicit Table(double seconds) : seconds_(seconds) {}

  // `work` does one block and returns something that depends on all of it.
  void row(const std::string& name, const Blocks& blocks, const std::function<size_t(const std::string&)>& work) {
    size_t check = 0, bytes = 0;
    for (const std::string& block : blocks) check += work(block);  // warm
    double begin = cpu_seconds(), end = begin;
    while ((end = cpu_seconds()) - begin < seconds_) {
      for (const std::string& block : blocks) check += work(block), bytes += block.size();
    }
    double speed = static_cast<double>(bytes) / (end - begin) / 1e9;
    std::printf("%-34s %8.2f GB/s   (check %zx)\n", name.c_str(), speed, check);
    char text[120];
    std::snprintf(text, sizeof text, "%s\"%s\":%.3f", json_.empty() ? "" : ",", name.c_str(), speed);
    json_ += text;
  }
  void finish() const { std::printf("{\"bench\":\"parse\",\"unit\":\"GB/s\",%s}\n", json_.c_str()); }

 private:
  double seconds_;
  std::string json_;
};

// One block as the agent runs it: split, batch, stages.
class StageRun {
 public:
  explicit StageRun(const std::string& stages) {
    auto document = ConfigDocument::parse(stages, "bench.toml");
    if (!document) std::abort();
    stages_ = StageList::build(document->root(), "stage");
    if (!document->finish()) std::abort();
    state_ = stages_->make_state();
    labels_ =
        table_.intern(LabelSet::from({{"filename", "/var/log/pods/a/b/0.log"}, {"namespace", "a"}, {"pod", "b"}}));
  }
  size_t block(const std::string& text) {
    ends_.clear();
    find_newlines(text, ends_);
    batch_.clear();
    uint64_t begin = 0;
    for (size_t i = 0; i < ends_.size(); ++i) {
      auto time = static_cast<UnixNanos>(i);
      batch_.add(std::string_view(text).substr(begin, ends_[i] - begin), time, labels_,
                 {.begin = begin, .end = ends_[i] + 1u, .read_time = time});
      begin = ends_[i] + 1u;
    }
    stages_->process(batch_, *state_, drops_);
    return batch_.size() + static_cast<size_t>(batch_.times.back()) + batch_.lines.back().size();
  }

 private:
  LabelTable table_;
  Batch batch_{table_};
  LabelTable::Id labels_ = 0;
  std::shared_ptr<const StageList> stages_;
  std::unique_ptr<StageState> state_;
  DropCounts drops_;
  std::vector<uint32_t> ends_;
};

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
  Corpus corpus;
  Blocks text = corpus.make([&] { return corpus.text_line(); });
  Blocks json = corpus.make([&] { return corpus.json_line(); });
  Blocks logfmt = corpus.make([&] { return corpus.logfmt_line(); });
  Blocks cri_text = corpus.make([&] { return corpus.cri(corpus.text_line()); });
  Blocks cri_json = corpus.make([&] { return corpus.cri(corpus.json_line()); });
  Table table(argc > 1 ? std::atof(argv[1]) : 1.0);
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
  StageRun cri("[[stage]]\ntype = \"cri\"\n"), json_level(R"(
[[stage]]
type = "json"
expressions = { level = "", status = "status_code" }
[[stage]]
type = "labels"
values = { level = "" }
)"),
      regex_level(R"(
[[stage]]
type = "regex"
expression = '(?P<level>[A-Z]+) request (?P<id>\d+)'
[[stage]]
type = "labels"
values = { level = "" }
)");
  table.row("batch + cri stage, text", cri_text, [&](const std::string& block) { return cri.block(block); });
  table.row("batch + json and labels stages", json, [&](const std::string& block) { return json_level.block(block); });
  table.row("batch + regex and labels stages", text,
            [&](const std::string& block) { return regex_level.block(block); });

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
