#include "server/query/stream_labels.h"

#include "server/erase/erasures.h"
#include "server/logql/parser.h"
#include "server/query/selection.h"

namespace server {

using pipeline::LabelSet;
using pipeline::Matcher;
using pipeline::Result;

namespace {

struct Outcome {
  std::vector<std::string> warnings = {};
  bool objects_missing = false;  // one was deleted meanwhile
};

Result<Outcome> visit_objects(const StreamQuery& query, const ReadView& view, ReaderCache& readers, QueryTurn& turn,
                              const std::vector<std::vector<Matcher>>& selectors, const StreamVisit& visit) {
  Outcome outcome;
  for (const ObjectRow& row : view.objects->objects) {
    const ObjectSummary& summary = row.summary;
    if (summary.max_time < query.start || summary.min_time > query.end || !holds_tenant(summary, query.tenant))
      continue;
    TRY(turn.breathe());
    auto reader = readers.open(row);
    if (!reader) {
      outcome.objects_missing = outcome.objects_missing || reader.error().code == pipeline::Errc::kNotFound;
      outcome.warnings.push_back(unreadable_object(reader.error()));
      continue;
    }
    std::optional<Eraser> eraser;
    if (view.erasures != nullptr && (!view.erasures->deletes().empty() || summary.min_time < view.erasures->newest()))
      eraser.emplace(view.erasures, summary.deletes_applied);
    for (const std::vector<Matcher>& matchers : selectors) {
      for (uint32_t ordinal : (*reader)->select(query.tenant, label_tests(matchers)).ordinals) {
        const StreamInfo& stream = (*reader)->streams()[ordinal];
        if (stream.max_time < query.start || stream.min_time > query.end) continue;
        if (eraser) {
          const pipeline::LabelSet labels = (*reader)->labels(stream);
          eraser->begin_stream(labels);
          if (eraser->takes_all(stream.min_time, stream.max_time)) continue;
        }
        visit.stored(**reader, stream);
      }
    }
  }
  return outcome;
}

void visit_head(const StreamQuery& query, const ReadView& view, const std::vector<std::vector<Matcher>>& selectors,
                const StreamVisit& visit) {
  for (const HeadPiece& piece : view.head.pieces) {
    for (const HeadStream& stream : piece.streams) {
      bool in_range = false, selected = false;
      for (const HeadRun& run : stream.runs)
        in_range = in_range || (run.max_time >= query.start && run.min_time <= query.end);
      for (const auto& matchers : selectors)
        selected = selected || pipeline::matches_all(matchers, stream.stream->labels);
      if (in_range && selected) visit.head(stream.stream->labels);
    }
  }
}

}  // namespace

Result<std::vector<std::string>> for_each_stream(const StreamQuery& query, const ReadViewSource& views,
                                                 ReaderCache& readers, QueryTurn& turn, const StreamVisit& visit) {
  std::vector<std::vector<Matcher>> selectors;
  for (const std::string& text : query.selectors) {
    TRY_LET(Selector selector, parse_selector(text, EmptyMatchers::kRefuse));
    selectors.push_back(compile_selector(selector));
  }
  if (selectors.empty()) selectors.emplace_back();  // no condition: every stream
  for (bool fresh : {false, true}) {
    TRY_LET(ReadView view, views(query.tenant));
    TRY_LET(Outcome outcome, visit_objects(query, view, readers, turn, selectors, visit));
    if (outcome.objects_missing && !fresh) continue;  // compacted and deleted meanwhile
    visit_head(query, view, selectors, visit);
    if (!view.incomplete.empty()) outcome.warnings.push_back(view.incomplete);
    return std::move(outcome.warnings);
  }
  return std::vector<std::string>();
}

}  // namespace server
