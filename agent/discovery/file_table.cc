#include "agent/discovery/file_table.h"

#include <algorithm>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/hash.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Registry;

namespace {
bool is_directly_in(std::string_view path, std::string_view folder) {
  return path.rfind('/') == (folder == "/" ? 0 : folder.size());
}

std::string with_slash(const std::string& folder) { return folder.ends_with('/') ? folder : concat(folder, "/"); }
}  // namespace

FileTable::FileTable(const std::vector<SourceRules>& sources, FileLedger& ledger, Registry& metrics,
                     OpenFiles* open_files)
    : sources_(sources),
      ledger_(ledger),
      open_files_(open_files),
      last_birth_order_(ledger.last_birth_order()),
      held_gauge_(metrics.gauge("skidway_agent_discovery_open_inodes", "Files held open for reading.")),
      vanished_(metrics.counter("skidway_agent_discovery_vanished_files_total",
                                "Files that were gone before they could be opened.")),
      vanished_folders_(metrics.counter("skidway_agent_discovery_vanished_folders_total",
                                        "Folders that were gone before they could be looked into.")),
      failures_(metrics.counter("skidway_agent_discovery_open_failures_total", "Files that could not be opened.")) {}

// --- names

void FileTable::miss_folder() { vanished_folders_.add(); }

std::vector<size_t> FileTable::sources_wanting(std::string_view path) const {
  std::vector<size_t> wanting;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].rules.matches(path)) wanting.push_back(i);
  }
  return wanting;
}

std::vector<size_t> FileTable::sources_knowing(InodeKey key) const {
  std::vector<size_t> knowing;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (!sources_[i].removed && ledger_.knows(*sources_[i].options, key)) knowing.push_back(i);
  }
  return knowing;
}

void FileTable::see(const std::string& path, std::optional<InodeKey> listed, const std::string& renamed_from) {
  const Name* name = names_.find(path);
  if (name && listed && name->key == *listed && !name->failed && !is_replaced(*listed, path)) return;
  if (is_gzip_name(path)) return see_gzip(path, listed);
  std::vector<size_t> wanting = sources_wanting(path);
  if (!wanting.empty()) return open(path, {std::move(wanting), path});
  // A name that matches nothing: perhaps a file of ours was renamed to it, just now or while we were not running.
  if (!listed) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    listed = InodeKey{status.st_dev, status.st_ino};
  }
  if (is_replaced(*listed, path)) replace(*listed);
  if (files_.contains(*listed)) return attach(path, *listed);
  std::vector<size_t> knowing = sources_knowing(*listed);
  if (!knowing.empty()) return open(path, {std::move(knowing), path, true});
  if (renamed_from.empty()) return;
  wanting = sources_wanting(renamed_from);  // rotated before we could open it under its first name
  if (!wanting.empty()) open(path, {std::move(wanting), renamed_from});
}

// A compressed file is read only where it goes on with a file that was read before (find_heirs).
void FileTable::see_gzip(const std::string& path, std::optional<InodeKey> listed) {
  if (!listed) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    listed = InodeKey{status.st_dev, status.st_ino};
  }
  if (files_.contains(*listed)) return attach(path, *listed);
  std::vector<size_t> wanting = sources_wanting(path);
  if (wanting.empty()) return;
  forget_name(path);
  Name& name = names_.add(path);
  name.key = *listed;
  for (size_t source : wanting) {
    Target target = make_target(*sources_[source].options, path);
    target.state = "dropped";
    target.reason = "compressed: read only where it goes on with a file that was read before";
    note_refused(name.path, std::move(target));
  }
}

