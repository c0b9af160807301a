// The stage `cri` (agent.md 5.2). The hot path is a batch of whole lines with no line open: no allocation, no look-up
// but one comparison of label ids per line.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/parse/cri.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/held_entry.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

// A line of 16 KiB pieces that never ends must not eat the memory of the agent; Loki refuses lines above 256 KiB
// anyway.
constexpr size_t kMaxPartialBytes = 4 << 20;

struct CriOptions {
  size_t max_partial_lines = 100;
  size_t max_line_bytes = 0;
  bool truncate = false;
};

// A line whose end has not come yet. Owns all it is made of: blocks and label tables do not live as long.
struct Partial {
  std::string key;  // labels, stream included, as text
  LabelSet labels, first_labels, seed_labels;
  std::string text;
  UnixNanos time = 0;
  std::string time_text, content;  // of the last piece
  std::vector<ByteRange> pieces;
};

struct CriMemory final : StageMemory {
  Rfc3339Parser time_parser;
  std::vector<Partial> partials;                    // in the order of their first piece; few
  std::vector<uint8_t> keep;                        // scratch
  std::vector<std::pair<size_t, Partial>> emitted;  // scratch: partials to be put before a row, ascending

  // The label sets with `stream` of the set met last, for stdout and stderr.
  bool has_base = false;
  uint64_t generation = 0;
  LabelTable::Id base = 0;
  LabelTable::Id with_stream[2] = {0, 0};

  std::optional<uint64_t> open_from() const override {
    std::optional<uint64_t> lowest;
    for (const Partial& partial : partials) {
      const uint64_t begin = partial.pieces.front().begin;
      if (!lowest || stands_before(begin, *lowest)) lowest = begin;
    }
    return lowest;
  }
  size_t held_bytes() const override {
    size_t bytes = 0;
    for (const Partial& partial : partials)
      bytes += sizeof(Partial) + partial.text.capacity() + partial.pieces.capacity() * sizeof(ByteRange);
    return bytes;
  }
  void move_back(uint64_t bytes) override {
    for (Partial& partial : partials) pipeline::move_back(partial.pieces, bytes);
  }

  LabelTable::Id labels_of(LabelTable& table, LabelTable::Id id, bool is_stderr) {
    if (!has_base || base != id || generation != table.generation()) [[unlikely]] {
      with_stream[0] = table.with(id, "stream", "stdout");
      with_stream[1] = table.with(id, "stream", "stderr");
      has_base = true, base = id, generation = table.generation();
    }
    return with_stream[is_stderr];
  }
};

