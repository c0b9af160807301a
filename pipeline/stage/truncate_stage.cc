// The stage `truncate` (agent.md 5.18, 11.10): cuts lines, labels, metadata and extracted values that are too long.
#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <utility>
#include <vector>

#include "pipeline/stage/extracted_names.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

enum class Part : uint8_t { kExtracted, kLabel, kLine, kStructuredMetadata };
constexpr std::string_view kPartNames[] = {"extracted", "label", "line", "structured_metadata"};  // sorted
constexpr std::string_view kMark = "truncated";  // extracted value that names the parts that were cut

struct Rule {
  Part part = Part::kLine;
  size_t limit = 0;  // without the suffix
  std::string suffix;
  std::vector<std::string> names;  // none: all

  bool wants(std::string_view name) const {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  }
};

struct TruncateMemory final : StageMemory {
  explicit TruncateMemory(StageUse used) : use(used) {}
  const StageUse use;
  std::vector<std::string> names;  // scratch
  std::array<uint64_t, std::size(kPartNames)> cuts{};
};

class TruncateStage final : public Stage {
 public:
  explicit TruncateStage(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    return std::make_unique<TruncateMemory>(use);
  }
  void add_reads(FieldNames& reads) const override {
    reads.names.emplace(kMark);
    for (const Rule& rule : rules_) {
      if (rule.part != Part::kExtracted) continue;
      if (rule.names.empty()) reads.all = true;
      reads.names.insert(rule.names.begin(), rule.names.end());
    }
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<TruncateMemory&>(stage_memory);
    memory.cuts = {};
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      uint32_t parts = 0;  // that were cut, as bits
      for (const Rule& rule : rules_) {
        const uint64_t cuts = apply(rule, batch, i, memory);
        if (cuts > 0) parts |= 1U << static_cast<uint32_t>(rule.part);
        memory.cuts[static_cast<size_t>(rule.part)] += cuts;
        if (parts != 0) mark(batch, i, parts);  // the next rule may cut the mark, as upstream
      }
    }
    if (memory.use == StageUse::kRebuild) return;
    for (size_t k = 0; k < memory.cuts.size(); ++k) cuts_[k].fetch_add(memory.cuts[k], std::memory_order_relaxed);
  }

  void append_metrics(MetricPage& page, UnixNanos) const override {
    for (size_t k = 0; k < cuts_.size(); ++k) {
      const uint64_t cuts = cuts_[k].load(std::memory_order_relaxed);
      if (cuts == 0) continue;
      page.add("loki_process_truncated_fields_total",
               "A count of all log lines, labels, extracted values, or structured_metadata truncated as a result of a "
               "pipeline stage",
               MetricType::kCounter, {{"field", std::string(kPartNames[k])}}, cuts);
    }
  }

 private:
  // Cuts `text` if it is too long.
  static bool cut(const Rule& rule, std::string_view& text, Arena& arena) {
    if (text.size() <= rule.limit) return false;
    text = text.substr(0, rule.limit);
    if (!rule.suffix.empty()) text = arena.copy(concat(text, rule.suffix));
    return true;
  }

  // How many texts it has cut.
  static uint64_t apply(const Rule& rule, Batch& batch, size_t row, TruncateMemory& memory) {
    switch (rule.part) {
      case Part::kLine: return cut(rule, batch.lines[row], batch.arena) ? 1 : 0;
      case Part::kLabel: return cut_labels(rule, batch, row);
      case Part::kStructuredMetadata: return cut_metadata(rule, batch, row);
      case Part::kExtracted: return cut_extracted(rule, batch, row, memory.names);
    }
    return 0;
  }

  static uint64_t cut_labels(const Rule& rule, Batch& batch, size_t row) {
    uint64_t cuts = 0;
    for (const auto& [name, value] : batch.label_sets->at(batch.labels[row]).labels()) {
      std::string_view text = value;
      if (!rule.wants(name) || !cut(rule, text, batch.arena)) continue;
      batch.labels[row] = batch.label_sets->with(batch.labels[row], name, text);
      ++cuts;
    }
    return cuts;
  }

  static uint64_t cut_metadata(const Rule& rule, Batch& batch, size_t row) {
    uint64_t cuts = 0;
    if (batch.metadata(row).empty()) return 0;
    for (Metadata& entry : batch.mutable_metadata(row)) {
      if (rule.wants(entry.name) && cut(rule, entry.value, batch.arena)) ++cuts;
    }
    return cuts;
  }

  static uint64_t cut_extracted(const Rule& rule, Batch& batch, size_t row, std::vector<std::string>& all) {
    if (rule.names.empty()) extracted_names(batch, row, all);
    uint64_t cuts = 0;
    for (const std::string& name : rule.names.empty() ? all : rule.names) {
      FieldValue value = batch.value(row, name);
      if (value.kind != FieldValue::Kind::kText || !cut(rule, value.text, batch.arena)) continue;
      batch.set_value(row, name, value);
      ++cuts;
    }
    return cuts;
  }

  // Adds the parts to those the entry was marked with before.
  static void mark(Batch& batch, size_t row, uint32_t parts) {
    std::set<std::string> names;
    for (size_t k = 0; k < std::size(kPartNames); ++k) {
      if (parts & (1U << k)) names.emplace(kPartNames[k]);
    }
    const FieldValue before = batch.value(row, kMark);
    if (before.kind == FieldValue::Kind::kText) {
      for (size_t at = 0; at <= before.text.size();) {
        const size_t comma = std::min(before.text.find(',', at), before.text.size());
        names.emplace(before.text.substr(at, comma - at));
        at = comma + 1;
      }
    }
    std::string joined;
    for (const std::string& name : names) joined += concat(&name == &*names.begin() ? "" : ",", name);
    batch.field(kMark).values[row] = text_field(batch.arena.copy(joined));
  }

  const std::vector<Rule> rules_;
  mutable std::array<std::atomic<uint64_t>, std::size(kPartNames)> cuts_{};
};

