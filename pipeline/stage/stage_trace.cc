#include "pipeline/stage/stage_trace.h"

#include <algorithm>
#include <limits>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/stage/entry_json.h"
#include "pipeline/stage/field_reader.h"

namespace pipeline {

namespace {
constexpr const char* kBold = "\033[1m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kPlain = "\033[0m";

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string value_text(const FieldValue& value) {
  if (value.kind == FieldValue::Kind::kNull) return "null";
  Arena arena;
  std::string text(field_text(value, arena).value_or(""));
  return value.kind == FieldValue::Kind::kText ? quoted(text) : text;
}

std::string entries_text(const Batch& batch) {
  std::string text;
  for (size_t i = 0; i < batch.size(); ++i) {
    text += "   => ";
    append_entry_json(text, batch.times[i], batch.label_sets->at(batch.labels[i]), batch.lines[i], batch.metadata(i));
  }
  return text;
}
}  // namespace

std::string StageTrace::painted(const char* code, const std::string& text) const {
  return colour_ == Colour::kYes ? concat(code, text, kPlain) : text;
}

void StageTrace::begin() {
  frames_.clear();
  count_ = 0;
}

std::vector<StageTrace::Row> StageTrace::rows_of(const Batch& batch) {
  std::vector<Row> rows;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!batch.active(i)) continue;
    Row row{std::string(batch.lines[i]), batch.times[i], {}};
    for (const auto& [name, value] : batch.label_sets->at(batch.labels[i]).labels())
      row.values.push_back({concat("label ", name), quoted(value)});
    for (const FieldColumn& column : batch.fields())
      if (column.values[i].kind > FieldValue::Kind::kRemoved)
        row.values.push_back({concat("extracted ", column.name), value_text(column.values[i])});
    for (const auto& [name, value] : batch.row_values(i))
      row.values.push_back({concat("extracted ", name), value_text(value)});
    for (const Metadata& metadata : batch.metadata(i))
      row.values.push_back({concat("metadata ", metadata.name), quoted(metadata.value)});
    rows.push_back(std::move(row));
  }
  return rows;
}

void StageTrace::before(const Batch& batch, std::string_view stage) {
  std::string number = std::to_string(frames_.empty() ? ++count_ : ++frames_.back().nested);
  if (!frames_.empty()) number = concat(frames_.back().number, ".", number);
  frames_.push_back({stage, std::move(number), rows_of(batch), drops_.lines(), drops_.counts(), 0, false});
}

// The last frame's, behind those of its outer ones.
void StageTrace::title(bool idle) {
  for (size_t depth = 1; depth <= frames_.size(); ++depth) {
    Frame& frame = frames_[depth - 1];
    if (std::exchange(frame.titled, true)) continue;
    std::string text = concat(frame.number, " ", frame.stage);
    bool dim = idle && depth == frames_.size();
    text_ += concat(std::string(3 * depth, ' '),
                    dim ? painted(kDim, concat(text, "  (changes nothing)")) : painted(kBold, text), "\n");
  }
}

void StageTrace::note(char mark, const std::string& text) {
  const char* code = mark == '+' ? kGreen : mark == '~' ? kYellow : mark == '.' ? kDim : kRed;
  text_ += concat(std::string(3 * frames_.size() + 4, ' '),
                  painted(code, concat(std::string_view(&mark, 1), " ", text)), "\n");
}

void StageTrace::compare(const Row& before, const Row& after) {
  if (before.line != after.line) note('~', concat("line = ", quoted(after.line)));
  if (before.time != after.time)
    note('~', concat("timestamp = ", format_rfc3339(after.time), " (was ", format_rfc3339(before.time), ")"));
  auto find = [](const Row& row, const std::string& what) {
    return std::find_if(row.values.begin(), row.values.end(), [&](const Value& v) { return v.what == what; });
  };
  for (const Value& value : after.values) {
    auto was = find(before, value.what);
    if (was == before.values.end())
      note('+', concat(value.what, " = ", value.value));
    else if (was->value != value.value)
      note('~', concat(value.what, " = ", value.value, " (was ", was->value, ")"));
  }
  for (const Value& value : before.values)
    if (find(after, value.what) == after.values.end()) note('-', concat(value.what, " (was ", value.value, ")"));
}

// Under which reasons lines were dropped since `frame` began.
std::string StageTrace::reasons(const Frame& frame) const {
  std::string out;
  for (const DropCounts::Count& count : drops_.counts()) {
    uint64_t before = 0;
    for (const DropCounts::Count& old : frame.counts)
      if (old.reason == count.reason) before = old.lines;
    if (count.lines > before) out += concat(out.empty() ? "" : ", ", quoted(count.reason));
  }
  return out;
}

void StageTrace::after(const Batch& batch, std::string_view) {
  Frame& frame = frames_.back();
  if (frame.nested == 0) tell(frame, rows_of(batch));  // otherwise the nested ones have told it
  frames_.pop_back();
}

void StageTrace::tell(Frame& frame, const std::vector<Row>& rows) {
  size_t before = frame.rows.size();
  if (before == rows.size()) {
    std::string so_far = std::exchange(text_, {});
    for (size_t i = 0; i < rows.size(); ++i) compare(frame.rows[i], rows[i]);
    std::string changes = std::exchange(text_, std::move(so_far));
    if (before > 0) title(changes.empty());
    text_ += changes;
    return;
  }
  title(false);
  uint64_t dropped = drops_.lines() - frame.dropped;
  if (dropped > 0) note('x', concat("dropped, counted under reason ", reasons(frame)));
  if (before > rows.size() + dropped) note('.', "held back until more lines or time have come");
  if (before >= rows.size()) return;
  note('+', before == 0 ? "hands on what it has held:" : concat(before, " become ", rows.size(), ":"));
  for (const Row& row : rows) note('+', concat("line = ", quoted(row.line)));
}

Result<void> explain_stages(const StageList& stages, UnixNanos now, const ReadLine& in, const WriteText& out,
                            DropCounts& drops, Colour colour) {
  LabelTable table;
  Batch batch(table);
  StageTrace trace(drops, colour);
  batch.observer = &trace;
  auto state = stages.make_state();
  for (uint64_t number = 1;; ++number) {
    auto line = in();
    if (!line) break;
    if (line->empty()) continue;
    auto entry = parse_entry_json(*line);
    if (!entry) return fail(entry.error().within(concat("line ", number)));
    batch.clear();
    add_test_entry(batch, *entry, number, now);
    trace.begin();
    out(concat("line ", number, "  ", entry->line, "\n"));
    stages.process(batch, *state, drops);
    out(concat(trace.take(), batch.empty() ? "   => nothing\n" : entries_text(batch)));
  }
  batch.clear();
  trace.begin();
  stages.expire(batch, *state, std::numeric_limits<UnixNanos>::max(), drops);
  std::string late = trace.take();
  if (!batch.empty() || !late.empty()) out(concat("end of input\n", late, entries_text(batch)));
  return {};
}

}  // namespace pipeline
