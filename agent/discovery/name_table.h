// NameTable: every name that was looked at, in order, and the file it led to. There may be very many: they lie sorted
// in pages, some 40 bytes each beside their text.
//
// Thread: one. A pointer to a name is good until one is added or removed.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "agent/source/file_identity.h"
#include "pipeline/base/shared_text.h"

namespace agent {

struct Name {
  pipeline::SharedText path;
  InodeKey key = {};
  bool open = false;    // discovery holds it; otherwise nobody wanted it, or it could not be opened
  bool failed = false;  // try again with the next scan
};

class NameTable {
 public:
  size_t size() const;
  const Name* find(std::string_view path) const { return const_cast<NameTable*>(this)->find(path); }
  Name* find(std::string_view path);
  Name& add(const pipeline::SharedText& path);  // or the one there is
  void remove(std::string_view path);

  bool has_any_below(std::string_view prefix) const {
    const Place at = first_from(prefix);
    return at.page < pages_.size() && pages_[at.page][at.entry].path.view().starts_with(prefix);
  }

  // Those whose path begins with `prefix`, in order. Nothing may be added or removed meanwhile.
  template <class Visit>
  void for_each_below(std::string_view prefix, Visit visit) const {
    for (Place at = first_from(prefix); at.page < pages_.size(); ++at.page, at.entry = 0)
      for (; at.entry < pages_[at.page].size(); ++at.entry) {
        const Name& name = pages_[at.page][at.entry];
        if (!name.path.view().starts_with(prefix)) return;
        visit(name);
      }
  }

  template <class Match>
  void remove_if(Match match) {
    for (Page& page : pages_) std::erase_if(page, match);
    std::erase_if(pages_, [](const Page& page) { return page.empty(); });
  }

 private:
  static constexpr size_t kPageNames = 64, kGrowth = 8;
  using Page = std::vector<Name>;  // never empty
  struct Place {
    size_t page = 0, entry = 0;  // the end of a page: what is not there would be behind all of it
  };
  Place first_from(std::string_view path) const;  // the first that is not before it

  std::vector<Page> pages_;
};

}  // namespace agent
