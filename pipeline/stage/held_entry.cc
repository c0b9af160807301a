#include "pipeline/stage/held_entry.h"

namespace pipeline {

HeldEntry HeldEntry::attributes_of(const Batch& batch, size_t row) {
  HeldEntry out;
  out.time = batch.times[row];
  out.labels = batch.label_sets->at(batch.labels[row]);
  out.first_labels = batch.label_sets->at(batch.first_labels[row]);
  if (LabelTable::Id seed = batch.seed_labels(row); seed != batch.first_labels[row]) {
    out.seed_labels = batch.label_sets->at(seed);
  }
  for (const Metadata& entry : batch.metadata(row)) out.metadata.emplace_back(entry.name, entry.value);
  for (const FieldColumn& column : batch.fields()) {
    const FieldValue& value = column.values[row];
    if (value.kind != FieldValue::Kind::kAbsent) out.fields.push_back({column.name, value, std::string(value.text)});
  }
  for (const auto& [name, value] : batch.row_values(row)) {
    out.fields.push_back({std::string(name), value, std::string(value.text)});
  }
  return out;
}

void HeldEntry::put_attributes(Batch& batch, size_t row) const {
  batch.times[row] = time;
  batch.labels[row] = batch.label_sets->intern(labels);
  batch.first_labels[row] = batch.label_sets->intern(first_labels);
  batch.set_seed_labels(row, seed_labels ? batch.label_sets->intern(*seed_labels) : batch.first_labels[row]);
  if (!metadata.empty() || batch.has_metadata()) {
    std::vector<Metadata>& entries = batch.mutable_metadata(row);
    entries.clear();
    for (const auto& [name, value] : metadata) entries.push_back({batch.arena.copy(name), batch.arena.copy(value)});
  }
  batch.clear_fields(row);
  for (const Field& field : fields) {
    FieldValue value = field.value;
    value.text = batch.arena.copy(field.text);
    batch.set_value(row, field.name, value);
  }
}

void HeldEntry::insert(Batch& batch, size_t at) const {
  batch.insert(at, batch.arena.copy(text), time, batch.label_sets->intern(labels), pieces);
  put_attributes(batch, at);
}

}  // namespace pipeline
