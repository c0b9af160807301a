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
constexpr uint64_t kLineSearchBytes = 1024 * 1024;  // how far back the start of the last line is looked for

bool is_directly_in(std::string_view path, std::string_view folder) {
  return path.rfind('/') == (folder == "/" ? 0 : folder.size());
}

std::shared_ptr<const KnownFile> shared(std::optional<KnownFile> known) {
  return known ? std::make_shared<const KnownFile>(*std::move(known)) : nullptr;
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
      failures_(metrics.counter("skidway_agent_discovery_open_failures_total", "Files that could not be opened.")) {}

// --- names

std::vector<size_t> FileTable::sources_wanting(const std::string& path) const {
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
  auto name = names_.find(path);
  if (name != names_.end() && listed && name->second.key == *listed && !name->second.failed &&
      !is_replaced(*listed, path))
    return;
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
  Name name{.key = *listed};
  for (size_t source : wanting) {
    Target target = make_target(*sources_[source].options, path);
    target.state = "dropped";
    target.reason = "compressed: read only where it goes on with a file that was read before";
    name.refuse(std::move(target));
  }
  names_[path] = std::move(name);
}

// Opens first and asks later: the name may be gone in a moment.
void FileTable::open(const std::string& path, Wish wish) {
  const pipeline::SharedText own(path);
  auto handle = FileHandle::open(own, open_files_);
  if (!handle) {
    if (handle.error().code == Errc::kNotFound) return vanished_.add();
    auto name = names_.find(path);
    bool again = name != names_.end() && name->second.failed;
    failures_.add();
    for (size_t source : wish.sources) refuse(path, source, handle.error().message);
    if (again) return;
    if (auto held = failure_log_.allow()) {
      pipeline::log_warn("file cannot be opened", {{"error", handle.error()}, {"held_back", *held}});
    }
    return;
  }
  auto status = (*handle)->status();
  if (!status) return failures_.add();
  auto there = files_.find(status->key);
  if (there != files_.end() && !there->second.handle->is_same_file(**handle)) replace(status->key);
  auto [it, fresh] = files_.try_emplace(status->key);
  if (fresh) {
    Held& held = it->second;
    held.handle = *std::move(handle);
    if (no_descriptors()) (void)held.handle->park();
    held.path = wish.first_path == path ? own : pipeline::SharedText(std::move(wish.first_path));
    note_fresh(held, *status);
    held.fresh->wanted_by = std::move(wish.sources);
    held.fresh->only_if_known = wish.only_if_known;
    fresh_.push_back(status->key);
    held_gauge_.set(static_cast<int64_t>(files_.size()));
  }
  attach(own, status->key);
}

// The inode of a closed file may be another file's by now.
bool FileTable::is_replaced(InodeKey key, const std::string& path) const {
  auto held = files_.find(key);
  return held != files_.end() && !held->second.handle->is_same_file(path);
}

void FileTable::replace(InodeKey key) {
  auto held = files_.find(key);
  for (const Offer& offer : held->second.offers)
    if (FileReceiver* reader = reader_of(offer)) reader->replaced(key, offer.source);
  for (const auto& path : held->second.names) names_.erase(path);
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.candidate.key == key; });
  std::erase(fresh_, key);
  changed_.erase(key);
  files_.erase(held);
}

void FileTable::refuse(const std::string& path, size_t source, std::string reason) {
  Name& name = names_[path];
  name.failed = true;
  Target target = describe(source, path, false);
  if (target.state == "active") target.state = "failed", target.reason = std::move(reason);
  note_refused(path, std::move(target));
}

void FileTable::note_refused(const std::string& path, Target target) { names_[path].refuse(std::move(target)); }

void FileTable::Name::refuse(Target target) {
  forget_refused(target.source);
  if (!refused) refused = std::make_unique<std::vector<Target>>();
  refused->push_back(std::move(target));
}

void FileTable::Name::forget_refused(const std::string& source) {
  if (!refused) return;
  std::erase_if(*refused, [&](const Target& t) { return t.source == source; });
  if (refused->empty()) refused.reset();
}

void FileTable::attach(const pipeline::SharedText& path, InodeKey key) {
  auto [it, fresh] = names_.try_emplace(path);
  Name& name = it->second;
  if (!fresh && name.open && name.key == key) return;
  if (!fresh) detach(path, name);
  name = Name{.key = key, .open = true};
  files_.at(key).names.insert(path);
  changed_.insert(key);
}

