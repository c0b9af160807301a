// The inside of LabelResults: label sets by the hash of what they are made of.
#pragma once

#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "pipeline/base/hash.h"
#include "server/logql/entry_labels.h"
#include "server/logql/log_pipeline.h"

namespace server {

// A hash of a set of labels that does not depend on their order: the sum of the hashes of each. Two sums are kept apart
// by 128 bits; equal sums are taken for equal sets.
class LabelSum {
 public:
  enum class Category : uint64_t { kStream = 1, kMetadata = 2, kParsed = 3, kGroup = 4 };
  void add(Category category, std::string_view name, std::string_view value) {
    const auto seed = static_cast<uint64_t>(category);
    const uint64_t named = pipeline::hash64(name, seed);
    sum_.low += pipeline::hash64(value, named);
    sum_.high += pipeline::hash64(value, named ^ 0x9e3779b97f4a7c15);
  }
  void add(const pipeline::Hash128& part) {
    sum_.low += part.low;
    sum_.high += part.high;
  }
  const pipeline::Hash128& sum() const { return sum_; }

 private:
  pipeline::Hash128 sum_;
};

struct LabelResults::Tables {
  std::deque<ResultLabels> sets;  // stable addresses
  std::unordered_map<pipeline::Hash128, Id> by_sum;

  std::optional<Id> find(const pipeline::Hash128& sum) const {
    auto at = by_sum.find(sum);
    return at == by_sum.end() ? std::nullopt : std::optional<Id>(at->second);
  }
  Id add(const pipeline::Hash128& sum, ResultLabels labels);
};

// All labels of an entry, in categories. `stream`: sum_of_stream(), counted where all of the stream's labels are
// visible.
pipeline::Hash128 sum_of_stream(const LabelSet& stream);
pipeline::Hash128 sum_of_labels(const EntryLabels& labels, const pipeline::Hash128& stream);
ResultLabels collect_labels(const EntryLabels& labels);

}  // namespace server
