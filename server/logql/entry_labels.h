// EntryLabels: the labels of one entry on its way through the stages, in their categories, and the error slot
// (logql.md 4.1). Reused for every entry; keeps views, so names and values stay valid until the next begin_entry():
// parts of the line, of the metadata, of the compiled pipeline, or copies in arena().
//
// Thread: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/model/batch.h"
#include "pipeline/model/label_set.h"
#include "server/store/columns.h"

namespace server {

class EntryLabels {
 public:
  struct Set {
    std::string_view name, value;
    bool removed = false;  // by drop, keep or a renaming
    bool parsed = false;   // a parser has set it once, and none may again
  };

  void begin_stream(const pipeline::LabelSet& stream);
  void begin_entry(MetadataView metadata);
  pipeline::Arena& arena() { return arena_; }

  // What a stage sees under `name`. Not the error slots.
  std::optional<std::string_view> get(std::string_view name) const;

  // One of 64 bits: names with different bits are different.
  static uint64_t mask_of(std::string_view name) {
    if (name.empty()) return 1;
    const auto first = static_cast<unsigned char>(name.front()), last = static_cast<unsigned char>(name.back());
    return uint64_t{1} << ((name.size() * 7 + first * 3u + last) & 63);
  }

  // --- parsers
  // The name under which a parser sets `name`: with _extracted where a stream label (even a dropped one) or structured
  // metadata has it.
  std::string_view parsed_name(std::string_view name);
  bool is_taken(std::string_view name) const;  // the name stays as it is, but would collide
  // It is there, or a parser has set it before; the first value wins.
  bool was_parsed(std::string_view name) const {
    const Set* set = find_parsed(name);
    return set != nullptr && (set->parsed || !set->removed);
  }
  void set_parsed(std::string_view name, std::string_view value) { set(name, value).parsed = true; }

  // --- label_format
  void set_formatted(std::string_view name, std::string_view value) { set(name, value); }

  // --- drop and keep
  void remove(std::string_view name);
  // Calls remove() for every visible label for which `predicate(name, value)` is true.
  template <class Predicate>
  void remove_if(Predicate predicate);

  // --- the error slots
  bool has_error() const { return !error_.empty(); }
  std::string_view error() const { return error_; }
  std::string_view error_details() const { return details_; }
  void set_error(std::string_view error, std::string_view details) {
    error_ = error;
    details_ = details;
  }
  void clear_error() { error_ = {}; }
  void clear_error_details() { details_ = {}; }

  // --- the result
  // No stage and no metadata has changed anything: the labels are those of the stream.
  bool is_plain() const {
    return parsed_.empty() && metadata_.empty() && removed_.empty() && error_.empty() && details_.empty();
  }
  // Calls `see(name, value)` for all labels but the error slots.
  template <class See>
  void visit(See see) const;
  bool has_any() const;  // a label or an error
  const pipeline::LabelSet& stream() const { return *stream_; }
  const std::vector<Set>& metadata() const { return metadata_; }
  const std::vector<Set>& parsed() const { return parsed_; }
  // A stream label that is neither removed nor hidden.
  bool is_visible(const pipeline::Label& stream_label) const;
  bool hides_stream() const { return !removed_.empty() || hides_stream_; }

 private:
  const Set* find_parsed(std::string_view name) const;
  Set& set(std::string_view name, std::string_view value);
  std::optional<std::string_view> of_stream(std::string_view name) const {
    if ((stream_mask_ & mask_of(name)) == 0) return std::nullopt;
    return stream_->get(name);
  }
  Set* find_metadata(std::string_view name);
  const Set* find_metadata(std::string_view name) const;
  bool is_removed(std::string_view name) const;

  const pipeline::LabelSet* stream_ = nullptr;
  std::vector<Set> metadata_, parsed_;
  uint64_t stream_mask_ = 0;   // of the names of the stream: most look-ups end here
  uint64_t parsed_mask_ = 0;   // of the names in parsed_
  bool hides_stream_ = false;  // a parsed name is one of the stream's
  std::vector<std::string_view> removed_;
  std::string_view error_, details_;
  pipeline::Arena arena_;
};

template <class See>
void EntryLabels::visit(See see) const {
  for (const pipeline::Label& label : stream_->labels())
    if (is_visible(label)) see(std::string_view(label.first), std::string_view(label.second));
  for (const Set& set : metadata_)
    if (!set.removed) see(set.name, set.value);
  for (const Set& set : parsed_)
    if (!set.removed) see(set.name, set.value);
}

template <class Predicate>
void EntryLabels::remove_if(Predicate predicate) {
  for (const pipeline::Label& label : stream_->labels())
    if (is_visible(label) && predicate(std::string_view(label.first), std::string_view(label.second)))
      removed_.push_back(label.first);
  for (Set& set : metadata_)
    if (!set.removed && predicate(set.name, set.value)) set.removed = true;
  for (Set& set : parsed_) {
    if (set.removed || !predicate(set.name, set.value)) continue;
    set.removed = true;
    if (of_stream(set.name)) removed_.push_back(set.name);
  }
}

}  // namespace server
