// The stages structured_metadata and structured_metadata_drop (agent.md 5.11, 11.14).
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/extracted_names.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

using TextMap = std::vector<std::pair<std::string, std::string>>;

// Looks for the name among the first `known` entries. `name` and `value` must live as long as the batch.
void set_metadata(std::vector<Metadata>& entries, size_t known, std::string_view name, std::string_view value) {
  for (size_t i = 0; i < known; ++i) {
    if (entries[i].name == name) return void(entries[i].value = value);
  }
  entries.push_back({name, value});
}

void set_metadata(std::vector<Metadata>& entries, std::string_view name, std::string_view value) {
  set_metadata(entries, entries.size(), name, value);
}

struct MetadataMemory final : StageMemory {
  std::vector<std::string> names;  // scratch
};

class StructuredMetadataStage final : public Stage {
 public:
  StructuredMetadataStage(TextMap values, std::optional<Regex> names)
      : values_(std::move(values)), names_(std::move(names)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<MetadataMemory>(); }
  void add_reads(FieldNames& reads) const override {
    for (const auto& [name, source] : values_) reads.names.insert(source);
    if (names_) reads.all = true;
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    for (const auto& [name, source] : values_) take_extracted(batch, name, source);
    if (names_) take_extracted_by_name(batch, static_cast<MetadataMemory&>(stage_memory).names);
    take_labels(batch);
    if (names_) take_labels_by_name(batch);
  }

 private:
  static void take_extracted(Batch& batch, std::string_view name, std::string_view source) {
    FieldReader reader(batch, source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto value = field_text(reader.at(i), batch.arena);
      if (value && is_valid_utf8(*value)) set_metadata(batch.mutable_metadata(i), name, *value);
    }
  }

  void take_extracted_by_name(Batch& batch, std::vector<std::string>& names) const {
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      extracted_names(batch, i, names);
      const size_t before = batch.metadata(i).size();  // the names that come differ from each other
      for (const std::string& name : names) {
        if (!names_->partial_match(name)) continue;
        auto value = field_text(batch.value(i, name), batch.arena);
        if (!value || !is_valid_utf8(*value)) continue;
        set_metadata(batch.mutable_metadata(i), before, batch.arena.copy(name), *value);
      }
    }
  }

  // A label that is a source moves: it is a label no longer.
  void take_labels(Batch& batch) const {
    LabelTable& table = *batch.label_sets;
    std::optional<LabelTable::Id> untouched;  // the last set that had none of them
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || untouched == batch.labels[i]) continue;
      const LabelTable::Id before = batch.labels[i];
      auto is_label = [&](const auto& pair) { return table.at(before).get(pair.second).has_value(); };
      if (std::none_of(values_.begin(), values_.end(), is_label)) {
        untouched = before;
        continue;
      }
      for (const auto& [name, source] : values_) {
        auto value = table.at(before).get(source);
        if (value) set_metadata(batch.mutable_metadata(i), name, *value);
      }
      for (const auto& [name, source] : values_) {
        if (table.at(batch.labels[i]).get(source)) batch.labels[i] = table.without(batch.labels[i], source);
      }
    }
  }

  void take_labels_by_name(Batch& batch) const {
    LabelTable& table = *batch.label_sets;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      for (const auto& [name, value] : table.at(batch.labels[i]).labels()) {
        if (!names_->partial_match(name)) continue;
        set_metadata(batch.mutable_metadata(i), name, value);
        batch.labels[i] = table.without(batch.labels[i], name);
      }
    }
  }

  const TextMap values_;  // name, source
  const std::optional<Regex> names_;
};

class StructuredMetadataDropStage final : public Stage {
 public:
  explicit StructuredMetadataDropStage(std::vector<std::string> names) : names_(std::move(names)) {}
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory&, DropCounts&) const override {
    if (!batch.has_metadata()) return;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      std::erase_if(batch.mutable_metadata(i), [&](const Metadata& entry) {
        return std::find(names_.begin(), names_.end(), entry.name) != names_.end();
      });
    }
  }

 private:
  const std::vector<std::string> names_;
};

constexpr StageArgument kArguments[] = {
    {"values", ArgumentType::kTextMap, "", false,
     "name of the metadata = name of an extracted value or a label; \"\": the same name. A label that is named here "
     "is no label any more afterwards"},
    {"regex", ArgumentType::kText, "", false, "also every extracted value and label in whose name this is found"}};
constexpr StageArgument kDropArguments[] = {
    {"values", ArgumentType::kTexts, "", true, "names of the metadata to remove"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  TextMap values = arguments.text_map("values");
  for (auto& [name, source] : values) {
    if (name.empty() || !is_valid_utf8(name)) return fail(Errc::kInvalid, concat("invalid label name: ", name));
    if (source.empty()) source = name;
  }
  std::optional<Regex> names;
  if (!arguments.text("regex").empty()) { TRY_LET(names, Regex::compile(arguments.text("regex"))); }
  return std::make_unique<StructuredMetadataStage>(std::move(values), std::move(names));
}

Result<std::unique_ptr<Stage>> build_drop(const StageArguments& arguments) {
  if (arguments.texts("values").empty()) {
    return fail(Errc::kInvalid, "structured_metadata_drop stage config cannot be empty");
  }
  return std::make_unique<StructuredMetadataDropStage>(arguments.texts("values"));
}

}  // namespace

const StageKind kStructuredMetadataStage = {
    "structured_metadata", "keeps extracted values and labels as structured metadata of the entry", kArguments, build};
const StageKind kStructuredMetadataDropStage = {"structured_metadata_drop", "removes structured metadata",
                                                kDropArguments, build_drop};

}  // namespace pipeline