void FileTable::detach(const std::string& path, Name& name) {
  if (!name.open) return;
  name.open = false;
  auto held = files_.find(name.key);
  if (held == files_.end()) return;
  held->second.names.erase(path);
  changed_.insert(name.key);
}

void FileTable::lose(const std::string& path) {
  auto name = names_.find(path);
  if (name == names_.end()) return;
  detach(path, name->second);
  names_.erase(name);
}

void FileTable::lose_others(const std::string& folder, const std::set<std::string>& present) {
  std::string prefix = with_slash(folder);
  std::vector<std::string> missing;
  for (auto it = names_.lower_bound(prefix); it != names_.end() && it->first.str().starts_with(prefix); ++it) {
    if (is_directly_in(it->first.str(), folder) && !present.contains(it->first.str().substr(prefix.size()))) {
      missing.push_back(it->first);
    }
  }
  for (const std::string& path : missing) lose(path);
}

void FileTable::lose_below(const std::string& folder) {
  std::string prefix = with_slash(folder);
  std::vector<std::string> lost;
  for (auto it = names_.lower_bound(prefix); it != names_.end() && it->first.str().starts_with(prefix); ++it) {
    lost.push_back(it->first);
  }
  for (const std::string& path : lost) lose(path);
}

// --- offers

void FileTable::settle() {
  if (auto deadline = next_deadline(); deadline && *deadline <= now_()) offer_waiting();
  // Before a successor is offered: what is left in a closed elder is read first.
  for (InodeKey key : changed_) tell_path(key);
  offer_fresh();
  for (InodeKey key : changed_) tell_state(key);
  changed_.clear();
}

void FileTable::change_sources(const std::set<size_t>& changed, const std::set<size_t>& fresh) {
  scanned_first_ = fresh;
  stop_waiting(changed);
  for (auto it = files_.begin(); it != files_.end();) {
    auto& [key, held] = *it;
    withdraw_unwanted(key, held, changed);
    it = held.offers.empty() && held.waiting == 0 ? files_.erase(it) : std::next(it);
  }
  for (auto& [path, name] : names_)
    for (size_t source : changed) name.forget_refused(sources_[source].options->name);
  std::erase_if(names_, [&](const auto& entry) {  // what is not read is looked at again
    return !entry.second.open || !files_.contains(entry.second.key);
  });
  held_gauge_.set(static_cast<int64_t>(files_.size()));
}

void FileTable::withdraw_unwanted(InodeKey key, Held& held, const std::set<size_t>& changed) {
  std::erase_if(held.offers, [&](Offer& offer) {
    if (!changed.contains(offer.source) || still_wanted(key, held, offer)) return false;
    if (FileReceiver* reader = reader_of(offer)) reader->withdraw(key, offer.source);
    return true;
  });
  if (held.offers.empty() && held.waiting == 0) return;
  std::vector<size_t> wanting;
  for (const std::string& name : held.names)
    for (size_t source : sources_wanting(name)) wanting.push_back(source);
  want(key, held, std::move(wanting));
}

// Those of `sources` that have it neither offered nor waiting are to get it with the next offers.
bool FileTable::want(InodeKey key, Held& held, std::vector<size_t> sources) {
  auto has = [&](size_t source) {
    return std::any_of(held.offers.begin(), held.offers.end(), [&](auto& o) { return o.source == source; }) ||
           (held.waiting > 0 && std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& w) {
              return w.candidate.key == key && w.candidate.source == source;
            }));
  };
  std::erase_if(sources, has);
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  if (held.fresh) held.fresh->wanted_by.clear();
  if (sources.empty()) return false;
  if (!held.fresh) note_fresh(held, held.handle->status().value_or(FileHandle::Status()));
  held.fresh->wanted_by = std::move(sources);
  held.fresh->only_if_known = false;
  fresh_.push_back(key);
  return true;
}

// By its name, or by the one under which it was first seen; then its reader gets its labels.
bool FileTable::still_wanted(InodeKey key, const Held& held, Offer& offer) {
  const PathRules& rules = sources_[offer.source].rules;
  bool matches =
      rules.matches(held.path.str()) ||
      std::any_of(held.names.begin(), held.names.end(), [&](const std::string& name) { return rules.matches(name); });
  if (!matches) return false;
  Target target = describe(offer.source, offer.path, true);
  if (target.state != "active") return false;
  const uint64_t labels_hash = pipeline::hash64(target.labels.text());
  if (FileReceiver* reader = reader_of(offer); std::exchange(offer.labels_hash, labels_hash) != labels_hash && reader)
    reader->relabel(key, offer.source, target.labels);
  offer.target = sources_[offer.source].metadata ? std::make_unique<Target>(std::move(target)) : nullptr;
  return true;
}

