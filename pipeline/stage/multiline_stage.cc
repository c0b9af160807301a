// The stage `multiline` (agent.md 5.16, 11.15): a line that begins an entry and those that follow it become one.
//
// A block whose lines lie one behind the other in the input is not copied at all; others are copied once, into the
// arena; only what is open at the end of a batch is kept aside.
//
// Rebuilding. A block names all its raw lines, and cuts by time go by read times, so its lines give it again. Behind a
// block cut at max_lines the next one has no first line: its lines get the time of the block as their read time, all
// the same, which no two lines of a file have otherwise; that is how a rebuild knows them.
#include <algorithm>
#include <limits>
#include <utility>

#include "pipeline/match/first_bytes.h"
#include "pipeline/match/line_filter.h"
#include "pipeline/stage/held_entry.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

// A block that never ends must not eat the memory of the agent; Loki refuses lines above 256 KiB anyway.
constexpr size_t kMaxBlockBytes = 4 << 20;
constexpr size_t kMaxBytes = 64 << 20;  // of all blocks of one file; beyond, all are handed on
constexpr size_t kMaxStreams = 10000;   // of one file, as timestamp has; beyond, all blocks are handed on
constexpr size_t kStreamBytes = 100;    // its labels, roughly
constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

struct MultilineOptions {
  LineFilters first_line;
  std::optional<FirstBytes> first_bytes;
  UnixNanos max_wait = 0;
  size_t max_lines = 0;  // 0: any number
  bool trim = true;
};

// The block of one label set. `held` has its lines of earlier batches, and the attributes of its first line where that
// came in one; `rows` are its lines in this batch.
struct Stream {
  HeldEntry held;
  bool has_start = false;        // a first line was seen: later lines belong to it
  bool is_orphan = false;        // lines without a first line, in a rebuild
  bool is_continuation = false;  // its first line is in an earlier block, which was full
  uint32_t start_row = kNoRow;   // the first line, if it is in this batch
  std::vector<uint32_t> rows;
  size_t lines = 0, bytes = 0;
  UnixNanos last_read = 0;

  bool is_single_orphan() const { return is_orphan && lines == 1; }
};

struct MultilineMemory final : StageMemory {
  explicit MultilineMemory(StageUse used) : use(used) {}
  const StageUse use;
  UnixNanos max_wait = 0;
  std::vector<Stream> streams;                        // in the order of their first lines
  std::vector<uint32_t> by_labels;                    // label set of this batch -> index in streams + 1
  size_t bytes = 0;                                   // of all streams
  std::vector<uint8_t> keep;                          // scratch
  std::vector<std::pair<size_t, HeldEntry>> emitted;  // scratch: blocks to be put before a row, ascending

  std::optional<uint64_t> open_from() const override {
    std::optional<uint64_t> lowest;
    for (const Stream& stream : streams) {
      if (stream.lines > 0 && (!lowest || stands_before(stream.held.first_byte(), *lowest)))
        lowest = stream.held.first_byte();
    }
    return lowest;
  }
  size_t held_bytes() const override {
    size_t lines = 0;
    for (const Stream& stream : streams) lines += stream.held.pieces.size();
    return bytes + lines * sizeof(ByteRange) + streams.size() * (sizeof(Stream) + kStreamBytes);
  }
  void move_back(uint64_t bytes_back) override {
    for (Stream& stream : streams) pipeline::move_back(stream.held.pieces, bytes_back);
  }
  std::optional<UnixNanos> due() const override {
    std::optional<UnixNanos> first;
    for (const Stream& stream : streams) {
      if (stream.lines > 0 && (!first || stream.last_read + max_wait < *first)) first = stream.last_read + max_wait;
    }
    return first;
  }

