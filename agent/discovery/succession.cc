#include "agent/discovery/succession.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

namespace {
// A file that was written to is known to have been empty for no longer before the last time a run surely knew it; one
// that was read to its end is forgotten only after a longer time than that.
constexpr pipeline::UnixNanos kUnnoticed = 5'000'000'000;

bool is_older(const Successors::Sibling& a, const Successors::Sibling& b) {
  if (auto newer = b.name.newer_than(a.name)) return *newer;
  return a.modified_nanos < b.modified_nanos;
}
}  // namespace

Succession::Succession(const SourceOptions& options, const PathRules& rules, Successors::Taken taken,
                       Successors::Taken offered, Held held)
    : options_(options),
      rules_(rules),
      offered_(std::move(offered)),
      held_(std::move(held)),
      search_(std::move(taken)) {}

// A file may have been seen first under a rotated name.
std::string Succession::live_path(std::string_view path) const {
  std::string lineage = rules_.lineage(path);
  if (options_.type == SourceType::kKubernetes) return lineage;
  size_t begin = lineage.rfind('/') + 1;
  std::string_view name = std::string_view(lineage).substr(begin);
  for (size_t i = 1; i < name.size(); ++i)
    if (RotatedName::parse(name.substr(0, i), name)) return lineage.substr(0, begin + i);
  return lineage;
}

std::vector<Heir> Succession::find(const std::vector<KnownFile>& missing, const std::vector<MetFile>& met) {
  std::vector<Heir> heirs;
  Lineages lineages;
  std::vector<std::pair<std::string, KnownFile>> ordered;  // by lineage
  for (const KnownFile& known : missing) ordered.emplace_back(live_path(known.path), known);
  std::sort(ordered.begin(), ordered.end(), [](auto& a, auto& b) {
    return std::tie(a.first, a.second.birth_order) < std::tie(b.first, b.second.birth_order);
  });
  for (const auto& [live, known] : ordered) {
    auto found = search_.find(live, known.identity, known.position);
    Member& member = lineages[live].emplace_back();
    member.birth_order = known.birth_order;
    if (found) member.key = found->handle->status()->key;
    member.blank = known.identity.fingerprint_bytes == 0;
    if (member.blank) member.missing = &known;
    member.last_read_time = known.last_read_time;
    member.known_until = known.known_until;
    if (found) heirs.push_back({known, std::move(found->path), known.path.str(), std::move(found->handle)});
  }
  for (const MetFile& file : met)
    if (!file.live || file.reborn) lineages.try_emplace(live_path(file.known->path));
  if (lineages.empty()) return heirs;
  for (const MetFile& file : met) {
    const KnownFile& known = *file.known;
    auto lineage = lineages.find(live_path(known.path));
    if (lineage == lineages.end()) continue;
    const bool blank = (file.live || file.reborn) && known.identity.fingerprint_bytes == 0;
    lineage->second.push_back(
        {known.birth_order, file.key, file.live, blank, file.reborn, nullptr, known.last_read_time, known.known_until});
  }
  for (const auto& [live, members] : lineages) find_unseen(live, members, heirs);
  return heirs;
}

// Newer than the newest known file, or than the last one before a blank one: what was written to that may be called
// like any rotation since, also like one before younger files that are known.
void Succession::find_unseen(const std::string& live_path, std::vector<Member> members, std::vector<Heir>& heirs) {
  std::sort(members.begin(), members.end(), [](auto& a, auto& b) {
    return std::pair(a.birth_order, a.blank) <
           std::pair(b.birth_order, b.blank);  // a copy has the birth of its original
  });
  auto blank = std::find_if(members.begin(), members.end(), [](const Member& m) { return m.blank; });
  Member newest;
  if (blank == members.begin()) {
    if (blank->in_place()) return;
    newest.blank = true;  // what was written to the one before is somewhere, if anything was; nothing to be known by
    newest.last_read_time = blank->known_until - std::min(blank->known_until, kUnnoticed);
  } else {
    newest = *std::prev(blank);
    if (newest.live || (blank != members.end() && blank->in_place() && !newest.key)) return;
    for (auto it = members.begin(); it != blank; ++it)
      newest.last_read_time = std::max(newest.last_read_time, it->last_read_time);
    // Gone, and nothing of it was ever handed on.
    if (!newest.key && newest.last_read_time == 0) newest.last_read_time = newest.known_until;
  }
  std::vector<Heir> unseen = find_newer(live_path, newest);
  recognize(live_path, members, unseen);
  std::move(unseen.begin(), unseen.end(), std::back_inserter(heirs));
}

