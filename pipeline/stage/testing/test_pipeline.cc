#include "pipeline/stage/testing/test_pipeline.h"

#include <cstdio>

#include "pipeline/base/invariant.h"
#include "pipeline/base/time_format.h"

namespace pipeline::testing {

TestPipeline::TestPipeline(const std::string& toml, StageUse use)
    : toml_(toml), document_(*ConfigDocument::parse(toml, "t.toml")) {
  stages_ = StageList::build(document_.root(), "stage");
  auto finished = document_.finish();
  if (!finished) error_ = finished.error().message;
  if (finished) state_ = stages_->make_state(use);
}

// A test that runs lines expects its configuration to be right.
StageState& TestPipeline::state() const {
  if (!state_) std::fprintf(stderr, "%s\n", error_.c_str());
  INVARIANT(state_);
  return *state_;
}

void TestPipeline::add(const std::vector<TestLine>& lines, const std::vector<ByteRange>& origins) {
  for (size_t i = 0; i < lines.size(); ++i) {
    batch_.add(batch_.arena.copy(lines[i].text), lines[i].read_time, table_.intern(lines[i].labels), origins[i]);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const auto& [name, value] : lines[i].metadata) {
      batch_.mutable_metadata(i).push_back({batch_.arena.copy(name), batch_.arena.copy(value)});
    }
  }
}

Texts TestPipeline::run_lines(const std::vector<TestLine>& lines) {
  batch_.clear();
  std::vector<ByteRange> origins;
  for (const TestLine& line : lines) {
    history_.emplace_back(position_, line);
    const uint64_t end = position_ + line.text.size() + 1;
    origins.push_back({.begin = position_, .end = end, .read_time = line.read_time});
    position_ = end;
  }
  add(lines, origins);
  stages_->process(batch_, state(), drops_);
  return texts();
}

Texts TestPipeline::run(const Texts& lines, const LabelSet& labels) {
  std::vector<TestLine> all;
  for (const std::string& line : lines) all.push_back({.text = line, .labels = labels});
  return run_lines(all);
}

Texts TestPipeline::flush() {
  batch_.clear();
  stages_->flush(batch_, state(), drops_);
  return texts();
}

Texts TestPipeline::expire(UnixNanos now) {
  batch_.clear();
  stages_->expire(batch_, *state_, now, drops_);
  return texts();
}

Texts TestPipeline::rebuild(size_t row) const {
  TestPipeline again(toml_, StageUse::kRebuild);
  std::vector<ByteRange> origins(batch_.origins.begin() + batch_.origin_begin[row],
                                 batch_.origins.begin() + batch_.origin_begin[row] + batch_.origin_count[row]);
  std::vector<TestLine> lines;
  std::vector<ByteRange> places;
  for (const ByteRange& range : origins) {
    // A range of several lines gives them read times one after the other, as in a record.
    UnixNanos time = range.read_time;
    for (const auto& [begin, line] : history_) {
      if (begin < range.begin || begin >= range.end) continue;
      lines.push_back(line);
      lines.back().read_time = time;
      lines.back().labels = batch_.label_sets->at(batch_.first_labels[row]);
      places.push_back({.begin = begin, .end = begin + line.text.size() + 1, .read_time = time++});
    }
  }
  again.add(lines, places);
  again.stages_->process(again.batch_, again.state(), again.drops_);
  Texts out = again.texts();
  Texts late = again.flush();
  out.insert(out.end(), late.begin(), late.end());
  INVARIANT(again.drops_.lines() == 0);
  return out;
}

std::string TestPipeline::origins(size_t row) const {
  std::string out;
  for (uint32_t k = 0; k < batch_.origin_count[row]; ++k) {
    const ByteRange& range = batch_.origins[batch_.origin_begin[row] + k];
    out += concat("[", range.begin, ",", range.end, ")");
  }
  return out;
}

std::string TestPipeline::metrics(UnixNanos now) const {
  MetricPage page;
  stages_->append_metrics(page, now);
  std::string out;
  const std::string text = page.text();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) + 1;
    if (text[at] != '#') out += text.substr(at, end - at);
    at = end;
  }
  return out;
}

Texts TestPipeline::texts() const {
  Texts out;
  for (size_t i = 0; i < batch_.size(); ++i) {
    std::string time = batch_.times[i] == kNow ? "" : format_rfc3339(batch_.times[i]) + " ";
    out.push_back(concat(time, table_.text(batch_.labels[i]), " ", batch_.lines[i]));
    for (const Metadata& entry : batch_.metadata(i)) out.back() += concat(" ", entry.name, "=", entry.value);
  }
  return out;
}

std::string stage(std::string_view type, std::string_view rest) {
  return concat("[[stage]]\ntype = \"", type, "\"\n", rest, "\n");
}

std::string error_of(std::string_view type, std::string_view rest) { return TestPipeline(stage(type, rest)).error(); }

}  // namespace pipeline::testing
