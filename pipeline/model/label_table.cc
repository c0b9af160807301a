#include "pipeline/model/label_table.h"

namespace pipeline {

namespace {

uint64_t hash_change(LabelTable::Id id, std::string_view name, std::string_view value, bool set) {
  return hash64(value, hash64(name, static_cast<uint64_t>(id) << 1 | static_cast<uint64_t>(set)));
}

// True if `after` is `before` with `name` as in `value` (nothing: absent).
bool is_change(const LabelSet& before, const LabelSet& after, std::string_view name,
               std::optional<std::string_view> value) {
  if (after.get(name) != value) return false;
  auto b = before.labels().begin(), b_end = before.labels().end();
  for (const Label& label : after.labels()) {
    if (label.first == name) continue;
    if (b != b_end && b->first == name) ++b;
    if (b == b_end || *b != label) return false;
    ++b;
  }
  if (b != b_end && b->first == name) ++b;
  return b == b_end;
}

}  // namespace

LabelTable::Id LabelTable::intern(const LabelSet& set) {
  std::string text = set.text();
  auto found = by_text_.find(text);
  if (found != by_text_.end()) return found->second;
  Id id = static_cast<Id>(sets_.size());
  sets_.push_back(set);
  texts_.push_back(std::move(text));
  by_text_.emplace(texts_.back(), id);
  return id;
}

LabelTable::Id LabelTable::remember(uint64_t change, LabelSet set) {
  Id id = intern(set);
  changes_.emplace(change, id);
  return id;
}

LabelTable::Id LabelTable::with(Id id, std::string_view name, std::string_view value) {
  uint64_t change = hash_change(id, name, value, true);
  for (auto [at, end] = changes_.equal_range(change); at != end; ++at) {
    if (is_change(sets_[id], sets_[at->second], name, value)) return at->second;
  }
  return remember(change, sets_[id].with(name, value));
}

LabelTable::Id LabelTable::without(Id id, std::string_view name) {
  uint64_t change = hash_change(id, name, "", false);
  for (auto [at, end] = changes_.equal_range(change); at != end; ++at) {
    if (is_change(sets_[id], sets_[at->second], name, std::nullopt)) return at->second;
  }
  return remember(change, sets_[id].without(name));
}

void LabelTable::clear() {
  changes_.clear();
  by_text_.clear();
  texts_.clear();
  sets_.clear();
  generation_++;
}

}  // namespace pipeline
