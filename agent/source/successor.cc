#include "agent/source/successor.h"

#include <algorithm>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Result;

namespace {
constexpr int kMostLinks = 8;  // as many as lead from /var/log/containers to a file, and some

std::string folder_of(const std::string& path) { return path.substr(0, std::max<size_t>(path.rfind('/'), 1)); }
std::string name_in(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string join(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? concat(folder, name) : concat(folder, "/", name);
}

// What a name must begin with to be looked at: the live one's without its extension.
std::string_view stem_of(std::string_view name) {
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

// Does the text go on behind `position`, at the begin of a line?
bool goes_on_at(const FileHandle& file, uint64_t position) {
  if (position == 0) return true;
  char before = '\0';
  auto size = file.read_at(position - 1, &before, 1);
  if (!size || *size == 0) return false;
  if (before == '\n') return true;
  char after;  // a last line without a newline was handed on
  auto more = file.read_at(position, &after, 1);
  return more && *more == 0;
}

Result<std::shared_ptr<FileHandle>> open_any(const std::string& path) {
  return is_gzip_name(path) ? FileHandle::open_gzip(path) : FileHandle::open(path);
}
}  // namespace

// The folder of the path, and those of the links on the way from it.
std::vector<Successors::Place> Successors::places(const std::string& path) {
  std::vector<Place> all;
  std::string at = path;
  for (int i = 0; i < kMostLinks; ++i) {
    all.push_back({folder_of(at), name_in(at)});
    char target[4096];
    ssize_t size = ::readlink(at.c_str(), target, sizeof(target));
    if (size <= 0 || size == sizeof(target)) break;
    std::string next(target, static_cast<size_t>(size));
    at = next.starts_with('/') ? next : join(folder_of(at), next);
  }
  return all;
}

std::vector<Successors::Entry>& Successors::list(const std::string& folder) {
  auto [it, fresh] = folders_.try_emplace(folder);
  std::vector<Entry>& entries = it->second;
  DIR* dir = fresh ? ::opendir(folder.c_str()) : nullptr;
  if (dir == nullptr) return entries;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) entries.emplace_back().name = entry->d_name;
  }
  ::closedir(dir);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

// Regular files whose names begin like the live one's, later ones first.
std::vector<Successors::Entry> Successors::entries_like(const Place& place) {
  std::vector<Entry>& all = list(place.folder);
  std::string_view stem = stem_of(place.name);
  auto from =
      std::lower_bound(all.begin(), all.end(), stem, [](const Entry& e, std::string_view s) { return e.name < s; });
  std::vector<Entry> like;
  for (auto it = from; it != all.end() && it->name.starts_with(stem); ++it) {
    if (!std::exchange(it->asked, true)) {
      struct stat status;
      it->is_file = ::lstat(join(place.folder, it->name).c_str(), &status) == 0 && S_ISREG(status.st_mode);
      if (it->is_file) it->key = {status.st_dev, status.st_ino};
      if (it->is_file) it->modified_nanos = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
    }
    if (it->is_file) like.push_back(*it);
  }
  std::stable_sort(like.begin(), like.end(),
                   [](const Entry& a, const Entry& b) { return a.modified_nanos > b.modified_nanos; });
  return like;
}

bool Successors::is_taken(InodeKey key) const { return found_.contains(key) || taken_(key); }

const std::string& Successors::head_of(const std::string& path, InodeKey key) {
  auto [it, fresh] = heads_.try_emplace(key);
  if (!fresh) return it->second;
  if (auto handle = open_any(path)) it->second = (*handle)->head().value_or("");
  return it->second;
}

// The file itself under another name, before copies, before compressed ones.
std::optional<Successors::Found> Successors::find(const std::string& live_path, const FileIdentity& identity,
                                                  uint64_t position) {
  if (identity.fingerprint_bytes == 0) return std::nullopt;  // nothing was read of it, nothing tells it from others
  if (heads_of_ != live_path) heads_.clear();
  heads_of_ = live_path;
  for (const Place& place : places(live_path)) {
    std::vector<std::pair<int, Entry>> candidates;
    for (const Entry& entry : entries_like(place)) {
      const bool gzip = is_gzip_name(entry.name);
      const bool called_so = RotatedName::parse(place.name, entry.name) || entry.name == place.name + ".gz";
      if (is_taken(entry.key)) continue;
      if (entry.key == identity.key)
        candidates.emplace_back(0, entry);
      else if (called_so)
        candidates.emplace_back(gzip ? 2 : 1, entry);
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (const auto& [rank, entry] : candidates) {
      std::string path = join(place.folder, entry.name);
      if (!identity.matches(identity.key, head_of(path, entry.key))) continue;
      auto handle = open_any(path);
      if (!handle || !goes_on_at(**handle, position)) continue;
      (*handle)->rest();
      found_.insert(entry.key);
      return Found{std::move(path), *std::move(handle)};
    }
  }
  return std::nullopt;
}

std::vector<Successors::Sibling> Successors::rotated_siblings(const std::string& live_path) {
  std::vector<Sibling> siblings;
  for (const Place& place : places(live_path)) {
    for (const Entry& entry : entries_like(place)) {
      auto name = RotatedName::parse(place.name, entry.name);
      if (!name) continue;
      siblings.push_back({join(place.folder, entry.name), entry.key, *name, entry.modified_nanos, is_taken(entry.key)});
    }
  }
  return siblings;
}

std::optional<RotatedName> Successors::name_of(const std::string& live_path, InodeKey inode) {
  for (const Place& place : places(live_path))
    for (const Entry& entry : entries_like(place))
      if (entry.key == inode) return RotatedName::parse(place.name, entry.name);
  return std::nullopt;
}

}  // namespace agent
