// FileTable, the part that is about pods: files that wait for what is known of their pod, and what a change of that
// does.
#include <algorithm>

#include "agent/discovery/file_table.h"
#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

namespace {
constexpr std::chrono::milliseconds kSuspectsEvery{500};
}  // namespace

Target FileTable::describe(size_t source, const std::string& path, bool begun) const {
  const SourceRules& rules = sources_[source];
  std::shared_ptr<const ContainerMetadata> metadata;
  if (rules.metadata)
    if (auto name = container_of(*rules.options, path)) metadata = rules.metadata->find(name->pod, name->container);
  return make_target(*rules.options, path, metadata.get(), begun);
}

// Or nothing can be known of it.
bool FileTable::is_known(size_t source, const std::string& path) const {
  const SourceRules& rules = sources_[source];
  if (!rules.metadata) return true;
  auto name = container_of(*rules.options, path);
  return !name || rules.metadata->find(name->pod, name->container) != nullptr;
}

bool FileTable::postpone(const Candidate& candidate) {
  HeldFile& held = files_.at(candidate.key());
  const std::string path = candidate.path.str();
  if (is_known(candidate.source, path)) return false;
  const PodChoice& pods = sources_[candidate.source].options->pods;
  if (pods.metadata_wait.count() == 0 && !pods.annotated_only) return false;
  waiting_.push_back({candidate, pods.annotated_only ? kForEver : now_() + pods.metadata_wait});
  ++held.waiting;
  if (found_ && candidate.known) (*found_)[candidate.known->id] = {candidate.handle, candidate.source};
  return true;
}

std::optional<std::chrono::milliseconds> FileTable::next_deadline() const {
  std::optional<std::chrono::milliseconds> next;
  for (const Waiting& waiting : waiting_)
    if (waiting.deadline < kForEver) next = std::min(next.value_or(waiting.deadline), waiting.deadline);
  if (!suspects_.empty()) next = std::min(next.value_or(now_() + kSuspectsEvery), now_() + kSuspectsEvery);
  return next;
}

// Those whose pod is known now, or that have waited long enough.
void FileTable::offer_waiting() {
  const auto now = now_();
  std::vector<Waiting> ready;
  std::erase_if(waiting_, [&](Waiting& waiting) {
    const Candidate& candidate = waiting.candidate;
    const std::string path = candidate.path.str();
    if (waiting.deadline > now && !is_known(candidate.source, path)) return false;
    ready.push_back(std::move(waiting));
    return true;
  });
  // Files of former runs first: who reads a file already goes on with it, whatever its pod chooses by now.
  std::sort(ready.begin(), ready.end(), [](const Waiting& a, const Waiting& b) {
    if (a.candidate < b.candidate || b.candidate < a.candidate) return a.candidate < b.candidate;
    return a.candidate.source < b.candidate.source;
  });
  for (const Waiting& waiting : ready) {
    --files_.at(waiting.candidate.key()).waiting;
    offer(waiting.candidate);
  }
  for (const Waiting& waiting : ready) drop_unwanted(waiting.candidate.key());
  held_gauge_.set(static_cast<int64_t>(files_.size()));
}

// What its first scan found of a source is offered, but for files that nobody may ever ask for.
void FileTable::tell_kept() {
  std::erase_if(unkept_, [&](const auto& entry) {
    const auto& [source, until] = entry;
    if (std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) {
          return waiting.deadline <= until && sources_[waiting.candidate.source].options->name == source;
        }))
      return false;
    ledger_.first_scan_kept(source);
    return true;
  });
}

// These sources have other options now: their files are looked at anew.
void FileTable::stop_waiting(const std::set<size_t>& sources) {
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const Candidate& candidate = waiting.candidate;
    if (!sources.contains(candidate.source)) return false;
    --files_.at(candidate.key()).waiting;
    if (candidate.known) ledger_.release(candidate.known->id, candidate.known->position, candidate.known->cut_line_at);
    return true;
  });
}

template <class Visit>
void FileTable::for_each_name(const PodId& pod, Visit visit) const {
  std::set<std::string> folders;
  for (const SourceRules& rules : sources_) {
    if (rules.removed || !rules.metadata) continue;
    for (const std::string& root : rules.rules.folders())
      folders.insert(concat(root == "/" ? "" : root, "/", pod.namespace_name, "_", pod.name, "_", pod.uid));
  }
  for (const std::string& folder : folders) names_.for_each_below(concat(folder, "/"), visit);
}

bool FileTable::has_files(const PodId& pod) const {
  bool any = false;
  for_each_name(pod, [&](const Name&) { any = true; });
  return any;
}

void FileTable::pods_changed(const std::vector<PodId>& pods) {
  offer_waiting();
  std::set<InodeKey> open;
  std::vector<std::string> refused;
  for (const PodId& pod : pods)
    for_each_name(pod, [&](const Name& name) {
      if (name.open)
        open.insert(name.key);
      else if (refused_.contains(name.path))
        refused.push_back(name.path.str());
    });
  for (InodeKey key : open) reconsider(key);
  for (const std::string& path : refused) {
    const auto wanting = sources_wanting(path);
    const bool wanted = std::any_of(wanting.begin(), wanting.end(),
                                    [&](size_t source) { return describe(source, path, true).state == "active"; });
    if (!wanted) continue;
    forget_name(path);
    see(path, std::nullopt);
  }
  settle();
}

// What its sources' readers have of an open file, after a change of its pod.
void FileTable::reconsider(InodeKey key) {
  HeldFile* held = files_.find(key);
  if (!held) return;
  held->remove_offers([&](Offer& offer) {
    if (!sources_[offer.source].metadata || still_wanted(*held, offer)) return false;
    if (FileReceiver* reader = reader_of(offer)) reader->withdraw(key, offer.source);
    const auto names = held->names();
    if (!names.empty()) note_refused(names.front(), describe(offer.source, offer.path.str(), true));
    return true;
  });
  std::vector<size_t> wanting;
  for (const auto& name : held->names()) {
    const std::string path = name.str();
    for (size_t source : sources_wanting(path))
      if (sources_[source].metadata && is_known(source, path) && describe(source, path, false).state == "active" &&
          !read_by_other_pipeline(*held, source))
        wanting.push_back(source);
  }
  if (!want(*held, std::move(wanting))) drop_unwanted(key);
}

// What pipeline a pod chooses counts when the first source begins to read a file: no line goes through two of them.
bool FileTable::read_by_other_pipeline(const HeldFile& held, size_t source) const {
  const SourceOptions& mine = *sources_[source].options;
  if (!sources_[source].metadata) return false;
  const auto offers = held.offers();
  return std::any_of(offers.begin(), offers.end(), [&](const Offer& offer) {
    const SourceOptions& other = *sources_[offer.source].options;
    return sources_[offer.source].metadata && other.pods.pipeline != mine.pods.pipeline;
  });
}

}  // namespace agent
