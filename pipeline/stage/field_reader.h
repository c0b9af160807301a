// FieldReader: one extracted value of every row, as stages see it: what a stage has extracted under the name, else the
// label of that name in Batch::seed_labels(). Valid until the next field() of the batch.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/model/batch.h"
#include "pipeline/parse/json.h"

namespace pipeline {

class FieldReader {
 public:
  FieldReader(const Batch& batch, std::string_view name)
      : batch_(&batch), name_(name), column_(batch.find_field(name)) {}

  FieldValue at(size_t row) {
    if (column_ != nullptr && column_->values[row].kind != FieldValue::Kind::kAbsent) {
      const FieldValue& value = column_->values[row];
      return value.kind == FieldValue::Kind::kRemoved ? FieldValue{} : value;
    }
    if (column_ == nullptr && batch_->has_row_values()) {
      const Batch::RowValues& values = batch_->row_values(row);
      if (auto found = values.find(name_); found != values.end()) return found->second;
    }
    if (!known_ || batch_->seed_labels(row) != label_set_) {
      label_set_ = batch_->seed_labels(row);
      auto label = batch_->label_sets->at(label_set_).get(name_);
      label_ = label ? FieldValue{.kind = FieldValue::Kind::kText, .text = *label} : FieldValue{};
      known_ = true;
    }
    return label_;
  }

 private:
  const Batch* batch_;
  std::string_view name_;
  const FieldColumn* column_;
  bool known_ = false;
  LabelTable::Id label_set_ = 0;
  FieldValue label_;
};

// The value as text; nothing for what has none (absent, null). Numbers without an exponent, booleans true and false.
inline std::optional<std::string_view> field_text(const FieldValue& value, Arena& arena) {
  using enum FieldValue::Kind;
  switch (value.kind) {
    case kText: return value.text;
    case kBool: return value.number != 0 ? "true" : "false";
    case kNumber: {
      if (!value.text.empty()) return value.text;
      std::string text;
      append_plain_number(text, value.number);
      return arena.copy(text);
    }
    case kInteger: {
      char buffer[24];
      auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value.integer);
      return arena.copy({buffer, static_cast<size_t>(end - buffer)});
    }
    default: return std::nullopt;
  }
}

// The text a stage works on: an extracted value, or the line where `source` is "". Nothing where there is no such
// value, or none that is text. Valid as a FieldReader is.
class SourceReader {
 public:
  SourceReader(const Batch& batch, std::string_view source) : is_line_(source.empty()), field_(batch, source) {}

  std::optional<std::string_view> at(Batch& batch, size_t row) {
    if (is_line_) return batch.lines[row];
    return field_text(field_.at(row), batch.arena);
  }

 private:
  bool is_line_;
  FieldReader field_;
};

inline FieldValue text_field(std::string_view text) { return {.kind = FieldValue::Kind::kText, .text = text}; }

}  // namespace pipeline
