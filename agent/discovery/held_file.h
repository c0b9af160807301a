// HeldFile: a file that discovery holds, the names it has, and what the readers have of it. There may be a hundred
// thousand, nearly all of one name that one source reads: more than that is kept apart.
//
// HeldFiles: all of them, by inode. Thread: one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/discovery/target.h"
#include "agent/source/file_handle.h"
#include "agent/source/hash_index.h"
#include "pipeline/base/shared_text.h"

namespace agent {

class HeldFile {
 public:
  enum class State : uint8_t { kLive, kRotated, kGone };
  struct Offer {
    pipeline::SharedText path;       // what its labels are made from
    std::unique_ptr<Target> target;  // null: it follows from the path, as nobody is asked about pods
    uint64_t labels_hash = 0;        // of the labels that the reader has
    FileId id = {};                  // never 0
    uint32_t source = 0;
    uint16_t reader = 0;         // whose lineage it is; none, if there are no readers
    State state = State::kLive;  // as the reader was told
  };

  std::shared_ptr<FileHandle> handle;
  pipeline::SharedText path;  // where it was first seen
  uint32_t waiting = 0;       // sources for which it waits for metadata
  bool fresh = false;         // some source wants it that it was not offered to yet
  bool changed = false;       // names came or went

  InodeKey key() const { return handle->key(); }

  std::span<const pipeline::SharedText> names() const;  // sorted
  bool has_name(std::string_view name) const;
  void add_name(const pipeline::SharedText& name);  // not empty
  void remove_name(std::string_view name);

  std::span<Offer> offers();
  std::span<const Offer> offers() const { return const_cast<HeldFile*>(this)->offers(); }
  bool is_unread() const { return offers().empty() && waiting == 0; }  // nobody has it, or waits for it
  void add_offer(Offer offer);
  template <class Match>
  void remove_offers(Match match) {
    std::vector<Offer> left;
    for (Offer& offer : offers())
      if (!match(offer)) left.push_back(std::move(offer));
    set_offers(std::move(left));
  }

 private:
  struct More {
    std::vector<pipeline::SharedText> names;  // more than one, or none
    std::vector<Offer> offers;                // likewise
  };
  More& more();
  void drop_more_if_empty();
  void set_names(std::vector<pipeline::SharedText> names);
  void set_offers(std::vector<Offer> offers);

  pipeline::SharedText name_;   // the only one; empty: there is none, or there are more
  Offer offer_;                 // likewise; without an id
  std::unique_ptr<More> more_;  // null: no names and offers but these
};

class HeldFiles {
 public:
  HeldFiles();
  HeldFiles(const HeldFiles&) = delete;
  HeldFiles& operator=(const HeldFiles&) = delete;

  size_t size() const { return size_; }
  bool contains(InodeKey key) const { return find(key) != nullptr; }
  const HeldFile* find(InodeKey key) const { return const_cast<HeldFiles*>(this)->find(key); }
  HeldFile* find(InodeKey key);
  HeldFile& at(InodeKey key) { return *find(key); }  // which is there

  HeldFile& add(std::shared_ptr<FileHandle> handle);  // whose inode is not there; stays where it is
  void remove(InodeKey key);

  // Nothing may be added or removed meanwhile.
  template <class Visit>
  void for_each(Visit visit) {
    for (HeldFile& file : files_)
      if (file.handle) visit(file);
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const HeldFile& file : files_)
      if (file.handle) visit(file);
  }

 private:
  using Place = uint32_t;  // in files_, from 1
  HeldFile& file(Place place) { return files_[place - 1]; }

  std::deque<HeldFile> files_;  // those without a handle are free
  std::vector<Place> free_;
  HashIndex<Place> by_inode_;
  Place last_found_ = 0;  // asked for several times in a row, and then often the next; 0: none
  size_t size_ = 0;
};

}  // namespace agent
