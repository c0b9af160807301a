// The stage `logfmt` (agent.md 5.5): values of key=value pairs, all in one pass over the text.
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/parse/logfmt.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD: for upstream a key with it is not UTF-8

struct LogfmtOptions {
  std::vector<std::pair<std::string, std::string>> mapping;  // extracted name, key
  std::optional<Regex> keys;                                 // also every key that it finds
  std::string source;                                        // "": the line
};

struct LogfmtMemory final : StageMemory {
  std::vector<FieldColumn*> columns;
};

class LogfmtStage final : public Stage {
 public:
  explicit LogfmtStage(LogfmtOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<LogfmtMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!options_.source.empty()) reads.names.insert(options_.source);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<LogfmtMemory&>(stage_memory);
    for (const auto& [name, key] : options_.mapping) batch.field(name);
    find_columns(batch, memory);
    SourceReader source(batch, options_.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto text = source.at(batch, i);
      if (!text) continue;
      read(batch, i, *text, memory);
      if (options_.keys) source = SourceReader(batch, options_.source);
    }
  }

 private:
  void find_columns(Batch& batch, LogfmtMemory& memory) const {
    memory.columns.clear();
    for (const auto& [name, key] : options_.mapping) memory.columns.push_back(&batch.field(name));
  }

  // What stands before the first fault counts. A line end ends a record, also inside quotes.
  void read(Batch& batch, size_t row, std::string_view text, LogfmtMemory& memory) const {
    while (true) {
      const size_t end = std::min(text.find('\n'), text.size());
      if (!read_record(batch, row, text.substr(0, end), memory) || end == text.size()) return;
      text.remove_prefix(end + 1);
    }
  }

  // False: it has a fault.
  bool read_record(Batch& batch, size_t row, std::string_view text, LogfmtMemory& memory) const {
    LogfmtScanner scanner(text);
    LogfmtPair pair;
    while (true) {
      const LogfmtScanner::Step step = scanner.next(pair);
      if (step != LogfmtScanner::Step::kPair) return step == LogfmtScanner::Step::kEnd;
      if (pair.key.find(kReplacement) != std::string_view::npos) return false;
      for (size_t k = 0; k < options_.mapping.size(); ++k) {
        const std::string& key = options_.mapping[k].second;
        if (key.size() != pair.key.size() || key[0] != pair.key[0] || key != pair.key) continue;
        memory.columns[k]->values[row] = text_field(logfmt_text(pair, batch.arena));
      }
      if (!options_.keys || !options_.keys->partial_match(pair.key)) continue;
      batch.set_value(row, pair.key, text_field(logfmt_text(pair, batch.arena)));
      find_columns(batch, memory);  // a new one may have moved the others
    }
  }

  const LogfmtOptions options_;
};

constexpr StageArgument kArguments[] = {
    {"mapping", ArgumentType::kTextMap, "", false, "name of the extracted value = key; \"\": the name itself"},
    {"regex", ArgumentType::kText, "", false, "also extract every key in which this is found"},
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  LogfmtOptions options;
  options.mapping = arguments.text_map("mapping");
  options.source = arguments.text("source");
  if (options.mapping.empty() && arguments.text("regex").empty()) {
    return fail(Errc::kInvalid, "logfmt mapping or regex is required");
  }
  for (auto& [name, key] : options.mapping) {
    if (key.empty()) key = name;
  }
  if (!arguments.text("regex").empty()) { TRY_LET(options.keys, Regex::compile(arguments.text("regex"))); }
  return std::make_unique<LogfmtStage>(std::move(options));
}

}  // namespace

const StageKind kLogfmtStage = {"logfmt", "extracts values of a line of key=value pairs", kArguments, build};

}  // namespace pipeline
