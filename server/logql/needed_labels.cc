#include "server/logql/needed_labels.h"

#include <algorithm>

#include "server/logql/entry_filter.h"
#include "server/logql/line_form.h"

namespace server {

namespace {

LabelUse use_of(const Grouping& grouping) {
  if (grouping.without) return {LabelUse::Kind::kWithout, grouping.labels};
  if (grouping.labels.empty()) return {LabelUse::Kind::kNone, {}};
  return {LabelUse::Kind::kBy, grouping.labels};
}

bool is_additive(RangeOp op) {
  return op == RangeOp::kCountOverTime || op == RangeOp::kRate || op == RangeOp::kBytesOverTime ||
         op == RangeOp::kBytesRate || op == RangeOp::kSumOverTime;
}

}  // namespace

LabelUse label_use(const VectorAggregation* outer, const RangeAggregation& range) {
  if (range.op == RangeOp::kAbsentOverTime) return {LabelUse::Kind::kNone, {}};
  if (range.grouping) return use_of(*range.grouping);
  if (!outer || outer->op != VectorOp::kSum || !is_additive(range.op)) return {};
  return outer->grouping ? use_of(*outer->grouping) : LabelUse{LabelUse::Kind::kNone, {}};
}

NeededLabels::NeededLabels(const std::vector<Stage>& stages, const LabelUse& use, const Unwrap* unwrap) {
  if (use.kind != LabelUse::Kind::kNone && use.kind != LabelUse::Kind::kBy) return;
  all_ = false;
  names_ = use.names;
  for (const Stage& stage : stages) {
    if (const auto* filter = std::get_if<LabelFilterStage>(&stage)) append_label_names(filter->filter, names_);
    if (const auto* format = std::get_if<LineFormatStage>(&stage)) {
      if (auto form = LineForm::compile(format->form)) {
        const std::vector<std::string> fields = form->fields();
        names_.insert(names_.end(), fields.begin(), fields.end());
      }
    }
  }
  if (unwrap) {
    names_.push_back(unwrap->label);
    for (const LabelFilter& filter : unwrap->post_filters) append_label_names(filter, names_);
  }
  preserves_errors_ = std::find(names_.begin(), names_.end(), kErrorLabel) != names_.end();
  constexpr std::string_view kExtracted = "_extracted";
  for (size_t i = 0, n = names_.size(); i < n; ++i)
    if (names_[i].ends_with(kExtracted)) names_.push_back(names_[i].substr(0, names_[i].size() - kExtracted.size()));
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  for (const std::string& name : names_) mask_ |= EntryLabels::mask_of(name);
}

namespace {

bool has_address(const LabelFilter& filter) {
  return filter.kind == LabelFilter::Kind::kIp ||
         std::any_of(filter.operands.begin(), filter.operands.end(), has_address);
}

}  // namespace

// An address filter keeps whatever has an error, so errors must not be missed.
NeededLabels NeededLabels::to_decide(const std::vector<Stage>& stages, const Unwrap* unwrap) {
  bool errors_decide = std::any_of(stages.begin(), stages.end(), [](const Stage& stage) {
    const auto* filter = std::get_if<LabelFilterStage>(&stage);
    return filter && has_address(filter->filter);
  });
  if (unwrap) errors_decide |= std::any_of(unwrap->post_filters.begin(), unwrap->post_filters.end(), has_address);
  return NeededLabels(stages, {errors_decide ? LabelUse::Kind::kAll : LabelUse::Kind::kNone, {}}, unwrap);
}

bool NeededLabels::has(std::string_view name) const {
  if (all_) return true;
  if ((mask_ & EntryLabels::mask_of(name)) == 0) return false;
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

}  // namespace server
