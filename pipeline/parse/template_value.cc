#include "pipeline/parse/template_value.h"

#include <algorithm>
#include <new>

namespace pipeline {

using Kind = TemplateValue::Kind;
using Integer = TemplateValue::Integer;

TemplateValue TemplateValue::text(std::string_view text) {
  TemplateValue value(Kind::kText);
  value.text_ = text.data();
  value.size_ = text.size();
  return value;
}
TemplateValue TemplateValue::integer(int64_t value, Integer type) {
  TemplateValue out(Kind::kInteger);
  out.integer_ = value;
  out.integer_type_ = type;
  return out;
}
TemplateValue TemplateValue::number(double value) {
  TemplateValue out(Kind::kNumber);
  out.number_ = value;
  return out;
}
TemplateValue TemplateValue::imaginary(double value) {
  TemplateValue out(Kind::kComplex);
  out.number_ = value;
  return out;
}
TemplateValue TemplateValue::boolean(bool value) {
  TemplateValue out(Kind::kBool);
  out.integer_ = value;
  return out;
}
TemplateValue TemplateValue::list(TemplateList* list) {
  TemplateValue out(Kind::kList);
  out.list_ = list;
  return out;
}
TemplateValue TemplateValue::map(TemplateMap* map) {
  TemplateValue out(Kind::kMap);
  out.map_ = map;
  return out;
}
TemplateValue TemplateValue::time(const TemplateTime* time) {
  TemplateValue out(Kind::kTime);
  out.time_ = time;
  return out;
}

namespace {

// Memory for structs: the arena itself hands out bytes for texts.
void* aligned(Arena& arena, size_t size) {
  constexpr uintptr_t kAlign = alignof(std::max_align_t);
  auto at = reinterpret_cast<uintptr_t>(arena.allocate(size + kAlign));
  return reinterpret_cast<void*>((at + kAlign - 1) & ~(kAlign - 1));
}

TemplateMap::Member* place_of(const TemplateMap& map, std::string_view name) {
  return std::lower_bound(map.begin(), map.end(), name,
                          [](const TemplateMap::Member& member, std::string_view key) { return member.name < key; });
}

}  // namespace

const TemplateValue* TemplateMap::find(std::string_view name) const {
  Member* at = place_of(*this, name);
  return at != end() && at->name == name ? &at->value : nullptr;
}

void TemplateMap::set(std::string_view name, TemplateValue value, Arena& arena) {
  Member* at = place_of(*this, name);
  if (at != end() && at->name == name) {
    at->value = value;
    return;
  }
  auto place = static_cast<size_t>(at - members);
  if (size == capacity) {
    capacity = std::max<size_t>(capacity * 2, 4);
    auto* grown = new (aligned(arena, capacity * sizeof(Member))) Member[capacity];
    std::copy(begin(), end(), grown);
    members = grown;
  }
  std::copy_backward(members + place, members + size, members + size + 1);
  members[place] = {name, value};
  ++size;
}

void TemplateMap::erase(std::string_view name) {
  Member* at = place_of(*this, name);
  if (at == end() || at->name != name) return;
  std::copy(at + 1, end(), at);
  --size;
}

void TemplateMap::adopt(size_t count) {
  auto by_name = [](const Member& a, const Member& b) { return a.name < b.name; };
  if (!std::is_sorted(members, members + count, by_name)) std::stable_sort(members, members + count, by_name);
  size = 0;
  for (size_t i = 0; i < count; ++i) {
    if (size > 0 && members[size - 1].name == members[i].name) --size;
    members[size++] = members[i];
  }
}

Result<void> TemplateMemory::charge(size_t bytes) {
  if (bytes > limit_bytes_ - used_bytes_) {
    return fail(Errc::kOverLimit, concat("template makes more than ", limit_bytes_, " bytes"));
  }
  used_bytes_ += bytes;
  return {};
}

Result<TemplateValue> TemplateMemory::text(std::string_view bytes) {
  TRY(charge(bytes.size()));
  return TemplateValue::text(arena_.copy(bytes));
}

Result<TemplateList*> TemplateMemory::list(size_t size, TemplateList::Type type) {
  if (size > limit_bytes_) TRY(charge(size));
  TRY(charge(size * sizeof(TemplateValue) + sizeof(TemplateList)));
  auto* list = new (aligned(arena_, sizeof(TemplateList))) TemplateList();
  if (size > 0) list->items = new (aligned(arena_, size * sizeof(TemplateValue))) TemplateValue[size];
  list->size = size;
  list->type = type;
  return list;
}

Result<TemplateMap*> TemplateMemory::map(size_t capacity) {
  TRY(charge(capacity * sizeof(TemplateMap::Member) + sizeof(TemplateMap)));
  auto* map = new (aligned(arena_, sizeof(TemplateMap))) TemplateMap();
  if (capacity > 0) {
    map->members = new (aligned(arena_, capacity * sizeof(TemplateMap::Member))) TemplateMap::Member[capacity];
  }
  map->capacity = capacity;
  return map;
}

Result<void> TemplateMemory::set(TemplateMap& map, std::string_view name, TemplateValue value) {
  TRY(charge(2 * sizeof(TemplateMap::Member)));
  map.set(name, value, arena_);
  return {};
}

Result<TemplateValue> TemplateMemory::time(const TemplateTime& time) {
  TRY(charge(sizeof(TemplateTime)));
  return TemplateValue::time(new (aligned(arena_, sizeof(TemplateTime))) TemplateTime(time));
}

void TemplateMemory::clear(size_t limit_bytes) {
  arena_.clear();
  used_bytes_ = 0;
  limit_bytes_ = limit_bytes;
}

bool is_true(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kText: return !value.as_text().empty();
    case Kind::kInteger: return value.as_integer() != 0;
    case Kind::kNumber:
    case Kind::kComplex: return value.as_number() != 0;
    case Kind::kBool: return value.as_bool();
    case Kind::kList: return value.as_list().size > 0;
    case Kind::kMap: return value.as_map().size > 0;
    case Kind::kTime: return true;
    default: return false;
  }
}

