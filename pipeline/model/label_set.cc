#include "pipeline/model/label_set.h"

#include <algorithm>

#include "pipeline/model/label_text.h"
#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

auto lower_bound_of(const std::vector<Label>& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& label, std::string_view n) { return label.first < n; });
}

}  // namespace

LabelSet LabelSet::from(std::vector<Label> labels) {
  std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.first < b.first; });
  LabelSet set;
  for (Label& label : labels) {
    if (!set.labels_.empty() && set.labels_.back().first == label.first) {
      set.labels_.back() = std::move(label);
    } else {
      set.labels_.push_back(std::move(label));
    }
  }
  return set;
}

Result<LabelSet> LabelSet::parse(std::string_view text) {
  TRY_LET(std::vector<Label> labels, parse_label_text(text));
  size_t count = labels.size();
  LabelSet set = from(labels);
  if (set.labels_.size() == count) return set;
  std::sort(labels.begin(), labels.end());
  auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                  [](const Label& a, const Label& b) { return a.first == b.first; });
  return fail(Errc::kInvalid, concat("duplicate label name \"", twice->first, "\""));
}

std::optional<std::string_view> LabelSet::get(std::string_view name) const {
  auto at = lower_bound_of(labels_, name);
  if (at == labels_.end() || at->first != name) return std::nullopt;
  return at->second;
}

LabelSet LabelSet::with(std::string_view name, std::string_view value) const {
  LabelSet out = *this;
  auto at = lower_bound_of(out.labels_, name) - out.labels_.cbegin();
  if (at < static_cast<std::ptrdiff_t>(out.labels_.size()) && out.labels_[static_cast<size_t>(at)].first == name) {
    out.labels_[static_cast<size_t>(at)].second = value;
  } else {
    out.labels_.emplace(out.labels_.begin() + at, name, value);
  }
  return out;
}

LabelSet LabelSet::without(std::string_view name) const {
  LabelSet out = *this;
  std::erase_if(out.labels_, [&](const Label& label) { return label.first == name; });
  return out;
}

std::string LabelSet::text() const {
  std::string out = "{";
  for (const auto& [name, value] : labels_) {
    if (out.size() > 1) out += ", ";
    out += name;
    out += '=';
    append_quoted(out, value);
  }
  out += '}';
  return out;
}

Hash128 LabelSet::hash() const { return hash128(text()); }

bool is_label_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

StreamId stream_id(std::string_view tenant, const LabelSet& labels) {
  return hash128(concat(tenant, std::string_view("\0", 1), labels.text()));
}

}  // namespace pipeline
