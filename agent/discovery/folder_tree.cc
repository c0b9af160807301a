#include "agent/discovery/folder_tree.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;

namespace {
std::string child_path(const std::string& folder, std::string_view name) {
  return folder == "/" ? concat("/", name) : concat(folder, "/", name);
}
}  // namespace

bool FolderTree::may_match_below(const std::string& folder) const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [&](const SourceRules& source) { return source.rules.may_match_below(folder); });
}

// It is a root, or below one, of a source that may have files there.
bool FolderTree::is_wanted(const std::string& folder) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const SourceRules& source) {
    const auto& roots = source.rules.folders();
    return source.rules.may_match_below(folder) &&
           std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
             return folder == root || root == "/" || folder.starts_with(concat(root, "/"));
           });
  });
}

size_t FolderTree::polled_count() const {
  return absent_.size() + static_cast<size_t>(std::count_if(folders_.begin(), folders_.end(), [](const auto& entry) {
           return !entry.second.watched || entry.second.has_links;
         }));
}

size_t FolderTree::watched_count() const {
  return static_cast<size_t>(
      std::count_if(folders_.begin(), folders_.end(), [](const auto& entry) { return entry.second.watched; }));
}

void FolderTree::scan() {
  absent_.clear();
  scan_number_++;
  for (const SourceRules& source : sources_) {
    for (const std::string& root : source.rules.folders()) visit(root);
  }
  std::vector<std::string> missed;  // no way leads there from a root any more
  for (const auto& [path, folder] : folders_) {
    if (folder.listed_in != scan_number_) missed.push_back(path);
  }
  for (const std::string& path : missed) is_wanted(path) ? visit(path) : leave(path);
}

// No source wants what is in it any more. Folders below it may be another source's.
void FolderTree::leave(const std::string& path) {
  watch_.remove(path);
  folders_.erase(path);
  files_.lose_others(path, {});
}

void FolderTree::scan_polled() {
  std::vector<std::string> polled(absent_.begin(), absent_.end());
  for (const auto& [path, folder] : folders_) {
    if (!folder.watched || folder.has_links) polled.push_back(path);
  }
  absent_.clear();
  for (const std::string& path : polled) visit(path);
}

void FolderTree::follow(const std::vector<FolderWatch::Event>& events) {
  Renames renames;
  for (const FolderWatch::Event& event : events) follow(event, renames);
}

void FolderTree::follow(const FolderWatch::Event& event, Renames& renames) {
  if (event.kind == FolderWatch::Event::Kind::kFolderGone) return drop(event.folder);
  std::string path = child_path(event.folder, event.name);
  if (event.kind == FolderWatch::Event::Kind::kVanished) {
    if (event.is_folder) return drop(path);
    renames.cookie = event.cookie;
    auto first_name = renames.first_names.extract(path);
    renames.from = first_name.empty() ? path : first_name.mapped();
    return files_.lose(path);
  }
  if (event.is_folder) {
    if (may_match_below(path)) visit(path);
    return;
  }
  bool renamed = event.cookie != 0 && event.cookie == renames.cookie;
  if (renamed) renames.first_names[path] = renames.from;
  files_.see(path, std::nullopt, renamed ? renames.from : "");
  struct stat status;  // a link: its folder needs polling, or leads to another folder
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) list(event.folder);
}

// Watches and lists a folder; again for one that is known.
void FolderTree::visit(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    const bool is_root = std::any_of(sources_.begin(), sources_.end(), [&](const SourceRules& source) {
      const auto& roots = source.rules.folders();
      return std::find(roots.begin(), roots.end(), path) != roots.end();
    });
    if (folders_.contains(path))
      drop(path);
    else if (!is_root)
      files_.miss_folder();
    if (is_root) absent_.insert(path);
    return;
  }
  InodeKey key{status.st_dev, status.st_ino};
  auto found = folders_.find(path);
  if (found != folders_.end() && found->second.key != key) drop(path);  // another folder under the old name
  Folder& folder = folders_[path];
  folder.key = key;
  if (!folder.watched) folder.watched = watch_.add(path);
  if (!folder.watched && !said_unwatched_) {
    said_unwatched_ = true;
    pipeline::log_warn(
        "no inotify watch for a folder, scanning every second instead; raise fs.inotify.max_user_watches",
        {{"folder", path}});
  }
  list(path);
}

void FolderTree::list(const std::string& path) {
  auto found = folders_.find(path);
  if (found == folders_.end()) return;
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) {
    if (unreadable_.insert(path).second) {
      pipeline::log_warn("folder cannot be listed", {{"error", pipeline::system_error(concat("open ", path), errno)}});
    }
    return;
  }
  unreadable_.erase(path);
  found->second.has_links = false;
  found->second.listed_in = scan_number_;
  uint64_t device = found->second.key.device;
  const bool may_miss = files_.has_names_below(path);
  std::set<std::string> present;
  while (const dirent* entry = ::readdir(dir)) {
    std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (see_entry(path, device, entry->d_name, entry->d_type, entry->d_ino) && may_miss) present.insert(entry->d_name);
  }
  ::closedir(dir);
  if (may_miss) files_.lose_others(path, present);
}

// False: it is no file.
bool FolderTree::see_entry(const std::string& folder, uint64_t device, const char* name, unsigned char type,
                           uint64_t inode) {
  std::string path = child_path(folder, name);
  if (type == DT_DIR) {
    if (may_match_below(path)) visit(path);
    return false;
  }
  if (type == DT_REG) {
    files_.see(path, InodeKey{device, inode});
    return true;
  }
  if (type != DT_LNK && type != DT_UNKNOWN) return false;
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return false;  // a link to nowhere
  if (S_ISREG(status.st_mode)) {
    if (type == DT_LNK) folders_[folder].has_links = true;
    files_.see(path, InodeKey{status.st_dev, status.st_ino});
    return true;
  }
  if (S_ISDIR(status.st_mode) && may_match_below(path)) see_folder_link(path, {status.st_dev, status.st_ino});
  return false;
}

// A link to a folder is followed unless that folder is known already: a circle, or two ways to the same files.
void FolderTree::see_folder_link(const std::string& path, InodeKey key) {
  bool known = std::any_of(folders_.begin(), folders_.end(),
                           [&](const auto& entry) { return entry.second.key == key && entry.first != path; });
  if (!known) visit(path);
}

void FolderTree::drop(const std::string& path) {
  std::string prefix = concat(path, "/");
  auto is_below = [&](const std::string& other) { return other == path || other.starts_with(prefix); };
  for (auto it = folders_.lower_bound(path); it != folders_.end() && it->first.starts_with(path);) {
    if (!is_below(it->first)) {
      ++it;
      continue;
    }
    watch_.remove(it->first);
    it = folders_.erase(it);
  }
  files_.lose_below(path);
}

}  // namespace agent
