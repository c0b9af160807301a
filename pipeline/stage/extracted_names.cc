#include "pipeline/stage/extracted_names.h"

#include <algorithm>

namespace pipeline {

void extracted_names(const Batch& batch, size_t row, std::vector<std::string>& names) {
  names.clear();
  for (const FieldColumn& column : batch.fields()) {
    if (column.values[row].kind > FieldValue::Kind::kRemoved) names.push_back(column.name);
  }
  for (const auto& [name, value] : batch.row_values(row)) names.emplace_back(name);
  for (const auto& [name, value] : batch.label_sets->at(batch.seed_labels(row)).labels()) {
    const FieldColumn* column = batch.find_field(name);
    if (column == nullptr || column->values[row].kind != FieldValue::Kind::kRemoved) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace pipeline
