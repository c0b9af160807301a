#include "server/logql/label_replacement.h"

namespace server {

Result<LabelReplacement> LabelReplacement::create(const LabelReplace& replace, SeriesSink& sink) {
  TRY_LET(pipeline::Regex regex, pipeline::Regex::compile(replace.regex));
  return LabelReplacement(replace, std::move(regex), sink);
}

Result<void> LabelReplacement::add(Series series) {
  const std::string source(series.labels.get(replace_.source).value_or(""));
  if (regex_.full_find(source, groups_)) {
    std::string value;
    regex_.expand(value, replace_.replacement, groups_);
    series.labels =
        value.empty() ? series.labels.without(replace_.destination) : series.labels.with(replace_.destination, value);
  }
  return sink_.add(std::move(series));
}

}  // namespace server
