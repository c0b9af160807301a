#include "pipeline/stage/json_field.h"

#include <algorithm>
#include <cmath>

#include "pipeline/parse/jmespath.h"
#include "pipeline/stage/field_reader.h"

namespace pipeline {

namespace {

// A whole number whose own text is what printing the double would give.
bool is_plain_integer(std::string_view raw) {
  if (raw.starts_with('-')) raw.remove_prefix(1);
  return raw.size() <= 15 && std::all_of(raw.begin(), raw.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// JSON has no NaN and no infinity.
bool has_json(const TemplateValue& value) {
  using Kind = TemplateValue::Kind;
  if (value.is(Kind::kNumber)) return std::isfinite(value.as_number());
  if (value.is(Kind::kList)) return std::all_of(value.as_list().begin(), value.as_list().end(), has_json);
  if (!value.is(Kind::kMap)) return true;
  const TemplateMap& map = value.as_map();
  return std::all_of(map.begin(), map.end(), [](const auto& member) { return has_json(member.value); });
}

}  // namespace

FieldValue json_field(const JsonValue& value, Arena& arena) {
  using enum FieldValue::Kind;
  switch (value.kind) {
    case JsonKind::kString: return text_field(json_text(value, arena).value_or(""));
    case JsonKind::kTrue: return {.kind = kBool, .text = {}, .number = 1};
    case JsonKind::kFalse: return {.kind = kBool, .text = {}, .number = 0};
    case JsonKind::kNull: return {.kind = kNull, .text = {}};
    case JsonKind::kNumber: {
      FieldValue number{.kind = kNumber, .text = {}, .number = json_number(value.raw)};
      if (is_plain_integer(value.raw) && value.raw != "-0") number.text = value.raw;
      return number;
    }
    default: {
      std::string compact;
      append_compact_json(compact, value);
      return text_field(arena.copy(compact));
    }
  }
}

FieldValue json_field(const TemplateValue& value, Arena& arena) {
  using Kind = TemplateValue::Kind;
  switch (value.kind()) {
    case Kind::kText: return text_field(arena.copy(value.as_text()));
    case Kind::kNumber: return {.kind = FieldValue::Kind::kNumber, .text = {}, .number = value.as_number()};
    case Kind::kBool: return {.kind = FieldValue::Kind::kBool, .text = {}, .number = value.as_bool() ? 1.0 : 0.0};
    case Kind::kMissing:
    case Kind::kNil: return {.kind = FieldValue::Kind::kNull, .text = {}};
    default: {
      std::string compact;
      if (has_json(value)) append_compact_json(compact, value);
      return text_field(arena.copy(compact));
    }
  }
}

}  // namespace pipeline