  Stream* find(LabelTable::Id id) {
    return id < by_labels.size() && by_labels[id] != 0 ? &streams[by_labels[id] - 1] : nullptr;
  }
  Stream& add(LabelTable::Id id) {
    streams.emplace_back();
    remember(id, streams.size());
    return streams.back();
  }
  // Ids of an earlier batch may mean nothing any more.
  void begin(Batch& batch) {
    by_labels.clear();
    if (streams.empty()) return;
    for (size_t i = 0; i < streams.size(); ++i) remember(batch.label_sets->intern(streams[i].held.labels), i + 1);
  }

 private:
  void remember(LabelTable::Id id, size_t number) {
    if (id >= by_labels.size()) by_labels.resize(id + 1, 0);
    by_labels[id] = static_cast<uint32_t>(number);
  }
};

std::string_view trimmed(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

class MultilineStage final : public Stage {
 public:
  explicit MultilineStage(MultilineOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    auto memory = std::make_unique<MultilineMemory>(use);
    memory->max_wait = options_.max_wait;
    return memory;
  }
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<MultilineMemory&>(stage_memory);
    memory.begin(batch);
    memory.keep.assign(batch.size(), 1);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch.active(i)) take(batch, static_cast<uint32_t>(i), memory);
    }
    keep_aside(batch, memory);
    for (; !memory.emitted.empty(); memory.emitted.pop_back()) {
      auto& [row, block] = memory.emitted.back();
      block.insert(batch, row);
      memory.keep.insert(memory.keep.begin() + static_cast<std::ptrdiff_t>(row), 1);
    }
    batch.retain(memory.keep);
  }

  void flush(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    expire(batch, stage_memory, std::numeric_limits<UnixNanos>::max(), drops);
  }

  void expire(Batch& batch, StageMemory& stage_memory, UnixNanos now, DropCounts&) const override {
    auto& memory = static_cast<MultilineMemory&>(stage_memory);
    auto is_over = [&](const Stream& stream) { return now >= stream.last_read + options_.max_wait; };
    for (Stream& stream : memory.streams) {
      if (is_over(stream) && stream.lines > 0 && is_entry(stream)) finish_held(stream).insert(batch, batch.size());
    }
    for (const Stream& stream : memory.streams) {
      if (is_over(stream)) memory.bytes -= stream.bytes;
    }
    std::erase_if(memory.streams, is_over);
  }

 private:
  bool is_first(std::string_view line) const {
    if (options_.first_bytes && !options_.first_bytes->may_begin(line)) return false;
    return options_.first_line.keeps(line);
  }

  void take(Batch& batch, uint32_t row, MultilineMemory& memory) const {
    const LabelTable::Id labels = batch.labels[row];
    const UnixNanos read = batch.read_time(row);
    const std::string_view line = batch.lines[row];
    Stream* stream = memory.find(labels);
    if (stream != nullptr && stream->has_start && read >= stream->last_read + options_.max_wait) {
      close(batch, *stream, row, memory);
      stream->has_start = false;
    }
    if (is_first(line)) {
      if (stream == nullptr) stream = &add_stream(batch, row, memory);
      close(batch, *stream, row, memory);
      begin(*stream, row);
      stream->has_start = true;
    } else if (stream == nullptr || !stream->has_start) {
      if (memory.use == StageUse::kLive) return;
      if (stream == nullptr) stream = &add_stream(batch, row, memory);
      if (stream->lines == 0 || stream->last_read != read) {
        close(batch, *stream, row, memory);
        begin(*stream, row);
        stream->is_orphan = true;
      }
    }
    stream->rows.push_back(row);
    ++stream->lines;
    stream->bytes += line.size() + 1;
    memory.bytes += line.size() + 1;
    stream->last_read = read;
    if (stream->lines == options_.max_lines || stream->bytes > kMaxBlockBytes) close_full(batch, *stream, row, memory);
    if (memory.bytes > kMaxBytes) {
      for (Stream& each : memory.streams) close_full(batch, each, row, memory);
    }
  }

  // The next line goes on with the same first line.
  void close_full(Batch& batch, Stream& stream, uint32_t row, MultilineMemory& memory) const {
    close(batch, stream, row, memory);
    stream.is_continuation = stream.has_start;
  }

  static void begin(Stream& stream, uint32_t row) {
    stream.start_row = row;
    stream.is_orphan = stream.is_continuation = false;
  }

  // What is in `held` is an entry: it has text, or is one that passes as it is.
  static bool is_entry(const Stream& stream) { return !stream.held.text.empty() || stream.is_single_orphan(); }

  Stream& add_stream(Batch& batch, uint32_t row, MultilineMemory& memory) const {
    if (memory.streams.size() >= kMaxStreams) {
      for (Stream& stream : memory.streams) close(batch, stream, row, memory);
      memory.streams.clear();
      memory.by_labels.clear();
    }
    return memory.add(batch.labels[row]);
  }

  std::string_view part(const Batch& batch, uint32_t row) const {
    return options_.trim ? trimmed(batch.lines[row]) : batch.lines[row];
  }

  // Ends the block of `stream`, if it has lines: it becomes one entry, in the place of its first row, or before `row`
  // where all of it came earlier. A block without any text is none.
  void close(Batch& batch, Stream& stream, size_t row, MultilineMemory& memory) const {
    if (stream.lines == 0) return;
    if (stream.rows.empty()) {
      if (is_entry(stream)) memory.emitted.emplace_back(row, finish_held(stream));
    } else {
      finish_rows(batch, stream, memory);
    }
    stream.rows.clear();
    stream.held.text.clear();
    stream.held.pieces.clear();
    memory.bytes -= stream.bytes;
    stream.lines = stream.bytes = 0;
  }

  // What to hand on of a block that lies in `held` only.
  static HeldEntry finish_held(const Stream& stream) {
    HeldEntry block = stream.held;
    if (stream.is_orphan && stream.lines > 1) block.time = stream.last_read;
    if (stream.is_continuation) mark(block.pieces, block.time);
    return block;
  }

  void finish_rows(Batch& batch, Stream& stream, MultilineMemory& memory) const {
    const uint32_t first = stream.rows.front();
    if (stream.is_single_orphan()) return;  // as it is
    const std::string_view text = join(batch, stream);
    for (uint32_t row : stream.rows) memory.keep[row] = 0;
    if (text.empty()) return;
    memory.keep[first] = 1;
    if (stream.start_row == kNoRow) {
      stream.held.put_attributes(batch, first);
    } else if (stream.start_row != first) {
      HeldEntry::attributes_of(batch, stream.start_row).put_attributes(batch, first);
    }
    if (stream.is_orphan && stream.lines > 1) batch.times[first] = stream.last_read;
    batch.lines[first] = text;
    set_origins(batch, stream);
  }

  // The text of a block: a view of the input where its lines lie one behind the other there, else in the arena.
  std::string_view join(Batch& batch, const Stream& stream) const {
    std::string_view whole = part(batch, stream.rows.front());
    size_t size = stream.held.text.size();
    bool adjacent = stream.held.text.empty();
    for (size_t k = 0; k < stream.rows.size(); ++k) {
      const std::string_view line = part(batch, stream.rows[k]);
      size += line.size() + 1;
      if (k == 0 || !adjacent) continue;
      adjacent = !whole.empty() && line.data() == whole.data() + whole.size() + 1 && whole.data()[whole.size()] == '\n';
      if (adjacent) whole = {whole.data(), whole.size() + 1 + line.size()};
    }
    if (adjacent) return whole;
    char* const to = batch.arena.allocate(size);
    char* end = std::copy(stream.held.text.begin(), stream.held.text.end(), to);
    for (uint32_t row : stream.rows) {
      const std::string_view line = part(batch, row);
      if (end != to) *end++ = '\n';
      end = std::copy(line.begin(), line.end(), end);
    }
    return {to, static_cast<size_t>(end - to)};
  }

  // Row rows[0] gets the origins of all lines.
  static void set_origins(Batch& batch, const Stream& stream) {
    const uint32_t first = stream.rows.front();
    uint32_t end = batch.origin_begin[first];
    bool adjacent = stream.held.pieces.empty();
    for (uint32_t row : stream.rows) {
      adjacent = adjacent && batch.origin_begin[row] == end;
      end += batch.origin_count[row];
    }
    if (!adjacent) {
      std::vector<ByteRange> pieces = stream.held.pieces;
      for (uint32_t row : stream.rows) append_origins(pieces, batch, row);
      batch.origin_begin[first] = static_cast<uint32_t>(batch.origins.size());
      batch.origins.insert(batch.origins.end(), pieces.begin(), pieces.end());
      end = static_cast<uint32_t>(batch.origins.size());
    }
    batch.origin_count[first] = end - batch.origin_begin[first];
    if (stream.is_continuation) {
      mark({&batch.origins[batch.origin_begin[first]], batch.origin_count[first]}, batch.times[first]);
    }
  }

  static void mark(std::span<ByteRange> pieces, UnixNanos time) {
    for (ByteRange& piece : pieces) piece.read_time = time;
  }

  // The batch ends: what is open in it must outlive it.
  void keep_aside(const Batch& batch, MultilineMemory& memory) const {
    for (Stream& stream : memory.streams) {
      if (stream.start_row != kNoRow) {
        HeldEntry start = HeldEntry::attributes_of(batch, stream.start_row);
        start.text = std::move(stream.held.text);
        start.pieces = std::move(stream.held.pieces);
        stream.held = std::move(start);
        stream.start_row = kNoRow;
      }
      for (uint32_t row : stream.rows) {
        if (!stream.held.text.empty()) stream.held.text += '\n';
        stream.held.text += stream.is_single_orphan() ? batch.lines[row] : part(batch, row);
        append_origins(stream.held.pieces, batch, row);
        memory.keep[row] = 0;
      }
      stream.rows.clear();
    }
    // Those that wait for nothing and whose time is over.
    if (batch.empty()) return;
    const UnixNanos now = batch.read_time(batch.size() - 1);
    std::erase_if(memory.streams, [&](const Stream& stream) {
      return stream.lines == 0 && (!stream.has_start || now >= stream.last_read + options_.max_wait);
    });
  }

  const MultilineOptions options_;
};

