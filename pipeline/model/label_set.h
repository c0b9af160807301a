// LabelSet: the labels of one stream: sorted by name, names unique, no empty values unless kept on purpose, never
// changed.
//
// Text form (Loki's): {app="api", env="prod"}; names [a-zA-Z_][a-zA-Z0-9_]*, values quoted with Go escapes.
// Thread: any (immutable).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/hash.h"
#include "pipeline/base/result.h"

namespace pipeline {

using Label = std::pair<std::string, std::string>;  // name, value

class LabelSet {
 public:
  LabelSet() = default;
  // Sorts; of labels with one name the last wins.
  static LabelSet from(std::vector<Label> labels);
  // The text form above, as in a push request, and whatever else label_text.h reads: other quotes, white space, a
  // trailing comma, comments, a metric's name. Empty values are removed. kInvalid says where and why; a repeated name
  // is kInvalid: `duplicate label name "a"`.
  static Result<LabelSet> parse(std::string_view text);

  const std::vector<Label>& labels() const { return labels_; }
  bool empty() const { return labels_.empty(); }
  std::optional<std::string_view> get(std::string_view name) const;
  LabelSet with(std::string_view name, std::string_view value) const;
  LabelSet without(std::string_view name) const;

  std::string text() const;
  Hash128 hash() const;  // of the text form
  bool operator==(const LabelSet&) const = default;
  auto operator<=>(const LabelSet&) const = default;

 private:
  std::vector<Label> labels_;
};

bool is_label_name(std::string_view name);

// The Go quoted form of `value`, as strconv.Quote writes it: "a\"b\n\x00é".
void append_quoted(std::string& out, std::string_view value);

// Id of a stream: a hash of tenant and label set.
using StreamId = Hash128;
StreamId stream_id(std::string_view tenant, const LabelSet& labels);

}  // namespace pipeline