constexpr StageArgument kRuleArguments[] = {
    {"limit", ArgumentType::kSize, "", true, "longest text that is left alone, for example \"10KiB\""},
    {"suffix", ArgumentType::kText, "", false, "ends a text that was cut; counts towards the limit"},
    {"source_type", ArgumentType::kText, "line", false, "line, label, structured_metadata or extracted"},
    {"sources", ArgumentType::kTexts, "", false, "names of labels, metadata or extracted values; none: all of them"}};

constexpr StageArgument kArguments[] = {
    {"rule", ArgumentType::kTables, "", true, "the rules, one table each, applied in order", kRuleArguments}};

Result<Rule> build_rule(const StageArguments& arguments) {
  const std::string& type = arguments.text("source_type");
  const auto part = std::find(std::begin(kPartNames), std::end(kPartNames), type) - std::begin(kPartNames);
  if (part == std::size(kPartNames)) {
    return fail(Errc::kInvalid, concat("\"", type, "\" unknown source_type: ", type));
  }
  Rule rule{.part = static_cast<Part>(part), .suffix = arguments.text("suffix"), .names = arguments.texts("sources")};
  const int64_t limit = arguments.integer("limit");
  if (limit <= 0) return fail(Errc::kInvalid, "limit must be greater than zero");
  if (rule.part == Part::kLine && !rule.names.empty()) {
    return fail(Errc::kInvalid, "sources cannot be set when source_type is 'line'");
  }
  rule.limit = static_cast<size_t>(limit);
  if (rule.suffix.size() >= rule.limit) {
    return fail(Errc::kInvalid, "suffix length cannot be greater than or equal to limit");
  }
  rule.limit -= rule.suffix.size();
  return rule;
}

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  std::vector<Rule> rules;
  for (const StageArguments& each : arguments.tables("rule")) {
    TRY_LET(Rule rule, build_rule(each));
    rules.push_back(std::move(rule));
  }
  if (rules.empty()) return fail(Errc::kInvalid, "at least one truncate rule must be defined");
  return std::make_unique<TruncateStage>(std::move(rules));
}

}  // namespace

const StageKind kTruncateStage = {"truncate", "cuts texts that are too long", kArguments, build};

}  // namespace pipeline