namespace {
// A template's loop makes lists that lie deeper than a stack holds, or hold one another so often that comparing them
// has no end: such are not equal.
constexpr int kMaxComparedDepth = 2000;
constexpr size_t kMaxCompared = 10'000'000;

bool is_equal_to(const TemplateValue& a, const TemplateValue& b, int depth, size_t& compared) {
  if (depth > kMaxComparedDepth || ++compared > kMaxCompared) return false;
  if (a.is_absent() && b.is_absent()) return true;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kText: return a.as_text() == b.as_text();
    case Kind::kInteger: return a.as_integer() == b.as_integer() && a.integer_type() == b.integer_type();
    case Kind::kNumber:
    case Kind::kComplex: return a.as_number() == b.as_number();
    case Kind::kBool: return a.as_bool() == b.as_bool();
    case Kind::kTime: return a.as_time().seconds == b.as_time().seconds && a.as_time().nanos == b.as_time().nanos;
    case Kind::kList:
      return a.as_list().type == b.as_list().type &&
             std::equal(a.as_list().begin(), a.as_list().end(), b.as_list().begin(), b.as_list().end(),
                        [&](auto& x, auto& y) { return is_equal_to(x, y, depth + 1, compared); });
    case Kind::kMap: {
      auto same = [&](const TemplateMap::Member& x, const TemplateMap::Member& y) {
        return x.name == y.name && is_equal_to(x.value, y.value, depth + 1, compared);
      };
      return std::equal(a.as_map().begin(), a.as_map().end(), b.as_map().begin(), b.as_map().end(), same);
    }
    default: return true;
  }
}
}  // namespace

bool is_equal(const TemplateValue& a, const TemplateValue& b) {
  size_t compared = 0;
  return is_equal_to(a, b, 0, compared);
}

std::string_view go_type(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kText: return "string";
    case Kind::kInteger: {
      constexpr std::string_view kNames[] = {"int", "int64", "uint8", "time.Duration", "time.Month", "time.Weekday"};
      return kNames[static_cast<size_t>(value.integer_type())];
    }
    case Kind::kNumber: return "float64";
    case Kind::kComplex: return "complex128";
    case Kind::kBool: return "bool";
    case Kind::kList: {
      constexpr std::string_view kNames[] = {"[]interface {}", "[]string", "[]int"};
      return kNames[static_cast<size_t>(value.as_list().type)];
    }
    case Kind::kMap: return value.as_map().only_texts ? "map[string]string" : "map[string]interface {}";
    case Kind::kTime: return "time.Time";
    default: return "<nil>";
  }
}

std::string_view go_kind(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kList: return "slice";
    case Kind::kMap: return "map";
    case Kind::kTime: return "struct";
    case Kind::kInteger: {
      constexpr std::string_view kNames[] = {"int", "int64", "uint8", "int64", "int", "int"};
      return kNames[static_cast<size_t>(value.integer_type())];
    }
    case Kind::kMissing:
    case Kind::kNil: return "invalid";
    default: return go_type(value);
  }
}

ZoneAt zone_at(const TemplateTime& time) {
  if (time.zone == nullptr) return {time.offset, time.zone_name};
  return {time.zone->offset_at(time.seconds), time.zone->name_at(time.seconds)};
}

}  // namespace pipeline