class CriStage final : public Stage {
 public:
  explicit CriStage(CriOptions options) : options_(options) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<CriMemory>(); }
  void add_reads(FieldNames&) const override {}
  void set_later_reads(const FieldNames& later) override {
    for (size_t i = 0; i < std::size(kNames); ++i) wanted_[i] = later.has(kNames[i]);
    any_wanted_ = std::any_of(std::begin(wanted_), std::end(wanted_), [](bool wanted) { return wanted; });
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<CriMemory&>(stage_memory);
    memory.keep.clear();
    CriLine line;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || !parse_cri(batch.lines[i], line)) continue;
      batch.labels[i] = memory.labels_of(*batch.label_sets, batch.labels[i], line.is_stderr);
      memory.time_parser.parse(line.time, batch.times[i]);
      batch.lines[i] = line.content;
      if (any_wanted_) set_fields(batch, i, line);
      if (line.is_partial) [[unlikely]] {
        if (memory.keep.empty()) memory.keep.assign(batch.size(), 1);
        memory.keep[i] = 0;
        hold(batch, i, line, memory, drops);
      } else if (!memory.partials.empty()) [[unlikely]] {
        join(batch, i, memory, drops);
      }
    }
    if (!memory.emitted.empty()) insert_emitted(batch, memory);
    if (!memory.keep.empty()) batch.retain(memory.keep);
  }

  void flush(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<CriMemory&>(stage_memory);
    drops.cri_partials_flushed += memory.partials.size();
    for (Partial& partial : memory.partials) memory.emitted.emplace_back(batch.size(), std::move(partial));
    memory.partials.clear();
    memory.keep.clear();
    insert_emitted(batch, memory);
  }

 private:
  enum Name { kFlags, kStream, kContent, kTime };
  static constexpr std::string_view kNames[] = {"flags", "stream", "content", "time"};

  // Extracted values that a later stage reads; the texts lie in the line.
  void set_fields(Batch& batch, size_t row, const CriLine& line) const {
    if (wanted_[kFlags]) batch.field("flags").values[row] = text_field(line.flags());
    if (wanted_[kStream]) batch.field("stream").values[row] = text_field(line.stream());
    if (wanted_[kContent]) batch.field("content").values[row] = text_field(line.content);
    if (wanted_[kTime]) batch.field("time").values[row] = text_field(line.time);
  }

  void cut(std::string& text, DropCounts& drops) const {
    if (!options_.truncate || text.size() <= options_.max_line_bytes) return;
    text.resize(options_.max_line_bytes);
    ++drops.cri_lines_truncated;
  }

  static std::vector<Partial>::iterator find(CriMemory& memory, const std::string& key) {
    return std::find_if(memory.partials.begin(), memory.partials.end(), [&](const Partial& p) { return p.key == key; });
  }

  // Row `row` goes on in a later line: it is kept aside.
  void hold(Batch& batch, size_t row, const CriLine& line, CriMemory& memory, DropCounts& drops) const {
    const std::string& key = batch.label_sets->text(batch.labels[row]);
    if (memory.partials.size() >= options_.max_partial_lines) {  // upstream gives all of them up, this stream's too
      drops.cri_partials_flushed += memory.partials.size();
      for (Partial& partial : memory.partials) memory.emitted.emplace_back(row, std::move(partial));
      memory.partials.clear();
    }
    auto found = find(memory, key);
    if (found != memory.partials.end() && found->text.size() + line.content.size() > kMaxPartialBytes) {
      ++drops.cri_partials_flushed;
      memory.emitted.emplace_back(row, std::move(*found));
      memory.partials.erase(found);
      found = memory.partials.end();
    }
    if (found == memory.partials.end()) {
      memory.partials.push_back({.key = key,
                                 .labels = batch.label_sets->at(batch.labels[row]),
                                 .first_labels = {},
                                 .seed_labels = {},
                                 .text = {},
                                 .time_text = {},
                                 .content = {},
                                 .pieces = {}});
      found = memory.partials.end() - 1;
    }
    found->text.append(line.content);
    cut(found->text, drops);
    found->first_labels = batch.label_sets->at(batch.first_labels[row]);
    found->seed_labels = batch.label_sets->at(batch.seed_labels(row));
    found->time = batch.times[row];
    found->time_text = line.time;
    found->content = line.content;
    const ByteRange* own = &batch.origins[batch.origin_begin[row]];
    found->pieces.insert(found->pieces.end(), own, own + batch.origin_count[row]);
  }

  // Row `row` ends a line of its stream, if one is open.
  void join(Batch& batch, size_t row, CriMemory& memory, DropCounts& drops) const {
    auto found = find(memory, batch.label_sets->text(batch.labels[row]));
    if (found == memory.partials.end()) return;
    found->text.append(batch.lines[row]);
    cut(found->text, drops);
    batch.lines[row] = batch.arena.copy(found->text);
    uint32_t own = batch.origin_begin[row], own_count = batch.origin_count[row];
    batch.origin_begin[row] = static_cast<uint32_t>(batch.origins.size());
    batch.origin_count[row] = static_cast<uint32_t>(found->pieces.size()) + own_count;
    batch.origins.insert(batch.origins.end(), found->pieces.begin(), found->pieces.end());
    for (uint32_t k = 0; k < own_count; ++k) batch.origins.push_back(ByteRange(batch.origins[own + k]));
    memory.partials.erase(found);
  }

  // Puts given-up partials before their rows, from the last to the first so that row numbers hold.
  void insert_emitted(Batch& batch, CriMemory& memory) const {
    for (; !memory.emitted.empty(); memory.emitted.pop_back()) {
      auto& [row, partial] = memory.emitted.back();
      LabelTable::Id labels = batch.label_sets->intern(partial.labels);
      batch.insert(row, batch.arena.copy(partial.text), partial.time, labels, partial.pieces);
      batch.first_labels[row] = batch.label_sets->intern(partial.first_labels);
      batch.set_seed_labels(row, batch.label_sets->intern(partial.seed_labels));
      if (!memory.keep.empty()) memory.keep.insert(memory.keep.begin() + static_cast<std::ptrdiff_t>(row), 1);
      if (!any_wanted_) continue;
      CriLine line{.time = batch.arena.copy(partial.time_text), .content = batch.arena.copy(partial.content)};
      line.is_partial = true;
      line.is_stderr = partial.labels.get("stream") == "stderr";
      set_fields(batch, row, line);
    }
  }

  const CriOptions options_;
  bool wanted_[std::size(kNames)] = {};
  bool any_wanted_ = false;
};

constexpr StageArgument kArguments[] = {
    {"max_partial_lines", ArgumentType::kInteger, "100", false,
     "streams that may have an open partial line; beyond, all are passed on"},
    {"max_partial_line_size", ArgumentType::kSize, "0", false,
     "bytes of a joined line, with max_partial_line_size_truncate"},
    {"max_partial_line_size_truncate", ArgumentType::kBoolean, "false", false, "cut joined lines"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.integer("max_partial_lines") <= 0) {
    return fail(Errc::kInvalid, "max_partial_lines must be greater than 0");
  }
  return std::make_unique<CriStage>(
      CriOptions{.max_partial_lines = static_cast<size_t>(arguments.integer("max_partial_lines")),
                 .max_line_bytes = static_cast<size_t>(arguments.integer("max_partial_line_size")),
                 .truncate = arguments.boolean("max_partial_line_size_truncate")});
}

}  // namespace

const StageKind kCriStage = {"cri", "reads lines of the CRI log format and joins partial ones", kArguments, build};

}  // namespace pipeline
