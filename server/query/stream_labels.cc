#include "server/query/stream_labels.h"

#include "server/logql/parser.h"

namespace server {

using pipeline::LabelSet;
using pipeline::Matcher;
using pipeline::Result;

namespace {

using Visit = std::function<void(const LabelSet&)>;

Result<void> visit_objects(const StreamQuery& query, const ReadView& view, ReaderCache& readers,
                           const std::vector<std::vector<Matcher>>& selectors, const Visit& visit) {
  for (const ObjectRow& row : view.objects->objects) {
    if (row.summary.max_time < query.start || row.summary.min_time > query.end) continue;
    TRY_LET(auto reader, readers.open(row));
    for (const std::vector<Matcher>& matchers : selectors) {
      for (uint32_t ordinal : reader->select(query.tenant, label_tests(matchers)).ordinals) {
        const StreamInfo& stream = reader->streams()[ordinal];
        if (stream.max_time >= query.start && stream.min_time <= query.end) visit(reader->labels(stream));
      }
    }
  }
  return {};
}

void visit_head(const StreamQuery& query, const ReadView& view, const std::vector<std::vector<Matcher>>& selectors,
                const Visit& visit) {
  for (const HeadPiece& piece : view.head.pieces) {
    for (const HeadStream& stream : piece.streams) {
      bool in_range = false, selected = false;
      for (const HeadRun& run : stream.runs)
        in_range = in_range || (run.max_time >= query.start && run.min_time <= query.end);
      for (const auto& matchers : selectors)
        selected = selected || pipeline::matches_all(matchers, stream.stream->labels);
      if (in_range && selected) visit(stream.stream->labels);
    }
  }
}

}  // namespace

Result<void> for_each_stream(const StreamQuery& query, const ReadViewSource& views, ReaderCache& readers,
                             const Visit& visit) {
  std::vector<std::vector<Matcher>> selectors;
  for (const std::string& text : query.selectors) {
    TRY_LET(Selector selector, parse_selector(text, EmptyMatchers::kRefuse));
    selectors.push_back(compile_selector(selector));
  }
  if (selectors.empty()) selectors.emplace_back();  // no condition: every stream
  TRY_LET(ReadView view, views(query.tenant));
  auto outcome = visit_objects(query, view, readers, selectors, visit);
  if (!outcome && outcome.error().code == pipeline::Errc::kNotFound) {  // compacted and deleted meanwhile
    TRY_LET(view, views(query.tenant));
    outcome = visit_objects(query, view, readers, selectors, visit);
  }
  TRY(outcome);
  visit_head(query, view, selectors, visit);
  return {};
}

}  // namespace server
