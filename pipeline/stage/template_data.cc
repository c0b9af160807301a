#include "pipeline/stage/template_data.h"

namespace pipeline {

void TemplateData::add_reads(const GoTemplate& compiled, FieldNames& reads) {
  reads.all = reads.all || compiled.reads_all();
  reads.names.insert(compiled.fields().begin(), compiled.fields().end());
}

void TemplateData::begin(Batch& batch) {
  batch_ = &batch;
  readers_.clear();
  for (const std::string& name : template_->fields()) readers_.emplace_back(batch, name);
  values_.resize(readers_.size());
}

TemplateValue TemplateData::member(size_t row, FieldReader& reader) const {
  auto text = field_text(reader.at(row), batch_->arena);
  return text ? TemplateValue::text(*text) : TemplateValue();
}

// Null: too much for the memory of a template.
TemplateMap* TemplateData::all_members(size_t row, std::optional<std::string_view> value,
                                       std::optional<std::string_view> entry) {
  members_.clear(run_.limits().memory_bytes);
  auto made = members_.map(0);
  TemplateMap* map = made ? *made : nullptr;
  auto add = [&](std::string_view name, std::optional<std::string_view> text) {
    if (map == nullptr || !text) return;
    if (!members_.set(*map, name, TemplateValue::text(*text))) map = nullptr;
  };
  for (const Label& label : batch_->label_sets->at(batch_->seed_labels(row)).labels()) add(label.first, label.second);
  for (const FieldColumn& column : batch_->fields()) {
    const FieldValue& field = column.values[row];
    if (field.kind == FieldValue::Kind::kAbsent) continue;
    auto text = field_text(field, batch_->arena);
    if (!text && map != nullptr) map->erase(column.name);
    add(column.name, text);
  }
  for (const auto& [name, field] : batch_->row_values(row)) {
    auto text = field_text(field, batch_->arena);
    if (!text && map != nullptr) map->erase(name);
    add(name, text);
  }
  add("Value", value);
  add("Entry", entry);
  return map;
}

Result<void> TemplateData::run(size_t row, std::optional<std::string_view> value,
                               std::optional<std::string_view> entry) {
  text_.clear();
  TemplateInput input{
      .fields = values_, .all = nullptr, .now = batch_->read_time(row), .timestamp = batch_->times[row]};
  if (template_->reads_all()) {
    input.all = all_members(row, value, entry);
    if (input.all == nullptr) return fail(Errc::kOverLimit, "too many extracted values for a template");
    return template_->run(input, run_, text_);
  }
  const std::vector<std::string>& names = template_->fields();
  for (size_t i = 0; i < names.size(); ++i) {
    if (value && names[i] == "Value") {
      values_[i] = TemplateValue::text(*value);
    } else if (entry && names[i] == "Entry") {
      values_[i] = TemplateValue::text(*entry);
    } else {
      values_[i] = member(row, readers_[i]);
    }
  }
  return template_->run(input, run_, text_);
}

}  // namespace pipeline