void FileTable::first_scan_done() {
  first_scan_ = false;
  std::set<std::string> complete;
  for (size_t source : searched_) complete.insert(sources_[source].options->name);
  ledger_.first_scan_done(complete);
  hand_out_found();
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

bool FileTable::is_listed(const SourceRules& source) const {
  const auto& folders = source.rules.folders();
  return !source.removed && std::all_of(folders.begin(), folders.end(), [](const std::string& folder) {
    return ::access(folder.c_str(), R_OK | X_OK) == 0;
  });
}

// A closed file is closed again after that.
std::string FileTable::head_of(const Held& held) {
  const bool open = held.handle->is_open();
  std::string head = held.handle->head().value_or("");
  if (!open) (void)held.handle->park();
  return head;
}

std::vector<FileTable::Candidate> FileTable::fresh_candidates() {
  std::vector<Candidate> candidates;
  for (InodeKey key : fresh_) {
    const Held& held = files_.at(key);
    if (!held.fresh) continue;
    const std::string head = head_of(held);
    for (size_t source : held.fresh->wanted_by) {
      auto known = ledger_.find(*sources_[source].options, key, held.path, head, held.fresh->size_bytes);
      if (!known && held.fresh->only_if_known) continue;
      pipeline::SharedText path = known ? known->path : held.path;
      const bool rotated =
          sources_[source].rules.is_rotated_name(path.str());  // of equal times the live one is younger
      const bool has_place = known && !known->is_anew;
      auto order =
          std::tuple(has_place ? 0 : 2, has_place ? known->birth_order : 0, held.fresh->modified_nanos, !rotated, path);
      const bool there_before = first_scan_ || scanned_first_.contains(source);
      candidates.push_back({key, source, shared(std::move(known)), FileIdentity::of(key, head), held.handle, path,
                            std::move(order), there_before});
    }
  }
  return candidates;
}

void FileTable::offer_fresh() {
  sort_out_copies();
  std::vector<Candidate> candidates = fresh_candidates();
  std::set<std::string> late;  // sources whose folders have come only now
  for (size_t source = 0; source < sources_.size(); ++source) {
    const bool again = scanned_first_.contains(source);
    if ((searched_.contains(source) && !again) || !is_listed(sources_[source])) continue;
    searched_.insert(source);
    find_heirs(source, candidates);
    if (!first_scan_ && !again) late.insert(sources_[source].options->name);
  }
  if (!late.empty()) found_ = std::make_shared<FoundFiles>();
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.order < b.order; });
  for (const Candidate& candidate : candidates)
    if (!postpone(candidate)) offer(candidate);
  for (InodeKey key : std::exchange(fresh_, {})) drop_unwanted(key);
  held_gauge_.set(static_cast<int64_t>(files_.size()));
  if (late.empty()) return;
  ledger_.first_scan_done(late);
  hand_out_found();
}

// What became of files of former runs that are not at their inodes.
void FileTable::find_heirs(size_t source, std::vector<Candidate>& candidates) {
  const auto& options = sources_[source].options;
  const PathRules& rules = sources_[source].rules;
  std::vector<MetFile> met;
  std::set<InodeKey> met_keys, offered;
  for (Candidate& candidate : candidates) {
    if (candidate.source != source) continue;
    offered.insert(candidate.key);
    if (!candidate.known) continue;
    const std::string& path = candidate.known->path;
    const bool live = files_.at(candidate.key).names.contains(path) && !rules.is_rotated_name(path);
    met.push_back({*candidate.known, candidate.key, live});
    met_keys.insert(candidate.key);
  }
  for (const auto& [key, held] : files_)
    for (const Offer& offer : held.offers)
      if (offer.source == source) met_keys.insert(key);
  std::vector<KnownFile> missing = ledger_.missing(*options);
  if (missing.empty() && met.empty()) return;
  if (options->start_at == StartAt::kEnd) note_followers(source, missing, met, candidates);
  Succession succession(
      *options, rules, [&](InodeKey key) { return met_keys.contains(key); },
      [&](InodeKey key) { return offered.contains(key); });
  uint64_t order = 0;
  for (Heir& heir : succession.find(missing, met)) add_heir(source, std::move(heir), ++order, candidates);
}

