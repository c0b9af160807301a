#include "server/logql/needed_labels.h"

#include <algorithm>

#include "server/logql/entry_labels.h"

namespace server {

namespace {

LabelUse use_of(const Grouping& grouping) {
  if (grouping.without) return {LabelUse::Kind::kWithout, grouping.labels, false};
  if (grouping.labels.empty()) return {LabelUse::Kind::kNone, {}, false};
  return {LabelUse::Kind::kBy, grouping.labels, false};
}

bool is_additive(RangeOp op) {
  return op == RangeOp::kCountOverTime || op == RangeOp::kRate || op == RangeOp::kBytesOverTime ||
         op == RangeOp::kBytesRate || op == RangeOp::kSumOverTime;
}

}  // namespace

LabelUse label_use(const VectorAggregation* outer, const RangeAggregation& range) {
  LabelUse use;
  if (range.op == RangeOp::kAbsentOverTime) {
    use.kind = LabelUse::Kind::kNone;
  } else if (range.grouping) {
    use = use_of(*range.grouping);
  } else if (outer && outer->op == VectorOp::kSum && is_additive(range.op)) {
    use = outer->grouping ? use_of(*outer->grouping) : LabelUse{LabelUse::Kind::kNone, {}, false};
  }
  use.ignores_lines = range.op != RangeOp::kBytesOverTime && range.op != RangeOp::kBytesRate;
  return use;
}

NeededLabels::NeededLabels(const LabelDemand& demand, const LabelUse& use) {
  if (use.kind != LabelUse::Kind::kNone && use.kind != LabelUse::Kind::kBy) return;
  names_ = use.names;
  names_.insert(names_.end(), demand.names.begin(), demand.names.end());
  preserves_errors_ = std::find(names_.begin(), names_.end(), kErrorLabel) != names_.end();
  if (demand.all) return;
  all_ = false;
  constexpr std::string_view kExtracted = "_extracted";
  for (size_t i = 0, n = names_.size(); i < n; ++i)
    if (names_[i].ends_with(kExtracted)) names_.push_back(names_[i].substr(0, names_[i].size() - kExtracted.size()));
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  lengths_ = 0;
  for (const std::string& name : names_) {
    mask_ |= EntryLabels::mask_of(name);
    lengths_ |= uint64_t{1} << (name.size() & 63);
  }
}

NeededLabels NeededLabels::to_decide(const LabelDemand& demand) {
  return NeededLabels(demand, {demand.errors_decide ? LabelUse::Kind::kAll : LabelUse::Kind::kNone, {}, false});
}

bool NeededLabels::has(std::string_view name) const {
  if (all_) return true;
  if ((mask_ & EntryLabels::mask_of(name)) == 0) return false;
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

}  // namespace server
