#include "agent/journal/journal_fields.h"

#include <algorithm>
#include <array>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::Label;

namespace {
constexpr std::string_view kPrefix = "__journal_", kKeyword = "__journal_priority_keyword", kPriority = "PRIORITY";
constexpr std::array<std::string_view, 8> kKeywords = {"emerg",   "alert",  "crit", "error",
                                                       "warning", "notice", "info", "debug"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string label_of(std::string_view field) {
  std::string label(kPrefix);
  std::transform(field.begin(), field.end(), std::back_inserter(label), lower);
  return label;
}
}  // namespace

std::string_view priority_keyword(std::string_view priority) {
  if (priority.size() == 1 && priority[0] >= '0' && priority[0] <= '7')
    return kKeywords[static_cast<size_t>(priority[0] - '0')];
  return priority;
}

JournalFields JournalFields::all() {
  JournalFields fields;
  fields.all_ = true;
  return fields;
}

JournalFields JournalFields::of_rules(const pipeline::ConfigTable& source) {
  JournalFields fields;
  for (const pipeline::ConfigTable& rule : source.tables("relabel")) {
    if (rule.string("action") == "labelmap") return all();
    for (const std::string& label : rule.strings("source_labels")) fields.add(label);
    fields.add(rule.string("target_label"));  // keepequal and dropequal compare with it
  }
  return fields;
}

void JournalFields::add(std::string_view label) {
  if (!label.starts_with(kPrefix)) return;
  if (label == kKeyword) {
    want(std::string(kPriority)).keyword = true;
    return;
  }
  std::string name;
  std::string_view lower_name = label.substr(kPrefix.size());
  std::transform(lower_name.begin(), lower_name.end(), std::back_inserter(name), upper);
  want(std::move(name)).label = label;
}

JournalFields::Wanted& JournalFields::want(std::string name) {
  if (int at = find(name); at >= 0) return wanted_[static_cast<size_t>(at)];
  wanted_.push_back({std::move(name), "", false});
  return wanted_.back();
}

int JournalFields::find(std::string_view name) const {
  for (size_t i = 0; i < wanted_.size(); i++)
    if (wanted_[i].name == name) return static_cast<int>(i);
  return -1;
}

void JournalFields::append_labels(size_t place, std::string_view value, std::vector<Label>& labels) const {
  if (value.empty()) return;
  const Wanted& wanted = wanted_[place];
  if (!wanted.label.empty()) labels.emplace_back(wanted.label, value);
  if (wanted.keyword) labels.emplace_back(kKeyword, priority_keyword(value));
}

void JournalFields::append_all_labels(std::string_view name, std::string_view value, std::vector<Label>& labels) {
  if (value.empty()) return;
  labels.emplace_back(label_of(name), value);
  if (name == kPriority) labels.emplace_back(kKeyword, priority_keyword(value));
}

}  // namespace agent
