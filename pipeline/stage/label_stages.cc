// The stages that change labels and nothing else: labels, static_labels, label_drop, label_keep (agent.md 5.11).
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

using TextMap = std::vector<std::pair<std::string, std::string>>;

// The outcome for the label set met last, as the lines of a batch mostly share theirs.
struct LabelMemory final : StageMemory {
  bool known = false;
  uint64_t generation = 0;
  LabelTable::Id from = 0, to = 0;
};

// A stage whose outcome depends on the label set alone.
class SetStage : public Stage {
 public:
  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<LabelMemory>(); }
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<LabelMemory&>(stage_memory);
    LabelTable& table = *batch.label_sets;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      LabelTable::Id id = batch.labels[i];
      if (!memory.known || memory.from != id || memory.generation != table.generation()) {
        memory.to = change(table, id);
        memory.known = true, memory.from = id, memory.generation = table.generation();
      }
      batch.labels[i] = memory.to;
    }
  }

 private:
  virtual LabelTable::Id change(LabelTable& table, LabelTable::Id id) const = 0;
};

class StaticLabelsStage final : public SetStage {
 public:
  explicit StaticLabelsStage(TextMap values) : values_(std::move(values)) {}

 private:
  LabelTable::Id change(LabelTable& table, LabelTable::Id id) const override {
    for (const auto& [name, value] : values_) id = table.with(id, name, value);
    return id;
  }
  const TextMap values_;
};

class LabelDropStage final : public SetStage {
 public:
  explicit LabelDropStage(std::vector<std::string> names) : names_(std::move(names)) {}

 private:
  LabelTable::Id change(LabelTable& table, LabelTable::Id id) const override {
    for (const std::string& name : names_) {
      if (table.at(id).get(name)) id = table.without(id, name);
    }
    return id;
  }
  const std::vector<std::string> names_;
};

class LabelKeepStage final : public SetStage {
 public:
  explicit LabelKeepStage(std::vector<std::string> names) : names_(std::move(names)) {}

 private:
  LabelTable::Id change(LabelTable& table, LabelTable::Id id) const override {
    std::vector<Label> kept;
    for (const Label& label : table.at(id).labels()) {
      if (std::find(names_.begin(), names_.end(), label.first) != names_.end()) kept.push_back(label);
    }
    return table.intern(LabelSet::from(std::move(kept)));
  }
  const std::vector<std::string> names_;
};

class LabelsStage final : public Stage {
 public:
  LabelsStage(TextMap values, bool from_metadata) : values_(std::move(values)), from_metadata_(from_metadata) {}

  void add_reads(FieldNames& reads) const override {
    for (const auto& [label, source] : values_) reads.names.insert(source);
  }

  void process(Batch& batch, StageMemory&, DropCounts&) const override {
    for (const auto& [label, source] : values_) {
      FieldReader reader(batch, source);
      Change last;
      for (size_t i = 0; i < batch.size(); ++i) {
        if (!batch.active(i)) continue;
        auto value = from_metadata_ ? metadata(batch, i, source) : field_text(reader.at(i), batch.arena);
        if (!value) continue;
        if (!last.value || last.from != batch.labels[i] || *last.value != *value) {
          LabelTable::Id from = batch.labels[i];
          last = {from, is_valid_utf8(*value) ? batch.label_sets->with(from, label, *value) : from, value};
        }
        batch.labels[i] = last.to;
      }
    }
  }

 private:
  // What the last value did to the labels: the next lines often do the same.
  struct Change {
    LabelTable::Id from = 0, to = 0;
    std::optional<std::string_view> value{};
  };

  static std::optional<std::string_view> metadata(const Batch& batch, size_t row, std::string_view name) {
    for (const Metadata& entry : batch.metadata(row)) {
      if (entry.name == name) return entry.value;
    }
    return std::nullopt;
  }

  const TextMap values_;  // label, source
  const bool from_metadata_;
};

constexpr StageArgument kLabelsArguments[] = {
    {"values", ArgumentType::kTextMap, "", true, "label = name of the extracted value; \"\": the same name"},
    {"source_type", ArgumentType::kText, "extracted", false, "extracted or structured_metadata"}};
constexpr StageArgument kStaticLabelsArguments[] = {
    {"values", ArgumentType::kTextMap, "", true, "label = value; empty values are ignored"}};
constexpr StageArgument kLabelDropArguments[] = {{"values", ArgumentType::kTexts, "", true, "labels to remove"}};
constexpr StageArgument kLabelKeepArguments[] = {{"values", ArgumentType::kTexts, "", true, "labels to keep"}};

// As Alloy: any UTF-8 name. Loki takes [a-zA-Z_][a-zA-Z0-9_]* only.
Result<void> check_name(const std::string& name) {
  if (!name.empty() && is_valid_utf8(name)) return {};
  return fail(Errc::kInvalid, concat("invalid label name: ", name));
}

Result<std::unique_ptr<Stage>> build_labels(const StageArguments& arguments) {
  TextMap values = arguments.text_map("values");
  for (auto& [label, source] : values) {
    TRY(check_name(label));
    if (source.empty()) source = label;
  }
  const std::string& type = arguments.text("source_type");
  if (type != "extracted" && type != "structured_metadata") {
    if (type != "line" && type != "label") {
      return fail(Errc::kInvalid, concat("\"", type, "\" unknown source_type: ", type));
    }
    return fail(Errc::kInvalid,
                concat("invalid labels source_type: ", type, ". Can only be 'extracted' or 'structured_metadata'"));
  }
  return std::make_unique<LabelsStage>(std::move(values), type == "structured_metadata");
}

Result<std::unique_ptr<Stage>> build_static_labels(const StageArguments& arguments) {
  TextMap values = arguments.text_map("values");
  for (const auto& [label, value] : values) TRY(check_name(label));
  std::erase_if(values, [](const auto& label) { return label.second.empty(); });
  return std::make_unique<StaticLabelsStage>(std::move(values));
}

Result<std::unique_ptr<Stage>> build_label_drop(const StageArguments& arguments) {
  if (arguments.texts("values").empty()) return fail(Errc::kInvalid, "labeldrop stage config cannot be empty");
  return std::make_unique<LabelDropStage>(arguments.texts("values"));
}

Result<std::unique_ptr<Stage>> build_label_keep(const StageArguments& arguments) {
  if (arguments.texts("values").empty()) return fail(Errc::kInvalid, "labelallow stage config cannot be empty");
  return std::make_unique<LabelKeepStage>(arguments.texts("values"));
}

}  // namespace

const StageKind kLabelsStage = {"labels", "sets labels from extracted values", kLabelsArguments, build_labels};
const StageKind kStaticLabelsStage = {"static_labels", "sets labels to fixed values", kStaticLabelsArguments,
                                      build_static_labels};
const StageKind kLabelDropStage = {"label_drop", "removes labels", kLabelDropArguments, build_label_drop};
const StageKind kLabelKeepStage = {"label_keep", "removes all other labels", kLabelKeepArguments, build_label_keep};

}  // namespace pipeline