// Opens first and asks later: the name may be gone in a moment. In the first scan, with perhaps very many files, each
// is examined at once: closed again for want of descriptors, it would have to be opened a second time for that.
void FileTable::open(const std::string& path, Wish wish) {
  const pipeline::SharedText own(path);
  FileHandle::Status status;
  auto handle = FileHandle::open(own, open_files_, &status);
  if (!handle) {
    if (handle.error().code == Errc::kNotFound) return vanished_.add();
    const Name* name = names_.find(path);
    const bool again = name && name->failed;
    failures_.add();
    for (size_t source : wish.sources) refuse(path, source, handle.error().message);
    if (again) return;
    if (auto held = failure_log_.allow()) {
      pipeline::log_warn("file cannot be opened", {{"error", handle.error()}, {"held_back", *held}});
    }
    return;
  }
  const HeldFile* there = files_.find(status.key);
  const bool replaced = there && !there->handle->is_same_file(**handle);
  if (replaced) replace(status.key);
  if (!there || replaced) {
    HeldFile& held = files_.add(*std::move(handle));
    held.path = wish.first_path == path ? own : pipeline::SharedText(wish.first_path);
    add_fresh(held, status, wish);
    if (first_scan_) {
      const std::string head = held.handle->head().value_or("");
      for (size_t i = fresh_.size() - wish.sources.size(); i < fresh_.size(); ++i) examine(fresh_[i], held, head);
    }
    if (no_descriptors()) (void)held.handle->park(status);
    held_gauge_.set(static_cast<int64_t>(files_.size()));
  }
  attach(own, status.key);
}

// The inode of a closed file may be another file's by now.
bool FileTable::is_replaced(InodeKey key, const std::string& path) const {
  const HeldFile* held = files_.find(key);
  return held && !held->handle->is_same_file(path);
}

void FileTable::replace(InodeKey key) {
  HeldFile& held = files_.at(key);
  for (const Offer& offer : held.offers())
    if (FileReceiver* reader = reader_of(offer)) reader->replaced(key, offer.source);
  for (const auto& path : held.names()) forget_name(path);
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.candidate.key() == key; });
  remove_fresh(held);
  files_.remove(key);
}

void FileTable::forget_name(std::string_view path) {
  names_.remove(path);
  if (auto refused = refused_.find(path); refused != refused_.end()) refused_.erase(refused);
}

void FileTable::refuse(const std::string& path, size_t source, std::string reason) {
  Name& name = names_.add(path);
  name.failed = true;
  Target target = describe(source, path, false);
  if (target.state == "active") target.state = "failed", target.reason = std::move(reason);
  note_refused(name.path, std::move(target));
}

void FileTable::note_refused(const pipeline::SharedText& path, Target target) {
  forget_refused(path, target.source);
  refused_[path].push_back(std::move(target));
}

void FileTable::forget_refused(std::string_view path, const std::string& source) {
  auto refused = refused_.find(path);
  if (refused == refused_.end()) return;
  std::erase_if(refused->second, [&](const Target& t) { return t.source == source; });
  if (refused->second.empty()) refused_.erase(refused);
}

void FileTable::attach(const pipeline::SharedText& path, InodeKey key) {
  Name* there = names_.find(path);
  if (there && there->open && there->key == key) return;
  if (there) {
    detach(*there);
    forget_name(path);
  }
  Name& name = names_.add(path);
  name.key = key;
  name.open = true;
  HeldFile& held = files_.at(key);
  held.add_name(path);
  note_changed(held);
}

void FileTable::detach(Name& name) {
  if (!name.open) return;
  name.open = false;
  HeldFile* held = files_.find(name.key);
  if (!held) return;
  held->remove_name(name.path);
  note_changed(*held);
}

void FileTable::note_changed(HeldFile& held) {
  if (!std::exchange(held.changed, true)) changed_.push_back(held.key());
}

void FileTable::lose(const std::string& path) {
  Name* name = names_.find(path);
  if (!name) return;
  detach(*name);
  forget_name(path);
}

bool FileTable::has_names_below(const std::string& folder) const { return names_.has_any_below(with_slash(folder)); }

void FileTable::lose_others(const std::string& folder, const std::set<std::string>& present) {
  const std::string prefix = with_slash(folder);
  std::vector<std::string> missing;
  names_.for_each_below(prefix, [&](const Name& name) {
    const std::string path = name.path.str();
    if (is_directly_in(path, folder) && !present.contains(path.substr(prefix.size()))) missing.push_back(path);
  });
  for (const std::string& path : missing) lose(path);
}

void FileTable::lose_below(const std::string& folder) {
  std::vector<std::string> lost;
  names_.for_each_below(with_slash(folder), [&](const Name& name) { lost.push_back(name.path.str()); });
  for (const std::string& path : lost) lose(path);
}

// --- offers