// Of unseen files, oldest first, those that are what became of files that were seen only empty: as many as there were,
// each between the same known ones.
void Succession::recognize(const std::string& live_path, const std::vector<Member>& members, std::vector<Heir>& heirs) {
  struct Place {
    uint64_t birth_order = 0;
    RotatedName name;
  };
  std::vector<Place> places;
  std::vector<const KnownFile*> blanks;
  for (const Member& member : members) {
    if (member.missing != nullptr) blanks.push_back(member.missing);
    if (member.blank || !member.key) continue;
    if (auto name = search_.name_of(live_path, *member.key)) places.push_back({member.birth_order, *name});
  }
  for (Heir& heir : heirs) {
    auto name = search_.name_of(live_path, heir.handle->key());
    auto fits = [&](const KnownFile* blank) {
      return name && std::all_of(places.begin(), places.end(), [&](const Place& place) {
               const auto newer = name->newer_than(place.name);
               return newer && *newer == (blank->birth_order > place.birth_order);
             });
    };
    auto found = std::find_if(blanks.begin(), blanks.end(), fits);
    if (found == blanks.end()) continue;
    heir.known = **found;
    heir.live_path = heir.known->path.str();
    blanks.erase(blanks.begin(), std::next(found));
  }
}

// Rotations of a file that are newer than `newest`, oldest first.
std::vector<Heir> Succession::find_newer(const std::string& live_path, const Member& newest) {
  std::vector<Successors::Sibling> siblings = search_.rotated_siblings(live_path);
  std::optional<RotatedName> name;
  int64_t modified = newest.last_read_time;
  if (newest.key) {
    name = search_.name_of(live_path, *newest.key);
    for (const auto& sibling : siblings)
      if (sibling.key == *newest.key) modified = sibling.modified_nanos;
  }
  const bool lost_with_all_before = !newest.key && !newest.blank && options_.type == SourceType::kKubernetes;
  // It is compressed at this moment, or was since we opened it.
  auto is_being_read = [&](const Successors::Sibling& sibling) {
    if (!sibling.name.gzip) return false;
    const std::string original = sibling.path.substr(0, sibling.path.size() - std::string_view(".gz").size());
    return held_(original) || std::any_of(siblings.begin(), siblings.end(),
                                          [&](const Successors::Sibling& other) { return other.path == original; });
  };
  auto is_newer = [&](const Successors::Sibling& sibling) {
    if (offered_(sibling.key) || sibling.key == newest.key || sibling.taken || is_being_read(sibling)) return false;
    if (lost_with_all_before) return true;
    auto newer = name ? sibling.name.newer_than(*name) : std::nullopt;
    return newer ? *newer : modified > 0 && sibling.modified_nanos > modified;
  };
  std::sort(siblings.begin(), siblings.end(), is_older);
  std::vector<Heir> heirs;
  for (const Successors::Sibling& sibling : siblings) {
    if (!is_newer(sibling)) continue;
    auto handle = sibling.name.gzip ? FileHandle::open_gzip(sibling.path) : FileHandle::open(sibling.path);
    if (!handle) {
      pipeline::log_warn("rotated file cannot be opened", {{"error", handle.error()}});
      continue;
    }
    const bool blank = (*handle)->head().value_or("").empty();
    (*handle)->rest();
    if (blank) continue;
    heirs.push_back({std::nullopt, sibling.path, live_path, *std::move(handle)});
  }
  return heirs;
}

}  // namespace agent
