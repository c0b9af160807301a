#include "agent/journal/journal_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
constexpr std::string_view kSignature = "LPKSHHRH";
constexpr size_t kLineageAt = 72, kIdBytes = 16, kHeaderBytes = kLineageAt + kIdBytes;
constexpr size_t kIdDigits = 2 * kIdBytes;
constexpr size_t kEventBytes = 64 * 1024;

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_journal_name(std::string_view name) { return name.ends_with(".journal") || name.ends_with(".journal~"); }

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Whether a folder called MACHINE-ID or MACHINE-ID.NAMESPACE is one of `name_space`.
bool has_name_space(std::string_view folder, std::string_view name_space) {
  size_t dot = folder.find('.');
  if (!is_id(folder.substr(0, dot))) return false;
  if (name_space == "*") return true;
  std::string_view own = dot == std::string_view::npos ? "" : folder.substr(dot + 1);
  if (name_space.starts_with('+')) return own.empty() || own == name_space.substr(1);
  return own == name_space;
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open) return fail(pipeline::system_error(concat("open ", folder), errno));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(open.get())) names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

// The sequence number id of the file. kNotFound: gone, or its writer has only begun it.
Result<std::string> read_lineage(const std::string& path, JournalFile& file) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return fail(pipeline::system_error(concat("open ", path), errno));
  char header[kHeaderBytes];
  struct stat status {};
  ssize_t size = ::fstat(fd, &status) == 0 ? ::pread(fd, header, sizeof(header), 0) : -1;
  int fault = errno;
  ::close(fd);
  if (size < 0) return fail(pipeline::system_error(concat("read ", path), fault));
  if (size == 0) return fail(Errc::kNotFound, concat(path, ": empty"));
  if (size < static_cast<ssize_t>(kHeaderBytes) || std::string_view(header, kSignature.size()) != kSignature)
    return fail(Errc::kCorrupt, concat(path, ": not a journal file"));
  file = {path, status.st_dev, status.st_ino};
  std::string id;
  for (size_t i = kLineageAt; i < kHeaderBytes; i++) {
    constexpr char kDigits[] = "0123456789abcdef";
    auto byte = static_cast<uint8_t>(header[i]);
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

void add_file(const std::string& path, std::string_view machine, JournalListing& listing) {
  JournalFile file;
  auto id = read_lineage(path, file);
  if (!id) {
    if (id.error().code != Errc::kNotFound) listing.faults.push_back({path, id.error()});
    return;
  }
  JournalLineage& lineage = listing.lineages[*id];
  if (lineage.machine.empty()) lineage.machine = machine;
  lineage.files.push_back(std::move(file));
}

void add_folder(const std::string& folder, JournalListing& listing) {
  auto names = names_in(folder);
  if (!names) {
    if (names.error().code != Errc::kNotFound) listing.faults.push_back({folder, names.error()});
    return;
  }
  listing.folders.push_back(folder);
  for (const std::string& name : *names)
    if (is_journal_name(name)) add_file(concat(folder, "/", name), base_name(folder), listing);
}

void add_machine_folders(const std::string& folder, const JournalPlace& place, std::string_view machine_id,
                         JournalListing& listing) {
  auto names = names_in(folder);
  if (!names) {
    if (names.error().code != Errc::kNotFound) listing.faults.push_back({folder, names.error()});
    return;
  }
  listing.folders.push_back(folder);  // a name space's folder may come later
  for (const std::string& name : *names) {
    if (!name.starts_with(machine_id) || !has_name_space(name, place.name_space)) continue;
    add_folder(concat(folder, "/", name), listing);
  }
}

Result<std::string> machine_id(const std::string& root) {
  std::string path = concat(root, "/etc/machine-id");
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(pipeline::system_error(concat("open ", path), errno)
                    .within("which journal is this machine's is not known; mount its machine-id, or set path"));
  char digits[kIdDigits];
  ssize_t size = ::pread(fd, digits, sizeof(digits), 0);
  ::close(fd);
  std::string id(digits, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  if (!is_id(id)) return fail(Errc::kInvalid, concat(path, " holds no machine id; mount the machine's, or set path"));
  return id;
}

Result<void> add_place(const JournalPlace& place, JournalListing& listing) {
  if (place.path.empty()) {
    TRY_LET(std::string id, machine_id(place.root));
    for (const char* folder : {"/var/log/journal", "/run/log/journal"})
      add_machine_folders(concat(place.root, folder), place, id, listing);
    return {};
  }
  struct stat status {};
  if (::stat(place.path.c_str(), &status) != 0) return fail(pipeline::system_error(concat("open ", place.path), errno));
  if (!S_ISDIR(status.st_mode)) {
    std::string folder = place.path.substr(0, std::max<size_t>(place.path.rfind('/'), 1));
    listing.folders.push_back(folder);
    add_file(place.path, base_name(folder), listing);
    return {};
  }
  if (place.name_space.empty() || place.name_space == "*" || has_name_space(base_name(place.path), place.name_space))
    add_folder(place.path, listing);
  size_t before = listing.folders.size();
  add_machine_folders(place.path, place, "", listing);
  if (before > 0 && listing.folders.size() > before)  // the folder itself is there already
    listing.folders.erase(listing.folders.begin() + static_cast<std::ptrdiff_t>(before));
  return {};
}
}  // namespace

Result<JournalListing> list_journals(const JournalPlace& place) {
  JournalListing listing;
  TRY(add_place(place, listing));
  if (!listing.folders.empty()) return listing;
  if (!listing.faults.empty()) return fail(listing.faults[0].error);
  return fail(Errc::kNotFound, concat("there is neither ", place.root, "/var/log/journal nor ", place.root,
                                      "/run/log/journal; does journald run, and are its folders mounted?"));
}

bool exists(const JournalFile& file) {
  struct stat status {};
  return ::stat(file.path.c_str(), &status) == 0 && status.st_ino == file.inode && status.st_dev == file.dev;
}

JournalWatch::JournalWatch() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

JournalWatch::~JournalWatch() {
  if (fd_ >= 0) ::close(fd_);
}

bool JournalWatch::watch(const std::vector<std::string>& folders) {
  bool all = fd_ >= 0;
  for (const std::string& folder : folders) {
    int wd = fd_ < 0 ? -1
                     : ::inotify_add_watch(fd_, folder.c_str(),
                                           IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
                                               IN_MODIFY | IN_ATTRIB | IN_ONLYDIR);
    if (wd >= 0)
      folders_[wd] = folder;
    else
      all = false;
  }
  return all;
}

JournalWatch::Events JournalWatch::take() {
  Events events;
  alignas(inotify_event) static thread_local char buffer[kEventBytes];
  for (ssize_t size; fd_ >= 0 && (size = ::read(fd_, buffer, sizeof(buffer))) > 0;) {
    for (const char* at = buffer; at < buffer + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->mask & IN_IGNORED) folders_.erase(event->wd);
      auto folder = folders_.find(event->wd);
      bool written = event->mask & IN_MODIFY && folder != folders_.end() && event->len > 0;
      if (written)
        events.written.insert(concat(folder->second, "/", std::string_view(event->name)));
      else
        events.names = true;  // created, renamed, deleted, other permissions, or an overflow
    }
  }
  return events;
}

}  // namespace agent