constexpr StageArgument kArguments[] = {
    {"firstline", ArgumentType::kText, "", true,
     "regular expression found in the first line of an entry, for example '^\\d{4}-\\d{2}-\\d{2}' or '^\\S'"},
    {"max_wait_time", ArgumentType::kDuration, "3s", false,
     "a block is handed on when no line has come for this long; lines that come later stay alone"},
    {"max_lines", ArgumentType::kInteger, "128", false,
     "a block of this many lines is handed on, and the next line begins another; 0: any number"},
    {"trim_newlines", ArgumentType::kBoolean, "true", false, "remove carriage returns and newlines from line ends"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const std::string& pattern = arguments.text("firstline");
  if (pattern.empty()) {
    return fail(Errc::kInvalid, "multiline stage config must define `firstline` regular expression");
  }
  auto first_line = LineFilter::create(LineFilterOp::kMatches, pattern);
  if (!first_line) return fail(first_line.error().within("multiline stage first line regex compilation error"));
  if (arguments.nanoseconds("max_wait_time") <= 0) return fail(Errc::kInvalid, "max_wait_time must be greater than 0");
  if (arguments.integer("max_lines") < 0) return fail(Errc::kInvalid, "max_lines must not be negative");
  std::vector<LineFilter> filters;
  filters.push_back(*std::move(first_line));
  return std::make_unique<MultilineStage>(
      MultilineOptions{.first_line = LineFilters(std::move(filters)),
                       .first_bytes = FirstBytes::of(pattern),
                       .max_wait = arguments.nanoseconds("max_wait_time"),
                       .max_lines = static_cast<size_t>(arguments.integer("max_lines")),
                       .trim = arguments.boolean("trim_newlines")});
}

}  // namespace

const StageKind kMultilineStage = {"multiline", "joins the lines of an entry, such as those of a stack trace",
                                   kArguments, build};

}  // namespace pipeline