// A file under the name of one that was read before is read from its beginning, whatever start_at says.
void FileTable::note_followers(size_t source, const std::vector<KnownFile>& missing, const std::vector<MetFile>& met,
                               std::vector<Candidate>& candidates) const {
  const PathRules& rules = sources_[source].rules;
  std::set<std::string> lineages;
  for (const KnownFile& known : missing) lineages.insert(rules.lineage(known.path.str()));
  for (const MetFile& file : met) lineages.insert(rules.lineage(file.known.path.str()));
  for (Candidate& candidate : candidates)
    if (candidate.source == source && lineages.contains(rules.lineage(candidate.path.str())))
      candidate.there_before = false;
}

void FileTable::add_heir(size_t source, Heir heir, uint64_t order, std::vector<Candidate>& candidates) {
  auto status = heir.handle->status();
  auto head = heir.handle->head();
  heir.handle->rest();
  if (!status || !head) {
    pipeline::log_warn("rotated file cannot be read", {{"path", heir.path}});
    return;
  }
  if (heir.known) ledger_.claim(heir.known->id);
  pipeline::log_info(heir.known ? "rotated file found, reading on in it" : "rotated file found that was never read",
                     {{"path", heir.path}, {"was", heir.live_path}});
  std::erase_if(candidates, [&](const Candidate& c) { return c.source == source && c.key == status->key; });
  auto [it, fresh] = files_.try_emplace(status->key);
  if (fresh) {
    Held& held = it->second;
    held.handle = heir.handle;
    held.path = heir.live_path;
    note_fresh(held, *status);
    fresh_.push_back(status->key);
    attach(heir.path, status->key);
  }
  auto place = heir.known ? std::tuple(0, heir.known->birth_order, status->modified_nanos, false,
                                       pipeline::SharedText(heir.path))
                          : std::tuple(1, order, status->modified_nanos, false, pipeline::SharedText(heir.path));
  candidates.push_back({status->key, source, shared(std::move(heir.known)), FileIdentity::of(status->key, *head),
                        std::move(heir.handle), std::move(heir.live_path), std::move(place), false});
}

void FileTable::note_fresh(Held& held, const FileHandle::Status& status) {
  if (!held.fresh) held.fresh = std::make_unique<Fresh>();
  held.fresh->modified_nanos = status.modified_nanos;
  held.fresh->size_bytes = status.size_bytes;
}

void FileTable::let_go_of_fresh(Held& held) {
  if (held.fresh && held.waiting == 0) held.fresh.reset();
}

// Nobody wants it after all: its name stays known, so that it is not opened again.
void FileTable::drop_unwanted(InodeKey key) {
  auto held = files_.find(key);
  if (held == files_.end()) return;
  if (!held->second.offers.empty() || held->second.waiting > 0) return let_go_of_fresh(held->second);
  for (const auto& path : held->second.names) names_[path].open = false;
  files_.erase(held);
}

void FileTable::offer(const Candidate& candidate) {
  Held& held = files_.at(candidate.key);
  const auto& options = sources_[candidate.source].options;
  const SourceRules& rules_of = sources_[candidate.source];
  const PathRules& rules = rules_of.rules;
  const std::string& path = candidate.path;
  Target target = describe(candidate.source, path, candidate.known != nullptr);
  if (target.state == "active" && !candidate.known && read_by_other_pipeline(held, candidate.source)) {
    target.state = "dropped";
    target.reason = "another source began to read it before its pod's annotations were known";
  }
  if (target.state != "active") {
    if (candidate.known) ledger_.release(candidate.known->id, candidate.known->position, candidate.known->cut_line_at);
    if (!held.names.empty()) note_refused(*held.names.begin(), std::move(target));
    return;
  }
  for (const auto& name : held.names) names_[name].forget_refused(target.source);
  OfferedFile file;
  file.handle = candidate.handle;
  file.identity = candidate.identity;
  file.path = held.path = candidate.path;
  file.lineage = concat(options->name, ":", rules.lineage(path));
  file.source = candidate.source;
  file.labels = target.labels;
  file.plain_labels = rules_of.metadata == nullptr;
  if (candidate.known) {
    file.id = candidate.known->id;
    file.position = candidate.known->position;
    file.last_read_time = candidate.known->last_read_time;
    file.birth_order = candidate.known->is_anew ? ++last_birth_order_ : candidate.known->birth_order;
    if (candidate.known->is_anew) ledger_.set_birth_order(file.id, file.birth_order);
    file.cut_line_at = candidate.known->cut_line_at;
    // A compressed one is found by its content again: the record keeps the inode of the file as it was.
    if (file.identity != candidate.known->identity && !file.handle->is_gzip()) ledger_.update(file.id, file.identity);
  } else {
    file.fresh = true;
    file.birth_order = ++last_birth_order_;
    file.position = candidate.there_before ? start_position(*options, held) : 0;
    file.id = ledger_.adopt(*options, file.identity, candidate.path, file.birth_order);
  }
  const auto reader = static_cast<uint16_t>(readers_.empty() ? 0 : file.lineage.value % readers_.size());
  State state = state_of(held, candidate.source);
  file.rotated = state != State::kLive;
  const uint64_t labels_hash = pipeline::hash64(target.labels.text());
  std::unique_ptr<Target> kept = file.plain_labels ? nullptr : std::make_unique<Target>(std::move(target));
  held.offers.reserve(held.offers.size() + 1);
  held.offers.push_back({.path = candidate.path,
                         .target = std::move(kept),
                         .labels_hash = labels_hash,
                         .id = file.id,
                         .source = static_cast<uint32_t>(candidate.source),
                         .reader = reader,
                         .state = state});
  if (found_) (*found_)[file.id] = {file.handle, candidate.source};
  if (FileReceiver* receiver = reader_of(held.offers.back())) receiver->offer(std::move(file));
}

