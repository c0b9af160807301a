#include "server/logql/entry_labels.h"

#include <algorithm>
#include <cstring>

#include "server/logql/log_pipeline.h"

namespace server {
namespace {

constexpr std::string_view kExtracted = "_extracted";

std::string_view with_suffix(pipeline::Arena& arena, std::string_view name) {
  char* made = arena.allocate(name.size() + kExtracted.size());
  std::memcpy(made, name.data(), name.size());
  std::memcpy(made + name.size(), kExtracted.data(), kExtracted.size());
  return {made, name.size() + kExtracted.size()};
}

}  // namespace

void EntryLabels::begin_stream(const pipeline::LabelSet& stream) {
  stream_ = &stream;
  stream_mask_ = 0;
  for (const pipeline::Label& label : stream.labels()) stream_mask_ |= mask_of(label.first);
}

void EntryLabels::begin_entry(MetadataView metadata) {
  metadata_.clear();
  parsed_.clear();
  parsed_mask_ = 0;
  hides_stream_ = false;
  removed_.clear();
  error_ = details_ = {};
  arena_.clear();
  for (const auto& [name, value] : metadata) {
    if (name == kErrorLabel) {
      error_ = value;
    } else if (name == kErrorDetailsLabel) {
      details_ = value;
    } else if (of_stream(name)) {
      metadata_.push_back({with_suffix(arena_, name), value});
    } else {
      metadata_.push_back({name, value});
    }
  }
}

const EntryLabels::Set* EntryLabels::find_parsed(std::string_view name) const {
  if ((parsed_mask_ & mask_of(name)) == 0) return nullptr;
  for (const Set& set : parsed_)
    if (set.name == name) return &set;
  return nullptr;
}

const EntryLabels::Set* EntryLabels::find_metadata(std::string_view name) const {
  for (const Set& set : metadata_)
    if (!set.removed && set.name == name) return &set;
  return nullptr;
}

EntryLabels::Set* EntryLabels::find_metadata(std::string_view name) {
  return const_cast<Set*>(static_cast<const EntryLabels*>(this)->find_metadata(name));
}

bool EntryLabels::is_removed(std::string_view name) const {
  return std::find(removed_.begin(), removed_.end(), name) != removed_.end();
}

std::optional<std::string_view> EntryLabels::get(std::string_view name) const {
  if (const Set* set = find_parsed(name); set && !set->removed) return set->value;
  if (const Set* set = find_metadata(name)) return set->value;
  if (!removed_.empty() && is_removed(name)) return std::nullopt;
  auto value = of_stream(name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

bool EntryLabels::is_taken(std::string_view name) const { return find_metadata(name) || of_stream(name); }

std::string_view EntryLabels::parsed_name(std::string_view name) {
  return is_taken(name) ? with_suffix(arena_, name) : name;
}

EntryLabels::Set& EntryLabels::set(std::string_view name, std::string_view value) {
  if (Set* set = find_metadata(name)) set->removed = true;
  if (const Set* found = find_parsed(name)) {
    Set* set = const_cast<Set*>(found);
    set->value = value;
    set->removed = false;
    return *set;
  }
  if (of_stream(name)) hides_stream_ = true;
  parsed_mask_ |= mask_of(name);
  return parsed_.emplace_back(Set{name, value});
}

bool EntryLabels::has_any() const {
  bool any = !error_.empty() || !details_.empty();
  visit([&](std::string_view, std::string_view) { any = true; });
  return any;
}

void EntryLabels::remove(std::string_view name) {
  for (Set& set : parsed_)
    if (set.name == name) set.removed = true;
  if (Set* set = find_metadata(name)) set->removed = true;
  if (of_stream(name) && !is_removed(name)) removed_.push_back(name);
}

bool EntryLabels::is_visible(const pipeline::Label& stream_label) const {
  if (!removed_.empty() && is_removed(stream_label.first)) return false;
  if (!hides_stream_) return true;
  const Set* set = find_parsed(stream_label.first);
  return !set || set->removed;
}

}  // namespace server
