// JournalFields: which fields of a journal entry somebody asks for, and how they are called as labels.
//
// Field F is the label __journal_<f in lower case>: _SYSTEMD_UNIT is __journal__systemd_unit, MESSAGE is
// __journal_message. __journal_priority_keyword is PRIORITY in words. Entries have some 25 fields and relabel rules
// name a few: only those are made into labels.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/model/label_set.h"

namespace agent {

// emerg, alert, crit, error, warning, notice, info, debug for 0 to 7; anything else as it is.
std::string_view priority_keyword(std::string_view priority);

class JournalFields {
 public:
  static JournalFields all();
  // What the [[source.relabel]] of `source` look at; all where one maps labels by pattern.
  static JournalFields of_rules(const pipeline::ConfigTable& source);

  void add(std::string_view label);  // one that does not start with __journal_ is none of ours

  bool wants_all() const { return all_; }
  // The place of the field called `name` among those wanted, or -1. Not for wants_all().
  int find(std::string_view name) const;
  size_t size() const { return wanted_.size(); }
  // Appends the labels of wanted field `place`; none for an empty value.
  void append_labels(size_t place, std::string_view value, std::vector<pipeline::Label>& labels) const;
  // The labels of any field, for wants_all().
  static void append_all_labels(std::string_view name, std::string_view value, std::vector<pipeline::Label>& labels);

 private:
  struct Wanted {
    std::string name, label;  // label is empty where only the keyword is wanted
    bool keyword = false;
  };
  Wanted& want(std::string name);

  bool all_ = false;
  std::vector<Wanted> wanted_;
};

}  // namespace agent
