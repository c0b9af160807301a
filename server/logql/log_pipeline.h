// LogPipeline: the stages after the selector, compiled; PipelineRun: their execution on entries, one after the other.
//
//   for each stream:                      run.begin_stream(labels)
//     for each page of it:                pipeline.leading().select(page text, offsets..., rows)    whole page at once
//       for each row that is left:        if (run.process(time, line, metadata)) use run.line(), run.labels()
//
// The leading line filters may be left out of a run (LeadingFilters::kDone) when the caller has applied them to the
// page. Labels of an entry are in three categories, a later one hides an earlier one of the same name: of the stream,
// structured metadata, parsed (everything a stage sets, and __error__, __error_details__).
//
// Life:    a LogPipeline is read-only; a PipelineRun refers to it and to a LabelResults, which both outlive it.
// Thread:  LogPipeline any; PipelineRun and LabelResults one at a time.
// Cost:    no allocation per entry once buffers have grown. Parsers extract only what stages and LabelUse need; where
// all
//          labels are needed, process() extracts what decides and labels() the rest, so do not ask for labels that
//          nobody will see. labels() costs a hash of the labels that are not the stream's, and nothing for streams
//          without metadata in a pipeline that sets no labels.
// Errors:  compile: kInvalid, `parse error : stage '| line_format "{{"' : ...`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/line_filter.h"
#include "pipeline/model/label_set.h"
#include "server/logql/syntax.h"
#include "server/store/columns.h"

namespace server {

using pipeline::LabelSet;
using pipeline::Result;

inline constexpr std::string_view kErrorLabel = "__error__";
inline constexpr std::string_view kErrorDetailsLabel = "__error_details__";
inline constexpr std::string_view kPreserveErrorLabel = "__preserve_error__";

class ImpliedText;

// Which labels of an entry the rest of the query uses.
struct LabelUse {
  enum class Kind : uint8_t {
    kAll,      // log queries; metric queries without an outer sum
    kNone,     // sum(...): no labels at all
    kBy,       // sum by (names)
    kWithout,  // sum without (names)
  };
  Kind kind = Kind::kAll;
  std::vector<std::string> names;
  bool ignores_lines = false;  // the line that comes out is not looked at, nor is its length
};

// What the range aggregation's samples are grouped by at once: its own grouping, or that of the vector aggregation
// right above it (nullptr: none), which is still to be applied to the result.
LabelUse label_use(const VectorAggregation* outer, const RangeAggregation& range);

// The labels of one or many entries after the pipeline. No name is in two of the sets.
struct ResultLabels {
  LabelSet stream, metadata, parsed;
  bool has_error = false;        // __error__ is in `parsed`
  bool preserves_error = false;  // and so is __preserve_error__: a metric query does not fail for it
  LabelSet all() const;
};

// Interned ResultLabels: entries carry a 4-byte id. Two ids may have equal all() when the categories differ.
class LabelResults {
 public:
  using Id = uint32_t;
  LabelResults();
  ~LabelResults();
  LabelResults(const LabelResults&) = delete;
  LabelResults& operator=(const LabelResults&) = delete;

  const ResultLabels& at(Id id) const;
  size_t size() const;

 private:
  friend class PipelineRun;
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

// The text a metric query fails with (HTTP 400) because of a sample with these labels: four lines, logql.md 8.1.
std::string pipeline_error_text(const LabelSet& labels);

class LogPipeline {
 public:
  // `unwrap`: each entry is a sample, its value a label; entries without the label are dropped. The label is not among
  // the resulting ones unless `use` names it.
  static Result<LogPipeline> compile(const std::vector<Stage>& stages, LabelUse use = {},
                                     const Unwrap* unwrap = nullptr);
  LogPipeline(LogPipeline&&) noexcept;
  LogPipeline& operator=(LogPipeline&&) noexcept;
  ~LogPipeline();

  // The line filters that see the line as it was stored: apply them to whole pages first.
  const pipeline::LineFilters& leading() const;
  // What lines must contain because of a later stage; nullptr: nothing. process() looks for it, too.
  const ImpliedText* implied() const;
  // False: whether an entry is kept and its labels do not depend on the line (not counting leading()).
  bool reads_lines() const;
  // False: neither do they depend on the structured metadata.
  bool reads_metadata() const;
  // The names of those that can matter; nullptr: all do.
  const std::vector<std::string>* metadata_names() const;
  // True: the line that comes out is the line that went in.
  bool keeps_lines() const;

 private:
  friend class PipelineRun;
  struct Program;
  explicit LogPipeline(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

enum class LeadingFilters { kDone, kToDo };

class PipelineRun {
 public:
  PipelineRun(const LogPipeline& pipeline, LabelResults& results, LeadingFilters leading = LeadingFilters::kToDo);
  ~PipelineRun();
  PipelineRun(const PipelineRun&) = delete;
  PipelineRun& operator=(const PipelineRun&) = delete;

  // What follows is of this stream. `labels` stays valid until the next call.
  void begin_stream(const LabelSet& labels);

  // False: dropped. Otherwise line() and labels() tell the rest until the next call; what was passed must stay valid
  // until then. A line that reads_lines() says is not needed may be empty, metadata likewise.
  bool process(UnixNanos time, std::string_view line, MetadataView metadata);

  // With an unwrap: the number. 0 where the text is none; then the labels have __error__.
  double value() const;
  // Look at it anew after labels(), which may have made it again.
  std::string_view line() const;
  // With LabelUse kBy, kNone, kWithout: the group's labels (all of them in the case of an error); they are in `parsed`
  // and `stream` as they come, only all() counts.
  LabelResults::Id labels();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