void FileTable::settle() {
  if (auto deadline = next_deadline(); deadline && *deadline <= now_()) offer_waiting();
  std::vector<InodeKey> changed = std::exchange(changed_, {});
  for (InodeKey key : changed) {  // before a successor is offered: what is left in a closed elder is read first
    HeldFile* held = files_.find(key);
    if (!held) continue;
    held->changed = false;
    tell_path(*held);
  }
  offer_fresh();
  changed.insert(changed.end(), changed_.begin(), changed_.end());
  changed_.clear();
  for (InodeKey key : changed) {
    HeldFile* held = files_.find(key);
    if (!held) continue;
    held->changed = false;
    tell_state(*held);
  }
  tell_kept();
}

void FileTable::change_sources(const std::set<size_t>& changed, const std::set<size_t>& fresh) {
  scanned_first_ = fresh;
  stop_waiting(changed);
  std::vector<InodeKey> unread;
  files_.for_each([&](HeldFile& held) {
    withdraw_unwanted(held, changed);
    if (held.is_unread()) unread.push_back(held.key());
  });
  for (InodeKey key : unread) {
    remove_fresh(files_.at(key));
    files_.remove(key);
  }
  for (auto& [path, refused] : refused_)
    std::erase_if(refused, [&](const Target& target) {
      return std::any_of(changed.begin(), changed.end(),
                         [&](size_t source) { return sources_[source].options->name == target.source; });
    });
  // What is not read is looked at again.
  auto is_unread = [&](const Name& name) { return !name.open || !files_.contains(name.key); };
  std::erase_if(refused_, [&](const auto& entry) {
    const Name* name = names_.find(entry.first);
    return entry.second.empty() || !name || is_unread(*name);
  });
  names_.remove_if(is_unread);
  held_gauge_.set(static_cast<int64_t>(files_.size()));
}

void FileTable::withdraw_unwanted(HeldFile& held, const std::set<size_t>& changed) {
  held.remove_offers([&](Offer& offer) {
    if (!changed.contains(offer.source) || still_wanted(held, offer)) return false;
    if (FileReceiver* reader = reader_of(offer)) reader->withdraw(held.key(), offer.source);
    return true;
  });
  if (held.is_unread()) return;
  std::vector<size_t> wanting;
  for (const auto& name : held.names())
    for (size_t source : sources_wanting(name)) wanting.push_back(source);
  want(held, std::move(wanting));
}

// Those of `sources` that have it neither offered nor waiting are to get it with the next offers.
bool FileTable::want(HeldFile& held, std::vector<size_t> sources) {
  auto has = [&](size_t source) {
    const auto offers = held.offers();
    return std::any_of(offers.begin(), offers.end(), [&](const Offer& o) { return o.source == source; }) ||
           (held.waiting > 0 && std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& w) {
              return w.candidate.key() == held.key() && w.candidate.source == source;
            }));
  };
  std::erase_if(sources, has);
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  remove_fresh(held);
  if (sources.empty()) return false;
  add_fresh(held, held.handle->status().value_or(FileHandle::Status()), {std::move(sources), {}});
  return true;
}

// By its name, or by the one under which it was first seen; then its reader gets its labels.
bool FileTable::still_wanted(const HeldFile& held, Offer& offer) {
  const PathRules& rules = sources_[offer.source].rules;
  const auto names = held.names();
  if (!rules.matches(held.path) &&
      std::none_of(names.begin(), names.end(), [&](const auto& name) { return rules.matches(name); }))
    return false;
  Target target = describe(offer.source, offer.path.str(), true);
  if (target.state != "active") return false;
  const uint64_t labels_hash = pipeline::hash64(target.labels.text());
  if (FileReceiver* reader = reader_of(offer); std::exchange(offer.labels_hash, labels_hash) != labels_hash && reader)
    reader->relabel(held.key(), offer.source, target.labels);
  offer.target = sources_[offer.source].metadata ? std::make_unique<Target>(std::move(target)) : nullptr;
  return true;
}

void FileTable::first_scan_done() {
  first_scan_ = false;
  std::set<std::string> complete;
  for (size_t source : searched_) complete.insert(sources_[source].options->name);
  end_first_scan(complete);
}

