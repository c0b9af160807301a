// JSON of single lines, by hand rather than with a library: lines lie unpadded inside blocks and pages, LogQL wants the
// fields before a fault and the words of Loki's parser for the fault, and most lines are short. Strings are scanned 16
// bytes a step.
//
// Thread:  any.
// Limits:  nesting up to kMaxJsonDepth; deeper is malformed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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
  std::string_view raw{};
};

enum class LoneSurrogate { kReplace, kRefuse };  // \ud800 without its other half: U+FFFD, or a malformed escape

// The text of a string value: a view of `raw`, or decoded into `arena`. Surrogate pairs are joined. Nothing where an
// escape is malformed.
std::optional<std::string_view> json_text(const JsonValue& value, Arena& arena,
                                          LoneSurrogate lone = LoneSurrogate::kReplace);

// --- LogQL's `json` parser (logql.md 4.5)

struct JsonField {
  std::string_view name;  // path joined with _, sanitised: [a-zA-Z_][a-zA-Z0-9_]*
  JsonValue value;        // a string, number or boolean; objects are flattened, arrays and nulls left out
};

// Chooses fields while a line is being read, for those who need few of them.
class JsonFieldChoice {
 public:
  enum class Answer { kSkip, kTake, kTakeAndStop };  // kTakeAndStop: the rest of the line does not matter
  virtual ~JsonFieldChoice() = default;
  virtual Answer choose(std::string_view name) = 0;
  // False: no field whose name begins with `prefix` is wanted; the object is skipped unread.
  virtual bool wants_inside(std::string_view prefix) = 0;
};

// The fields of the object in `line`, in order, repeated names included. Appends to `fields`; names that had to be
// built lie in `arena`. Returns nothing, or the fault in Loki's words (logql.md 4.13, details of JSONParserErr); the
// fields before it are kept. Text after the object is ignored. With `choice` only what it takes is appended.
std::optional<std::string_view> flatten_json(std::string_view line, std::vector<JsonField>& fields, Arena& arena,
                                             JsonFieldChoice* choice = nullptr);

// A label name made of `name` as LogQL's parsers do: spaces trimmed, a leading digit gets a _ before it, every other
// character outside [A-Za-z0-9_] becomes one _. A view of `name` where it is one already. May be empty.
std::string_view sanitise_label_name(std::string_view name, Arena& arena);

// The text LogQL shows for a field: strings decoded (a malformed escape or a lone surrogate gives ""), U+FFFD and bad
// UTF-8 as a space, numbers and booleans as written.
std::string_view logql_text(const JsonValue& value, Arena& arena);

// `text` with U+FFFD and every byte that is not UTF-8 as a space: itself where there are none, else in `arena`.
std::string_view without_bad_characters(std::string_view text, Arena& arena);

// --- whole documents

struct JsonMember {
  JsonValue name;  // a string
  JsonValue value;
};

// `text` as one value with nothing but white space around it, checked all through as encoding/json does (RFC 8259; a
// number beyond the range of a double is a fault too); nothing: malformed. The members of a top-level object are
// appended to `members` on the way (also of one that turns out to be malformed).
std::optional<JsonValue> check_json(std::string_view text, std::vector<JsonMember>* members = nullptr);

// As check_json, for a caller that wants few members: found[k] becomes the value of names[k] in a top-level object (of
// repeated names the last), else null. `found` has as many elements as `names`.
std::optional<JsonValue> pick_json(std::string_view text, std::span<const std::string> names,
                                   std::span<JsonValue> found);

// The members of an object or the elements of an array, in order; appended. `value` came from a checked document.
void json_members(const JsonValue& value, std::vector<JsonMember>& members);
void json_elements(const JsonValue& value, std::vector<JsonValue>& elements);

// Whether the name of a member is `name`.
bool json_equals(const JsonValue& string, std::string_view text);

// `value` of a checked document as compact JSON: keys sorted, of repeated keys the last, <, > and & as \u003c, \u003e
// and \u0026, numbers as doubles.
void append_compact_json(std::string& out, const JsonValue& value);

// The pieces of append_compact_json: a text in quotes, and a number.
void append_compact_text(std::string& out, std::string_view text);
void append_compact_number(std::string& out, double number);

// As Go's strconv.FormatFloat(number, 'f', -1, 64): the shortest digits that read back as `number`, no exponent.
void append_plain_number(std::string& out, double number);

// The number as encoding/json reads it (a double; integers above 2^53 lose digits).
double json_number(std::string_view raw);

}  // namespace pipeline
