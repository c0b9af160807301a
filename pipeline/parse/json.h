// JSON of single lines, by hand rather than with a library: lines lie unpadded inside blocks and pages, LogQL wants the
// fields before a fault and the words of Loki's parser for the fault, and most lines are short. Strings are scanned 16
// bytes a step.
//
// Thread:  any.
// Limits:  nesting up to kMaxJsonDepth; deeper is malformed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/batch.h"

namespace pipeline {

inline constexpr int kMaxJsonDepth = 1000;  // the stack used per level is about 100 bytes

enum class JsonKind : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kObject, kArray };

// One value as it stands in the text. Strings without their quotes, not decoded.
struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  bool escaped = false;  // kString: has a backslash, so decode it
  std::string_view raw;
};

// The text of a string value: a view of `raw`, or decoded into `arena`. Surrogate pairs are joined, a lone surrogate is
// U+FFFD. Nothing where an escape is malformed.
std::optional<std::string_view> json_text(const JsonValue& value, Arena& arena);

// --- LogQL's `json` parser (logql.md 4.5)

struct JsonField {
  std::string_view name;  // path joined with _, sanitised: [a-zA-Z_][a-zA-Z0-9_]*
  JsonValue value;        // a string, number or boolean; objects are flattened, arrays and nulls left out
};

// The fields of the object in `line`, in order, repeated names included. Appends to `fields`; names that had to be
// built lie in `arena`. Returns nothing, or the fault in Loki's words (logql.md 4.13, details of JSONParserErr); the
// fields before it are kept. Text after the object is ignored.
std::optional<std::string_view> flatten_json(std::string_view line, std::vector<JsonField>& fields, Arena& arena);

// A label name made of `name` as LogQL's parsers do: spaces trimmed, a leading digit gets a _ before it, every other
// character outside [A-Za-z0-9_] becomes one _. A view of `name` where it is one already. May be empty.
std::string_view sanitise_label_name(std::string_view name, Arena& arena);

// The text LogQL shows for a field: strings decoded (a malformed escape gives ""), U+FFFD and bad UTF-8 as a space,
// numbers and booleans as written.
std::string_view logql_text(const JsonValue& value, Arena& arena);

// --- whole documents

// `text` as one value with nothing but white space around it, checked all through as encoding/json does (RFC 8259);
// nothing: malformed.
std::optional<JsonValue> check_json(std::string_view text);

struct JsonMember {
  JsonValue name;  // a string
  JsonValue value;
};

// The members of `object` (a raw text "{...}"), or the elements of `array`, in order; appended. False: malformed, what
// came before is kept.
bool json_members(std::string_view object, std::vector<JsonMember>& members);
bool json_elements(std::string_view array, std::vector<JsonValue>& elements);

// The number as encoding/json reads it (a double; integers above 2^53 lose digits).
double json_number(std::string_view raw);

}  // namespace pipeline