void FileTable::end_first_scan(const std::set<std::string>& sources) {
  ledger_.first_scan_done(sources);
  hand_out_found();
  keep_found(sources);
}

void FileTable::changed_sources_scanned() {
  std::set<std::string> sources;
  for (size_t source : scanned_first_)
    if (searched_.contains(source)) sources.insert(sources_[source].options->name);
  scanned_first_.clear();
  keep_found(sources);
}

// Some of what the first scan of `sources` found may wait for metadata.
void FileTable::keep_found(const std::set<std::string>& sources) {
  for (const std::string& source : sources) unkept_[source] = {};
  for (const Waiting& waiting : waiting_) {
    const std::string& source = sources_[waiting.candidate.source].options->name;
    if (sources.contains(source) && waiting.deadline < kForEver)
      unkept_[source] = std::max(unkept_[source], waiting.deadline);
  }
  tell_kept();
}

// With files of former runs whose folders are not there: their readers wait for them.
void FileTable::hand_out_found() {
  for (size_t source = 0; source < sources_.size(); ++source) {
    if (searched_.contains(source) || sources_[source].removed) continue;
    for (const KnownFile& known : ledger_.missing(*sources_[source].options)) (*found_)[known.id] = {nullptr, source};
  }
  for (FileReceiver* reader : readers_) reader->scan_done(found_);
  found_.reset();
}

bool FileTable::is_there_before(size_t source) const { return first_scan_ || scanned_first_.contains(source); }

bool FileTable::is_listed(const SourceRules& source) const {
  const auto& folders = source.rules.folders();
  return !source.removed && std::all_of(folders.begin(), folders.end(), [](const std::string& folder) {
    return ::access(folder.c_str(), R_OK | X_OK) == 0;
  });
}

FileTable::State FileTable::state_of(const HeldFile& held, size_t source) const {
  if (held.names().empty()) return State::kGone;
  const bool rotated = !held.has_name(held.path) || sources_[source].rules.is_rotated_name(held.path);
  return rotated ? State::kRotated : State::kLive;
}

void FileTable::tell_path(HeldFile& held) {
  const auto names = held.names();
  held.handle->set_path(names.empty() ? pipeline::SharedText() : held.has_name(held.path) ? held.path : names.front());
}

void FileTable::tell_state(HeldFile& held) {
  for (Offer& offer : held.offers()) {
    State state = state_of(held, offer.source);
    FileReceiver* reader = reader_of(offer);
    if (state == std::exchange(offer.state, state) || reader == nullptr) continue;
    if (state == State::kGone) reader->gone(held.key());
    if (state == State::kRotated) reader->rotated(held.key());
  }
}

void FileTable::finished(InodeKey key, size_t source) {
  HeldFile* held = files_.find(key);
  if (!held) return;
  held->remove_offers([&](const Offer& offer) { return offer.source == source; });
  if (!held->is_unread()) return;
  for (const auto& path : held->names()) forget_name(path);  // seen again meanwhile: opened anew by the next scan
  remove_fresh(*held);
  std::shared_ptr<FileHandle> handle = held->handle;
  files_.remove(key);
  held_gauge_.set(static_cast<int64_t>(files_.size()));
  if (closer_) closer_(std::move(handle));
}

Target FileTable::target_of(const Offer& offer) const {
  return offer.target ? *offer.target : describe(offer.source, offer.path.str(), true);
}

std::vector<Target> FileTable::targets() const {
  std::vector<Target> all;
  files_.for_each([&](const HeldFile& held) {
    for (const Offer& offer : held.offers()) {
      Target target = target_of(offer);
      if (offer.state != State::kLive) target.state = "rotated";
      all.push_back(std::move(target));
    }
  });
  for (const Waiting& waiting : waiting_) {
    Target target = describe(waiting.candidate.source, files_.find(waiting.candidate.key())->path.str(), false);
    target.state = "waiting";
    target.reason = "for what the API says about its pod";
    all.push_back(std::move(target));
  }
  for (const auto& [path, refused] : refused_) all.insert(all.end(), refused.begin(), refused.end());
  std::sort(all.begin(), all.end(),
            [](const Target& a, const Target& b) { return std::tie(a.source, a.path) < std::tie(b.source, b.path); });
  return all;
}

}  // namespace agent
