// FileTable, the part about open files that are offered to readers: in which order, and what follows what.
#include <algorithm>

#include "agent/discovery/file_table.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/hash.h"

namespace agent {

using pipeline::concat;

namespace {
constexpr uint64_t kLineSearchBytes = 1024 * 1024;  // how far back the start of the last line is looked for
constexpr uint64_t kFirstSearchBytes = 4096;        // most lines are shorter

std::shared_ptr<const KnownFile> shared(std::optional<KnownFile> known) {
  return known ? std::make_shared<const KnownFile>(*std::move(known)) : nullptr;
}
}  // namespace

// A closed file is closed again after that.
std::string FileTable::head_of(const HeldFile& held) {
  const bool open = held.handle->is_open();
  std::string head = held.handle->head().value_or("");
  if (!open) (void)held.handle->park();
  return head;
}

void FileTable::add_fresh(HeldFile& held, const FileHandle::Status& status, const Wish& wish) {
  held.fresh = true;
  for (size_t source : wish.sources)
    fresh_.push_back({.key = held.key(),
                      .source = static_cast<uint32_t>(source),
                      .only_if_known = wish.only_if_known,
                      .modified_nanos = status.modified_nanos,
                      .size_bytes = status.size_bytes});
}

void FileTable::remove_fresh(HeldFile& held) {
  if (!std::exchange(held.fresh, false)) return;
  for (FreshFiles* all : {&fresh_, &suspects_})
    std::erase_if(*all, [&](const Fresh& fresh) {
      if (fresh.key != held.key()) return false;
      if (fresh.known) ledger_.give_back(fresh.known->id);
      return true;
    });
}

// It was seen only empty, and what is at its inode now was made since: another file, whatever its name.
bool FileTable::is_reborn(const KnownFile& known, const FileHandle& handle) {
  return known.identity.fingerprint_bytes == 0 && known.known_until > 0 && handle.birth_nanos() >= known.known_until;
}

// Who it is, whether it was there in a former run, and where it ends: all that is read of it until it is offered.
void FileTable::examine(Fresh& fresh, const HeldFile& held, std::string_view head) {
  const SourceOptions& options = *sources_[fresh.source].options;
  fresh.examined = true;
  fresh.identity = FileIdentity::of(fresh.key, head);
  auto known = ledger_.find(options, fresh.key, held.path, head, fresh.size_bytes);
  if (known && is_reborn(*known, *held.handle)) known->is_anew = true;
  fresh.known = shared(std::move(known));
  if (!fresh.known && !fresh.only_if_known && options.start_at == StartAt::kEnd && is_there_before(fresh.source))
    fresh.end = end_of_lines(*held.handle, head, fresh.size_bytes);
}

FileTable::Candidates FileTable::fresh_candidates() {
  Candidates candidates;
  for (; !fresh_.empty(); fresh_.pop_front()) {
    Fresh& fresh = fresh_.front();
    if (fresh.is_copy) continue;
    const HeldFile& held = files_.at(fresh.key);
    if (!fresh.examined) {
      const bool open = held.handle->is_open();
      examine(fresh, held, held.handle->head().value_or(""));
      if (!open) (void)held.handle->park();
    }
    if (!fresh.known && fresh.only_if_known) continue;
    Candidate candidate;
    candidate.known = std::move(fresh.known);
    const KnownFile* known = candidate.known.get();
    candidate.identity = fresh.identity;
    candidate.handle = held.handle;
    candidate.path = known ? known->path : held.path;
    candidate.size_bytes = fresh.size_bytes;
    candidate.end = fresh.end;
    candidate.modified_nanos = fresh.modified_nanos;
    candidate.source = fresh.source;
    candidate.live = !sources_[fresh.source].rules.is_rotated_name(candidate.path) &&
                     (!known || !known->is_anew || held.has_name(known->path));
    candidate.there_before = is_there_before(fresh.source);
    if (known && !known->is_anew) {
      candidate.rank = Candidate::Rank::kKnown;
      candidate.place = known->birth_order;
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

void FileTable::offer_fresh() {
  sort_out_copies();
  std::vector<InodeKey> settled;  // and what finding heirs adds to fresh_
  settled.reserve(fresh_.size());
  for (const Fresh& fresh : fresh_)
    if (settled.empty() || settled.back() != fresh.key) settled.push_back(fresh.key);
  Candidates candidates = fresh_candidates();
  std::set<std::string> late;  // sources whose folders have come only now
  for (size_t source = 0; source < sources_.size(); ++source) {
    const bool again = scanned_first_.contains(source);
    if ((searched_.contains(source) && !again) || !is_listed(sources_[source])) continue;
    searched_.insert(source);
    find_heirs(source, candidates);
    if (!first_scan_ && !again) late.insert(sources_[source].options->name);
  }
  if (!late.empty()) found_ = std::make_shared<FoundFiles>();
  std::sort(candidates.rbegin(), candidates.rend());
  while (!candidates.empty()) {  // there may be many, and what readers make of them takes the room
    const Candidate candidate = std::move(candidates.back());
    candidates.pop_back();
    if (!postpone(candidate)) offer(candidate);
  }
  for (const Fresh& fresh : std::exchange(fresh_, {})) settled.push_back(fresh.key);
  for (InodeKey key : settled) {
    if (HeldFile* held = files_.find(key)) held->fresh = false;
    drop_unwanted(key);
  }
  held_gauge_.set(static_cast<int64_t>(files_.size()));
  if (late.empty()) return;
  end_first_scan(late);
}

// What became of files of former runs that are not at their inodes.
void FileTable::find_heirs(size_t source, Candidates& candidates) {
  const auto& options = sources_[source].options;
  const PathRules& rules = sources_[source].rules;
  std::vector<KnownFile> missing = ledger_.missing(*options);
  auto is_met = [&](const Candidate& c) { return c.source == source && c.known; };
  auto met_file = [&](const Candidate& c) {
    const pipeline::SharedText& path = c.known->path;
    const bool live = files_.at(c.key()).has_name(path) && !rules.is_rotated_name(path);
    return MetFile{c.known, c.key(), live, is_reborn(*c.known, *c.handle)};
  };
  auto is_moved = [&](const Candidate& c) {
    if (!is_met(c)) return false;
    const MetFile file = met_file(c);
    return !file.live || file.reborn;
  };
  const bool all_in_place = missing.empty() && std::none_of(candidates.begin(), candidates.end(), is_moved);
  const bool may_follow = options->start_at == StartAt::kEnd &&
                          std::any_of(candidates.begin(), candidates.end(),
                                      [&](const Candidate& c) { return c.source == source && !c.known; });
  if (all_in_place && !may_follow) return;  // as nearly always; there may be very many
  std::vector<MetFile> met;
  for (const Candidate& candidate : candidates)
    if (is_met(candidate)) met.push_back(met_file(candidate));
  if (missing.empty() && met.empty()) return;
  if (may_follow) note_followers(source, missing, met, candidates);
  if (all_in_place) return;
  std::vector<InodeKey> met_keys, offered;
  for (const MetFile& file : met) met_keys.push_back(file.key);
  for (const Candidate& candidate : candidates)
    if (candidate.source == source) offered.push_back(candidate.key());
  files_.for_each([&](const HeldFile& held) {
    for (const Offer& offer : held.offers())
      if (offer.source == source) met_keys.push_back(held.key());
  });
  std::sort(met_keys.begin(), met_keys.end());
  std::sort(offered.begin(), offered.end());
  Succession succession(
      *options, rules, [&](InodeKey key) { return std::binary_search(met_keys.begin(), met_keys.end(), key); },
      [&](InodeKey key) { return std::binary_search(offered.begin(), offered.end(), key); },
      [&](const std::string& path) {
        const Name* name = names_.find(path);
        return name != nullptr && name->open;
      });
  uint64_t order = 0;
  for (Heir& heir : succession.find(missing, met)) add_heir(source, std::move(heir), ++order, candidates);
}

// A file under the name of one that was read before is read from its beginning, whatever start_at says.
void FileTable::note_followers(size_t source, const std::vector<KnownFile>& missing, const std::vector<MetFile>& met,
                               Candidates& candidates) const {
  auto may_follow = [&](const Candidate& c) { return c.source == source && !c.known && c.there_before; };
  if (std::none_of(candidates.begin(), candidates.end(), may_follow)) return;
  const PathRules& rules = sources_[source].rules;
  std::set<std::string> lineages;
  for (const KnownFile& known : missing) lineages.insert(rules.lineage(known.path));
  for (const MetFile& file : met) lineages.insert(rules.lineage(file.known->path));
  for (Candidate& candidate : candidates)
    if (may_follow(candidate) && lineages.contains(rules.lineage(candidate.path))) candidate.there_before = false;
}

void FileTable::add_heir(size_t source, Heir heir, uint64_t order, Candidates& candidates) {
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
  std::erase_if(candidates, [&](const Candidate& c) { return c.source == source && c.key() == status->key; });
  if (!files_.contains(status->key)) {
    HeldFile& held = files_.add(heir.handle);
    held.path = heir.live_path;
    add_fresh(held, *status, {{source}, {}});
    attach(heir.path, status->key);
  }
  Candidate candidate;
  candidate.identity = FileIdentity::of(status->key, *head);
  candidate.handle = std::move(heir.handle);
  candidate.path = heir.live_path;
  candidate.size_bytes = status->size_bytes;
  candidate.modified_nanos = status->modified_nanos;
  candidate.source = static_cast<uint32_t>(source);
  candidate.rank = heir.known ? Candidate::Rank::kKnown : Candidate::Rank::kHeir;
  candidate.place = heir.known ? heir.known->birth_order : order;
  candidate.known = shared(std::move(heir.known));
  candidates.push_back(std::move(candidate));
}

// Nobody wants it after all: its name stays known, so that it is not opened again.
void FileTable::drop_unwanted(InodeKey key) {
  HeldFile* held = files_.find(key);
  if (!held || held->fresh || !held->is_unread()) return;
  for (const auto& path : held->names())
    if (Name* name = names_.find(path)) name->open = false;
  files_.remove(key);
}

void FileTable::offer(const Candidate& candidate) {
  HeldFile& held = files_.at(candidate.key());
  const auto& options = sources_[candidate.source].options;
  const SourceRules& rules_of = sources_[candidate.source];
  const PathRules& rules = rules_of.rules;
  const std::string path = candidate.path.str();
  Target target = describe(candidate.source, path, candidate.known != nullptr);
  if (target.state == "active" && !candidate.known && read_by_other_pipeline(held, candidate.source)) {
    target.state = "dropped";
    target.reason = "another source began to read it before its pod's annotations were known";
  }
  if (target.state != "active") {
    if (candidate.known) ledger_.release(candidate.known->id, candidate.known->position, candidate.known->cut_line_at);
    if (!held.names().empty()) note_refused(held.names().front(), std::move(target));
    return;
  }
  for (const auto& name : held.names()) forget_refused(name, target.source);
  OfferedFile file;
  file.handle = candidate.handle;
  file.identity = candidate.identity;
  file.path = held.path = candidate.path;
  file.lineage = concat(options->name, ":", rules.lineage(path));
  file.source = candidate.source;
  file.size_bytes = candidate.size_bytes;
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
    FileIdentity identity = file.identity;
    const FileIdentity& known = candidate.known->identity;
    if (file.handle->is_gzip()) identity.key = known.key;
    if (identity != known) ledger_.update(file.id, identity);
  } else {
    file.fresh = true;
    file.birth_order = ++last_birth_order_;
    file.position = candidate.there_before && options->start_at == StartAt::kEnd ? candidate.end : 0;
    file.id = ledger_.adopt(*options, file.identity, candidate.path, file.birth_order);
  }
  const auto reader = static_cast<uint16_t>(readers_.empty() ? 0 : file.lineage.value % readers_.size());
  State state = state_of(held, candidate.source);
  file.rotated = state != State::kLive;
  const uint64_t labels_hash = pipeline::hash64(target.labels.text());
  std::unique_ptr<Target> kept = file.plain_labels ? nullptr : std::make_unique<Target>(std::move(target));
  if (found_) (*found_)[file.id] = {file.handle, candidate.source};
  FileReceiver* receiver = readers_.empty() ? nullptr : readers_[reader];
  held.add_offer({.path = candidate.path,
                  .target = std::move(kept),
                  .labels_hash = labels_hash,
                  .id = file.id,
                  .source = candidate.source,
                  .reader = reader,
                  .state = state});
  if (receiver) receiver->offer(std::move(file));
}

// After the last newline.
uint64_t FileTable::end_of_lines(const FileHandle& handle, std::string_view head, uint64_t size_bytes) {
  if (size_bytes <= head.size()) {
    const size_t newline = head.substr(0, size_bytes).rfind('\n');
    return newline == std::string_view::npos ? 0 : newline + 1;
  }
  for (uint64_t back : {kFirstSearchBytes, kLineSearchBytes}) {
    const uint64_t from = size_bytes - std::min(size_bytes, back);
    std::string end(size_bytes - from, '\0');
    auto size = handle.read_at(from, end.data(), end.size());
    if (!size) return size_bytes;
    const size_t newline = std::string_view(end.data(), *size).rfind('\n');
    if (newline != std::string_view::npos) return from + newline + 1;
    if (from == 0) return 0;
  }
  return size_bytes;
}

}  // namespace agent
