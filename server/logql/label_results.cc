#include "server/logql/label_results.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::Label;

LabelSet ResultLabels::all() const {
  if (metadata.empty() && parsed.empty()) return stream;
  std::vector<Label> labels = stream.labels();
  labels.insert(labels.end(), metadata.labels().begin(), metadata.labels().end());
  labels.insert(labels.end(), parsed.labels().begin(), parsed.labels().end());
  return LabelSet::from(std::move(labels));
}

LabelResults::LabelResults() : tables_(std::make_unique<Tables>()) {}
LabelResults::~LabelResults() = default;
const ResultLabels& LabelResults::at(Id id) const { return tables_->sets[id]; }
size_t LabelResults::size() const { return tables_->sets.size(); }

LabelResults::Id LabelResults::Tables::add(const pipeline::Hash128& sum, ResultLabels labels) {
  const Id id = static_cast<Id>(sets.size());
  sets.push_back(std::move(labels));
  by_sum.emplace(sum, id);
  return id;
}

pipeline::Hash128 sum_of_stream(const LabelSet& stream) {
  LabelSum sum;
  for (const Label& label : stream.labels()) sum.add(LabelSum::Category::kStream, label.first, label.second);
  return sum.sum();
}

pipeline::Hash128 sum_of_labels(const EntryLabels& labels, const pipeline::Hash128& stream) {
  using Category = LabelSum::Category;
  LabelSum sum;
  if (!labels.hides_stream()) {
    sum.add(stream);
  } else {
    for (const Label& label : labels.stream().labels())
      if (labels.is_visible(label)) sum.add(Category::kStream, label.first, label.second);
  }
  for (const EntryLabels::Set& set : labels.metadata())
    if (!set.removed) sum.add(Category::kMetadata, set.name, set.value);
  for (const EntryLabels::Set& set : labels.parsed())
    if (!set.removed) sum.add(Category::kParsed, set.name, set.value);
  if (!labels.error().empty()) sum.add(Category::kParsed, kErrorLabel, labels.error());
  if (!labels.error_details().empty()) sum.add(Category::kParsed, kErrorDetailsLabel, labels.error_details());
  return sum.sum();
}

ResultLabels collect_labels(const EntryLabels& labels) {
  std::vector<Label> stream, metadata, parsed;
  for (const Label& label : labels.stream().labels())
    if (labels.is_visible(label)) stream.push_back(label);
  for (const EntryLabels::Set& set : labels.metadata())
    if (!set.removed) metadata.emplace_back(set.name, set.value);
  ResultLabels out;
  for (const EntryLabels::Set& set : labels.parsed()) {
    if (set.removed) continue;
    parsed.emplace_back(set.name, set.value);
    if (set.name == kPreserveErrorLabel) out.preserves_error = true;
    if (set.name == kErrorLabel) out.has_error = true;  // a key of the line has that name
  }
  if (labels.has_error()) {
    parsed.emplace_back(kErrorLabel, labels.error());
    out.has_error = true;
  }
  if (!labels.error_details().empty()) parsed.emplace_back(kErrorDetailsLabel, labels.error_details());
  out.stream = LabelSet::from(std::move(stream));
  out.metadata = LabelSet::from(std::move(metadata));
  out.parsed = LabelSet::from(std::move(parsed));
  return out;
}

std::string pipeline_error_text(const LabelSet& labels) {
  const std::string error(labels.get(kErrorLabel).value_or(std::string_view()));
  return pipeline::concat(
      "pipeline error: '", error, "' for series: '", labels.text(),
      "'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"", error,
      "\").\nTo skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"
      "The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n");
}

}  // namespace server
