// The stage `match` (agent.md 5.13): runs nested stages on the entries that a selector finds, or drops them. Entries
// keep their order, also between matching ones and others (upstream lets them overtake each other).
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/stage/selector.h"
#include "pipeline/stage/stage_kinds.h"
#include "pipeline/stage/stage_list.h"

namespace pipeline {

namespace {

struct MatchMemory final : StageMemory {
  std::unique_ptr<StageState> nested;  // null: none
  enum class Verdict : uint8_t { kUnknown, kNo, kYes };
  uint64_t generation = 0;
  std::vector<Verdict> verdicts;  // of the matchers, by label set

  std::optional<uint64_t> open_from() const override { return nested ? nested->open_from() : std::nullopt; }
  size_t held_bytes() const override { return nested ? nested->held_bytes() : 0; }
  void move_back(uint64_t bytes) override {
    if (nested) nested->move_back(bytes);
  }
  bool expects_more() const override { return nested && nested->expects_more(); }
  std::optional<UnixNanos> due() const override { return nested ? nested->due() : std::nullopt; }
  std::optional<UnixNanos> resume_at() const override { return nested ? nested->resume_at() : std::nullopt; }
};

class MatchStage final : public Stage {
 public:
  // Without nested stages matching entries are dropped.
  MatchStage(Selector selector, std::unique_ptr<StageList> nested, std::string reason)
      : selector_(std::move(selector)), nested_(std::move(nested)), reason_(std::move(reason)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    auto memory = std::make_unique<MatchMemory>();
    if (nested_) memory->nested = nested_->make_state(use);
    return memory;
  }
  void add_reads(FieldNames& reads) const override {
    if (nested_) nested_->add_reads(reads);
  }
  void set_later_reads(const FieldNames& later) override {
    if (nested_) nested_->set_later_reads(later);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<MatchMemory&>(stage_memory);
    std::vector<uint8_t> matching(batch.size(), 0);
    uint64_t lines = 0, bytes = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || !matches(batch, i, memory)) continue;
      matching[i] = 1;
      ++lines, bytes += batch.lines[i].size();
    }
    if (lines == 0) return;
    if (nested_ == nullptr) {
      for (uint8_t& row : matching) row = row == 0;
      drops.add(reason_, lines, bytes);
      return batch.retain(matching);
    }
    reseed(batch, matching);
    batch.push_mask(std::move(matching));
    nested_->process(batch, *memory.nested, drops);
    batch.pop_mask();
  }

  void flush(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    if (nested_) nested_->flush(batch, *static_cast<MatchMemory&>(stage_memory).nested, drops);
  }
  void expire(Batch& batch, StageMemory& stage_memory, UnixNanos now, DropCounts& drops) const override {
    if (nested_) nested_->expire(batch, *static_cast<MatchMemory&>(stage_memory).nested, now, drops);
  }
  void append_metrics(MetricPage& page, UnixNanos now) const override {
    if (nested_) nested_->append_metrics(page, now);
  }

 private:
  bool matches(const Batch& batch, size_t row, MatchMemory& memory) const {
    const LabelTable& table = *batch.label_sets;
    if (memory.generation != table.generation()) memory.verdicts.clear(), memory.generation = table.generation();
    LabelTable::Id id = batch.labels[row];
    if (id >= memory.verdicts.size()) memory.verdicts.resize(table.size(), MatchMemory::Verdict::kUnknown);
    MatchMemory::Verdict& verdict = memory.verdicts[id];
    if (verdict == MatchMemory::Verdict::kUnknown) {
      verdict = selector_.matches_labels(table.at(id)) ? MatchMemory::Verdict::kYes : MatchMemory::Verdict::kNo;
    }
    return verdict == MatchMemory::Verdict::kYes && selector_.matches_line(batch.lines[row]);
  }

  // Nested stages find the labels of now among the extracted values, in place of older values of the same names.
  static void reseed(Batch& batch, const std::vector<uint8_t>& rows) {
    LabelTable& table = *batch.label_sets;
    std::vector<std::string> names;
    for (const FieldColumn& column : batch.fields()) names.push_back(column.name);
    bool known = false;
    LabelTable::Id seed = 0, now = 0, merged = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == 0) continue;
      if (!known || seed != batch.seed_labels(i) || now != batch.labels[i]) {
        seed = batch.seed_labels(i), now = batch.labels[i], known = true;
        std::vector<Label> all = table.at(seed).labels();
        const std::vector<Label>& current = table.at(now).labels();
        all.insert(all.end(), current.begin(), current.end());
        merged = table.intern(LabelSet::from(std::move(all)));
      }
      batch.set_seed_labels(i, merged);
      for (const std::string& name : names) {
        if (table.at(now).get(name)) batch.field(name).values[i] = FieldValue{};
      }
      if (batch.row_values(i).empty()) continue;
      for (const auto& [name, value] : table.at(now).labels()) batch.remove_row_value(i, name);
    }
  }

  const Selector selector_;
  const std::unique_ptr<StageList> nested_;
  const std::string reason_;
};

constexpr StageArgument kArguments[] = {
    {"selector", ArgumentType::kText, "", true,
     "label matchers and line filters, for example '{app=\"web\"} |= \"GET\"'"},
    {"action", ArgumentType::kText, "keep", false, "keep: run the nested stages on matching entries; drop: drop them"},
    {"stage", ArgumentType::kStages, "", false, "nested stages, for keep"},
    {"drop_counter_reason", ArgumentType::kText, "match_stage", false, "the reason under which drops are counted"},
    {"pipeline_name", ArgumentType::kText, "", false, "ignored"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const ConfigTable& table = arguments.table();
  const std::string action = arguments.text("action").empty() ? "keep" : arguments.text("action");
  std::vector<std::unique_ptr<Stage>> stages;
  std::vector<ConfigTable> tables = table.tables("stage");
  for (const ConfigTable& stage : tables) {
    if (auto built = build_stage(stage)) stages.push_back(std::move(built));
  }
  if (arguments.text("selector").empty()) return fail(Errc::kInvalid, "selector statement required for match stage");
  if (action != "keep" && action != "drop") {
    return fail(Errc::kInvalid, "match stage action should be 'keep' or 'drop'");
  }
  if (action == "keep" && tables.empty()) {
    return fail(Errc::kInvalid, "match stage requires at least one additional stage to be defined in '- stages'");
  }
  if (action == "drop" && !tables.empty()) {
    return fail(Errc::kInvalid, "match stage configured to drop entries cannot contains stages");
  }
  TRY_LET(Selector selector, Selector::parse(arguments.text("selector")));
  std::string reason = arguments.text("drop_counter_reason");
  if (reason.empty()) reason = "match_stage";
  auto nested = action == "keep" ? std::make_unique<StageList>(std::move(stages)) : nullptr;
  return std::make_unique<MatchStage>(std::move(selector), std::move(nested), std::move(reason));
}

}  // namespace

const StageKind kMatchStage = {"match", "runs nested stages on the entries a selector finds, or drops them", kArguments,
                               build};

}  // namespace pipeline
