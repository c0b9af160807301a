// TemplateValue: what Go templates compute with: a small model of Go's values.
//
// A value is a view: texts, lists and maps lie with the caller or in the arena of the run that made them, and live as
// long as those. Copying a value copies no bytes.
// Thread:  any, as long as nobody changes a map (`set`) meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/model/batch.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/time_zone.h"

namespace pipeline {

struct TemplateList;
struct TemplateMap;
struct TemplateTime;

class TemplateValue {
 public:
  // kMissing: no value at all (a map without the key); kNil: Go's nil in an interface. kComplex: only its imaginary
  // part.
  enum class Kind : uint8_t { kMissing, kNil, kText, kInteger, kNumber, kBool, kList, kMap, kTime, kComplex };
  // What Go type a whole number has; they differ in how they print and in what functions take.
  enum class Integer : uint8_t { kInt, kInt64, kUint8, kDuration, kMonth, kWeekday };

  TemplateValue() = default;
  static TemplateValue nil() { return TemplateValue(Kind::kNil); }
  static TemplateValue text(std::string_view text);
  static TemplateValue integer(int64_t value, Integer type = Integer::kInt);
  static TemplateValue number(double value);
  static TemplateValue imaginary(double value);
  static TemplateValue boolean(bool value);
  static TemplateValue list(TemplateList* list);
  static TemplateValue map(TemplateMap* map);
  static TemplateValue time(const TemplateTime* time);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_absent() const { return kind_ <= Kind::kNil; }  // kMissing or kNil
  Integer integer_type() const { return integer_type_; }
  // Each only for its kind.
  std::string_view as_text() const { return {text_, size_}; }
  int64_t as_integer() const { return integer_; }
  double as_number() const { return number_; }
  bool as_bool() const { return integer_ != 0; }
  TemplateList& as_list() const { return *list_; }
  TemplateMap& as_map() const { return *map_; }
  const TemplateTime& as_time() const { return *time_; }

 private:
  explicit TemplateValue(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::kMissing;
  Integer integer_type_ = Integer::kInt;
  size_t size_ = 0;  // of text_
  union {
    const char* text_ = nullptr;
    int64_t integer_;
    double number_;
    TemplateList* list_;
    TemplateMap* map_;
    const TemplateTime* time_;
  };
};

// []interface {}, or []string and []int, which differ in name only.
struct TemplateList {
  enum class Type : uint8_t { kAny, kTexts, kIntegers };
  TemplateValue* items = nullptr;
  size_t size = 0;
  Type type = Type::kAny;

  TemplateValue* begin() const { return items; }
  TemplateValue* end() const { return items + size; }
};

// map[string]interface {} or map[string]string: members sorted by name.
struct TemplateMap {
  struct Member {
    std::string_view name;
    TemplateValue value;
  };
  Member* members = nullptr;
  size_t size = 0, capacity = 0;
  bool only_texts = false;  // map[string]string: what is not there is ""

  Member* begin() const { return members; }
  Member* end() const { return members + size; }
  const TemplateValue* find(std::string_view name) const;
  void set(std::string_view name, TemplateValue value, Arena& arena);
  void erase(std::string_view name);
  // members[0, count) were filled in any order: sorts them. Of several with one name the last counts.
  void adopt(size_t count);
};

struct TemplateTime {
  int64_t seconds = 0;  // since 1970 UTC
  uint32_t nanos = 0;
  const TimeZone* zone = nullptr;   // null: the fixed offset
  int32_t offset = 0;               // seconds east of UTC, if zone is null
  std::string_view zone_name = {};  // its abbreviation, if zone is null; may be empty
};

// Bytes for new values, and a bound for them: what a run makes may not grow without end.
class TemplateMemory {
 public:
  // Counts `bytes` against the limit. kOverLimit: the run has to end.
  Result<void> charge(size_t bytes);
  Result<TemplateValue> text(std::string_view bytes);  // copied
  Result<TemplateList*> list(size_t size, TemplateList::Type type = TemplateList::Type::kAny);
  Result<TemplateMap*> map(size_t capacity);
  Result<void> set(TemplateMap& map, std::string_view name, TemplateValue value);
  Result<TemplateValue> time(const TemplateTime& time);
  Arena& arena() { return arena_; }
  void clear(size_t limit_bytes);

 private:
  Arena arena_;
  size_t used_bytes_ = 0, limit_bytes_ = 0;
};

// Go's truth: not zero, not empty, not nil.
bool is_true(const TemplateValue& value);
// reflect.DeepEqual: the same type and the same content.
bool is_equal(const TemplateValue& a, const TemplateValue& b);
// As %T prints it: "string", "map[string]interface {}"; nil: "<nil>".
std::string_view go_type(const TemplateValue& value);
// As reflect names it: "string", "map", "slice"; nil: "invalid".
std::string_view go_kind(const TemplateValue& value);

// encoding/json's text of a value. `indent`: with line breaks, by so many blanks a level; `escape_html`: <, > and & as
// \u003c, \u003e, \u0026.
void append_json(std::string& out, const TemplateValue& value, bool escape_html, int indent = 0);
// The value of a checked JSON text; numbers are doubles, `whole_numbers`: those without fraction and exponent are int.
Result<TemplateValue> value_of_json(const JsonValue& json, TemplateMemory& memory, bool whole_numbers = false);

// --- Go's text of times

struct ZoneAt {
  int32_t offset = 0;
  std::string_view name = {};
};
ZoneAt zone_at(const TemplateTime& time);

}  // namespace pipeline
