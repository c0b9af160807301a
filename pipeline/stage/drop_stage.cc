// The stage `drop` (agent.md 5.12): removes entries for which all given conditions hold.
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct DropOptions {
  std::vector<std::string> sources;  // none: the line
  std::optional<std::string> value;  // exactly
  std::optional<Regex> expression;   // anywhere
  std::string separator, reason;
  int64_t older_than = 0;  // nanoseconds
  size_t longer_than = 0;  // bytes
};

struct DropMemory final : StageMemory {
  std::vector<uint8_t> keep;
  std::string joined;
};

class DropStage final : public Stage {
 public:
  explicit DropStage(DropOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<DropMemory>(); }
  void add_reads(FieldNames& reads) const override {
    reads.names.insert(options_.sources.begin(), options_.sources.end());
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<DropMemory&>(stage_memory);
    std::vector<FieldReader> readers;
    readers.reserve(options_.sources.size());
    for (const std::string& source : options_.sources) readers.emplace_back(batch, source);
    memory.keep.assign(batch.size(), 1);
    uint64_t lines = 0, bytes = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || !is_dropped(batch, i, readers, memory)) continue;
      memory.keep[i] = 0;
      ++lines, bytes += batch.lines[i].size();
    }
    if (lines == 0) return;
    drops.add(options_.reason, lines, bytes);
    batch.retain(memory.keep);
  }

 private:
  bool is_dropped(Batch& batch, size_t row, std::vector<FieldReader>& readers, DropMemory& memory) const {
    if (options_.longer_than != 0 && batch.lines[row].size() <= options_.longer_than) return false;
    if (options_.older_than != 0 && batch.times[row] >= batch.read_time(row) - options_.older_than) return false;
    bool tests_text = options_.expression || options_.value;
    if (readers.empty()) return !tests_text || options_.expression->partial_match(batch.lines[row]);
    memory.joined.clear();
    bool first = true;
    for (FieldReader& reader : readers) {
      FieldValue value = reader.at(row);
      if (value.kind == FieldValue::Kind::kAbsent) {
        if (!tests_text) return false;
        continue;
      }
      if (!tests_text) continue;
      auto text = field_text(value, batch.arena);
      if (!text) return false;
      if (!first) memory.joined.append(options_.separator);
      memory.joined.append(*text);
      first = false;
    }
    if (options_.value) return memory.joined == *options_.value;
    return !tests_text || options_.expression->partial_match(memory.joined);
  }

  const DropOptions options_;
};

constexpr StageArgument kArguments[] = {
    {"source", ArgumentType::kText, "", false, "extracted value, or several separated by commas"},
    {"expression", ArgumentType::kText, "", false, "regular expression found in the source, or in the line"},
    {"value", ArgumentType::kText, "", false, "exact text of the source"},
    {"separator", ArgumentType::kText, ";", false, "joins several sources"},
    {"older_than", ArgumentType::kDuration, "0s", false, "entries older than this when read"},
    {"longer_than", ArgumentType::kSize, "0", false, "lines longer than this"},
    {"drop_counter_reason", ArgumentType::kText, "drop_stage", false, "the reason under which drops are counted"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  DropOptions options;
  const std::string& source = arguments.text("source");
  const std::string& expression = arguments.text("expression");
  const std::string& value = arguments.text("value");
  options.older_than = arguments.nanoseconds("older_than");
  options.longer_than = static_cast<size_t>(arguments.integer("longer_than"));
  if (source.empty() && expression.empty() && options.older_than == 0 && options.longer_than == 0) {
    return fail(Errc::kInvalid,
                "drop stage config must contain at least one of `source`, `expression`, `older_than` or `longer_than`");
  }
  if (!value.empty() && !expression.empty()) {
    return fail(Errc::kInvalid,
                "drop stage config error, `value` and `expression` cannot both be defined at the same time.");
  }
  if (!value.empty() && source.empty()) {
    return fail(Errc::kInvalid, "drop stage config must contain `source` if `value` is specified");
  }
  if (!expression.empty()) {
    auto regex = Regex::compile(expression);
    if (!regex) return fail(regex.error().within("drop stage regex compilation error"));
    options.expression = *std::move(regex);
  }
  if (!value.empty()) options.value = value;
  for (size_t at = 0; !source.empty() && at <= source.size();) {
    size_t comma = std::min(source.find(',', at), source.size());
    options.sources.push_back(source.substr(at, comma - at));
    at = comma + 1;
  }
  options.separator = arguments.text("separator").empty() ? ";" : arguments.text("separator");
  options.reason = arguments.text("drop_counter_reason");
  if (options.reason.empty()) options.reason = "drop_stage";
  return std::make_unique<DropStage>(std::move(options));
}

}  // namespace

const StageKind kDropStage = {"drop", "drops entries for which all given conditions hold", kArguments, build};

}  // namespace pipeline
