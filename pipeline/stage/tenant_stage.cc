// The stage `tenant` (agent.md 5.11): sets the label __tenant_id__, which the sink takes as the tenant of the entry.
#include <algorithm>
#include <utility>

#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr std::string_view kTenantLabel = "__tenant_id__";

class TenantStage final : public Stage {
 public:
  enum class From : uint8_t { kValue, kSource, kLabel };
  TenantStage(From from, std::string name) : from_(from), name_(std::move(name)) {}

  void add_reads(FieldNames& reads) const override {
    if (from_ == From::kSource) reads.names.insert(name_);
  }

  void process(Batch& batch, StageMemory&, DropCounts&) const override {
    LabelTable& table = *batch.label_sets;
    FieldReader source(batch, name_);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      std::optional<std::string_view> tenant = name_;
      if (from_ == From::kSource) tenant = field_text(source.at(i), batch.arena);
      if (from_ == From::kLabel) tenant = table.at(batch.labels[i]).get(name_);
      if (tenant && !tenant->empty()) batch.labels[i] = table.with(batch.labels[i], kTenantLabel, *tenant);
    }
  }

 private:
  const From from_;
  const std::string name_;  // the tenant itself, or where it stands
};

constexpr StageArgument kArguments[] = {
    {"value", ArgumentType::kText, "", false, "the tenant itself"},
    {"source", ArgumentType::kText, "", false, "extracted value that names the tenant"},
    {"label", ArgumentType::kText, "", false, "label that names the tenant; exactly one of the three is given"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const std::string& value = arguments.text("value");
  const std::string& source = arguments.text("source");
  const std::string& label = arguments.text("label");
  const int given = !value.empty() + !source.empty() + !label.empty();
  if (given == 0) return fail(Errc::kInvalid, "label, source or value config are required");
  if (given > 1) {
    return fail(Errc::kInvalid,
                "label, source and value are mutually exclusive: you should set source, value or label but not all");
  }
  using enum TenantStage::From;
  if (!source.empty()) return std::make_unique<TenantStage>(kSource, source);
  if (!label.empty()) return std::make_unique<TenantStage>(kLabel, label);
  return std::make_unique<TenantStage>(kValue, value);
}

}  // namespace

const StageKind kTenantStage = {"tenant", "names the tenant that an entry is sent for", kArguments, build};

}  // namespace pipeline
