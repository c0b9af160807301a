// LabelReplacement: label_replace(vector, destination, replacement, source, regex), series by series.
//
// A series whose source label (missing: "") is matched as a whole by the expression gets the replacement, with $1 and
// ${name} filled in, as its destination label; an empty one removes that label. Others pass as they are. Series that
// become equal stay apart.
// Life: outlives nothing; `sink` outlives it. Thread: one at a time.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/match/regex.h"
#include "server/logql/series_sink.h"
#include "server/logql/syntax.h"

namespace server {

class LabelReplacement final : public SeriesSink {
 public:
  // kInvalid: the expression does not compile (the parser has refused such a query).
  static Result<LabelReplacement> create(const LabelReplace& replace, SeriesSink& sink);
  Result<void> add(Series series) override;

 private:
  LabelReplacement(const LabelReplace& replace, pipeline::Regex regex, SeriesSink& sink)
      : replace_(replace), regex_(std::move(regex)), sink_(sink), groups_(regex_.group_count()) {}

  const LabelReplace& replace_;
  const pipeline::Regex regex_;
  SeriesSink& sink_;
  std::vector<std::string_view> groups_;
};

}  // namespace server