// After the last newline of a file that is there at the first scan and to be read from its end; otherwise 0.
uint64_t FileTable::start_position(const SourceOptions& options, const Held& held) {
  if (options.start_at != StartAt::kEnd) return 0;
  const bool open = held.handle->is_open();  // a closed one is closed again after that
  const uint64_t size_bytes = held.fresh->size_bytes;
  uint64_t from = size_bytes - std::min(size_bytes, kLineSearchBytes);
  std::string end(size_bytes - from, '\0');
  auto size = held.handle->read_at(from, end.data(), end.size());
  if (!open) (void)held.handle->park();
  if (!size) return size_bytes;
  size_t newline = std::string_view(end.data(), *size).rfind('\n');
  if (newline != std::string_view::npos) return from + newline + 1;
  return from == 0 ? 0 : size_bytes;
}

FileTable::State FileTable::state_of(const Held& held, size_t source) const {
  if (held.names.empty()) return State::kGone;
  bool rotated = !held.names.contains(held.path) || sources_[source].rules.is_rotated_name(held.path.str());
  return rotated ? State::kRotated : State::kLive;
}

void FileTable::tell_path(InodeKey key) {
  auto held = files_.find(key);
  if (held == files_.end()) return;
  const auto& [path, names] = std::tie(held->second.path, held->second.names);
  held->second.handle->set_path(names.empty() ? pipeline::SharedText() : names.contains(path) ? path : *names.begin());
}

void FileTable::tell_state(InodeKey key) {
  auto held = files_.find(key);
  if (held == files_.end()) return;
  for (Offer& offer : held->second.offers) {
    State state = state_of(held->second, offer.source);
    FileReceiver* reader = reader_of(offer);
    if (state == std::exchange(offer.state, state) || reader == nullptr) continue;
    if (state == State::kGone) reader->gone(key);
    if (state == State::kRotated) reader->rotated(key);
  }
}

void FileTable::finished(InodeKey key, size_t source) {
  auto found = files_.find(key);
  if (found == files_.end()) return;
  Held& held = found->second;
  std::erase_if(held.offers, [&](const Offer& offer) { return offer.source == source; });
  if (!held.offers.empty() || held.waiting > 0) return;
  for (const auto& path : held.names) names_.erase(path);  // seen again meanwhile: opened anew by the next scan
  files_.erase(found);
  changed_.erase(key);
  held_gauge_.set(static_cast<int64_t>(files_.size()));
}

Target FileTable::target_of(const Offer& offer) const {
  return offer.target ? *offer.target : describe(offer.source, offer.path, true);
}

std::vector<Target> FileTable::targets() const {
  std::vector<Target> all;
  for (const auto& [key, held] : files_) {
    for (const Offer& offer : held.offers) {
      Target target = target_of(offer);
      if (offer.state != State::kLive) target.state = "rotated";
      all.push_back(std::move(target));
    }
  }
  for (const Waiting& waiting : waiting_) {
    Target target = describe(waiting.candidate.source, files_.at(waiting.candidate.key).path, false);
    target.state = "waiting";
    target.reason = "for what the API says about its pod";
    all.push_back(std::move(target));
  }
  for (const auto& [path, name] : names_)
    if (name.refused) all.insert(all.end(), name.refused->begin(), name.refused->end());
  std::sort(all.begin(), all.end(),
            [](const Target& a, const Target& b) { return std::tie(a.source, a.path) < std::tie(b.source, b.path); });
  return all;
}

}  // namespace agent
