// Matcher: one condition on the value of one label, as selectors write it: app="web", app!="web", app=~"w.*",
// app!~"w.*".
//
// A missing label is the empty value. Regular expressions are anchored and their dot matches newlines: ^(?s:RE)$.
// Thread:  any (immutable).
// Errors:  kInvalid, the text of Regex.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/regex.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };
std::string_view match_op_text(MatchOp op);  // = != =~ !~

class Matcher {
 public:
  // `dot` is kNotNewline for LogQL's label filters (logql.md 4.12), kAny everywhere else.
  static Result<Matcher> create(std::string name, MatchOp op, std::string value, Dot dot = Dot::kAny);

  const std::string& name() const { return name_; }
  MatchOp op() const { return op_; }
  const std::string& value() const { return value_; }

  bool matches(std::string_view label_value) const;
  bool matches(const LabelSet& set) const { return matches(set.get(name_).value_or(std::string_view())); }
  bool matches_empty() const { return matches(std::string_view()); }

  // The only values that can match (= and =~ with plain alternatives): look them up instead of testing all. Empty: any.
  std::span<const std::string> only_values() const;

  std::string text() const;  // app=~"w.*", Go-quoted
  bool operator==(const Matcher& o) const { return name_ == o.name_ && op_ == o.op_ && value_ == o.value_; }

 private:
  Matcher(std::string name, MatchOp op, std::string value)
      : name_(std::move(name)), op_(op), value_(std::move(value)) {}

  std::string name_;
  MatchOp op_;
  std::string value_;
  std::optional<Regex> regex_;  // kRegex, kNotRegex
};

// All of them match.
bool matches_all(std::span<const Matcher> matchers, const LabelSet& set);

}  // namespace pipeline
