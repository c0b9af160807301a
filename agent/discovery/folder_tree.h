// FolderTree: the folders in which files of the sources may be, watched and scanned; tells the FileTable which names
// there are.
//
// A folder is watched before it is listed, so no name falls between. Folders without a watch, with links in them (their
// targets change elsewhere) or not there yet are scanned by scan_polled().
// Thread:  loop.
// Errors:  a folder that cannot be listed is logged once and tried again with the next scan.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/discovery/file_table.h"
#include "agent/discovery/folder_watch.h"

namespace agent {

class FolderTree {
 public:
  FolderTree(const std::vector<SourceRules>& sources, FileTable& files) : sources_(sources), files_(files) {}

  void scan();         // everything
  void scan_polled();  // what nobody tells about
  void follow(const std::vector<FolderWatch::Event>& events);

  FolderWatch& watch() { return watch_; }
  size_t polled_count() const;
  size_t watched_count() const;

 private:
  struct Folder {
    InodeKey key;
    bool watched = false;
    bool has_links = false;
    uint64_t listed_in = 0;  // the last scan that listed it
  };

  // Renames of one batch of events: where a name comes from, through any number of renames.
  struct Renames {
    uint32_t cookie = 0;  // of the name that vanished last
    std::string from;
    std::map<std::string, std::string> first_names;
  };
  void follow(const FolderWatch::Event& event, Renames& renames);
  void visit(const std::string& path);
  void leave(const std::string& path);
  void list(const std::string& path);
  bool see_entry(const std::string& folder, uint64_t device, const char* name, unsigned char type, uint64_t inode);
  void see_folder_link(const std::string& path, InodeKey key);
  void drop(const std::string& path);
  bool may_match_below(const std::string& folder) const;
  bool is_wanted(const std::string& folder) const;

  const std::vector<SourceRules>& sources_;
  FileTable& files_;
  FolderWatch watch_;
  std::map<std::string, Folder> folders_;
  uint64_t scan_number_ = 0;
  bool said_unwatched_ = false;
  std::set<std::string> absent_;      // roots that are not there
  std::set<std::string> unreadable_;  // said once
};

}  // namespace agent
