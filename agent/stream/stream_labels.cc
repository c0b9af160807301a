#include "agent/stream/stream_labels.h"

#include "pipeline/base/hash.h"
#include "pipeline/match/relabel.h"

namespace agent {

using pipeline::LabelSet;

namespace {
constexpr size_t kTableLimit = 65'536;
constexpr size_t kKnownLimit = 8'192;  // sets as discovered: a process id makes one, and leaves no trace behind
constexpr std::string_view kTenant = "__tenant_id__";
}  // namespace

size_t StreamLabels::Hash::operator()(const LabelSet& set) const {
  size_t hash = 0;
  for (auto& [name, value] : set.labels())
    hash = (hash ^ pipeline::hash64(name)) * 0x9e3779b97f4a7c15 + pipeline::hash64(value);
  return hash;
}

void StreamLabels::change(std::shared_ptr<const SourceOptions> source) {
  source_ = std::move(source);
  known_.clear();
}

bool StreamLabels::renew() {
  if (table_.size() > kTableLimit) table_.clear();
  if (known_.size() > kKnownLimit) known_.clear();
  if (generation_ == table_.generation()) return false;
  generation_ = table_.generation();
  known_.clear();
  return true;
}

// Relabelled, completed, interned.
std::optional<StreamLabels::Id> StreamLabels::of(const LabelSet& discovered) {
  auto [known, fresh] = known_.try_emplace(discovered);
  if (!fresh) return known->second;
  std::optional<LabelSet> kept = source_->relabel ? source_->relabel->apply(discovered) : discovered;
  if (!kept) return known->second;
  std::vector<pipeline::Label> all = pipeline::strip_reserved(*kept).labels();
  if (all.empty() && source_->labels.empty()) all.emplace_back("job", source_->stream_type);  // bare ones are refused
  if (auto tenant = kept->get(kTenant); tenant && !tenant->empty()) all.emplace_back(kTenant, *tenant);
  for (auto& label : source_->labels) all.push_back(label);
  known->second = table_.intern(LabelSet::from(std::move(all)));
  return known->second;
}

}  // namespace agent
