// The stage `dedup`, ours alone: equal entries of one stream within a window become one, with their number in its
// structured metadata.
//
// The first of them is held until its window is over and then handed on as it was, so all entries of a source come
// later by the length of the window, in their order. Windows go by read times; an entry names all its raw lines, so a
// rebuild counts the same. Where entries had to be handed on early (limits), a rebuild may make one of two.
#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/base/hash.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/held_entry.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

// Of one file; beyond, the oldest entries are handed on early.
constexpr size_t kMaxBytes = 64 << 20;
constexpr size_t kMaxPieces = 1 << 20;  // 24 MiB of places

// Its labels and its place in by_key, roughly.
constexpr size_t kGroupBytes = 200;

struct DedupOptions {
  std::string source;  // "": the line
  std::string count_name;
  UnixNanos window = 0;
  size_t max_entries = 0;
};

struct HeldGroup {
  HeldEntry entry;
  Hash128 key;
  UnixNanos first_read = 0;
  uint64_t count = 1;
};

struct DedupMemory final : StageMemory {
  explicit DedupMemory(StageUse used, UnixNanos length) : use(used), window(length) {}
  const StageUse use;
  const UnixNanos window;
  std::deque<HeldGroup> groups;  // in the order of their first entries, so also of the ends of their windows
  uint64_t gone = 0;             // groups handed on so far: the number of groups[0]
  std::unordered_map<Hash128, uint64_t> by_key;  // -> number
  size_t bytes = 0, pieces = 0;
  std::vector<uint8_t> keep;       // scratch
  std::vector<HeldGroup> emitted;  // scratch

  std::optional<uint64_t> open_from() const override {
    if (groups.empty()) return std::nullopt;
    return groups.front().entry.first_byte();
  }
  size_t held_bytes() const override {
    return bytes + pieces * sizeof(ByteRange) + groups.size() * (sizeof(HeldGroup) + kGroupBytes);
  }
  void move_back(uint64_t bytes_back) override {
    for (HeldGroup& group : groups) pipeline::move_back(group.entry.pieces, bytes_back);
  }
  std::optional<UnixNanos> due() const override {
    if (groups.empty()) return std::nullopt;
    return groups.front().first_read + window;
  }

  // The group of this key whose window is open at `read`.
  HeldGroup* find(const Hash128& key, UnixNanos read) {
    auto at = by_key.find(key);
    if (at == by_key.end()) return nullptr;
    HeldGroup& group = groups[at->second - gone];
    return read < group.first_read + window ? &group : nullptr;
  }
  void push(HeldGroup group) {
    bytes += group.entry.text.size();
    by_key[group.key] = gone + groups.size();
    groups.push_back(std::move(group));
  }
  HeldGroup pop() {
    HeldGroup group = std::move(groups.front());
    groups.pop_front();
    auto at = by_key.find(group.key);
    if (at != by_key.end() && at->second == gone) by_key.erase(at);
    ++gone;
    bytes -= group.entry.text.size();
    pieces -= group.entry.pieces.size();
    return group;
  }
};

class DedupStage final : public Stage {
 public:
  explicit DedupStage(DedupOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    return std::make_unique<DedupMemory>(use, options_.window);
  }
  void add_reads(FieldNames& reads) const override {
    if (!options_.source.empty()) reads.names.insert(options_.source);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<DedupMemory&>(stage_memory);
    memory.keep.assign(batch.size(), 1);
    uint64_t joined = 0;
    SourceReader source(batch, options_.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      auto text = batch.active(i) ? source.at(batch, i) : std::nullopt;
      if (!text) continue;
      memory.keep[i] = 0;
      joined += take(batch, i, *text, memory);
    }
    batch.retain(memory.keep);
    for (const HeldGroup& group : memory.emitted) hand_on(batch, group);
    memory.emitted.clear();
    if (memory.use == StageUse::kLive) joined_.fetch_add(joined, std::memory_order_relaxed);
  }

  void flush(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<DedupMemory&>(stage_memory);
    while (!memory.groups.empty()) hand_on(batch, memory.pop());
  }
  void expire(Batch& batch, StageMemory& stage_memory, UnixNanos now, DropCounts&) const override {
    auto& memory = static_cast<DedupMemory&>(stage_memory);
    while (!memory.groups.empty() && memory.due() <= now) hand_on(batch, memory.pop());
  }

  void append_metrics(MetricPage& page, UnixNanos) const override {
    page.add("skidway_process_deduplicated_lines_total", "Lines that became part of an equal one before them.",
             MetricType::kCounter, {}, joined_.load(std::memory_order_relaxed));
  }

 private:
  // True: the row became part of an equal one.
  bool take(const Batch& batch, size_t row, std::string_view text, DedupMemory& memory) const {
    const UnixNanos read = batch.read_time(row);
    while (!memory.groups.empty() && memory.due() <= read) memory.emitted.push_back(memory.pop());
    const Hash128 of_labels = hash128(batch.label_sets->text(batch.labels[row])), of_text = hash128(text);
    const Hash128 key{of_labels.high * 31 + of_text.high, of_labels.low * 31 + of_text.low};
    HeldGroup* group = memory.find(key, read);
    const bool joins = group != nullptr;
    if (joins) {
      ++group->count;
    } else {
      HeldEntry entry = HeldEntry::attributes_of(batch, row);
      entry.text = batch.lines[row];
      memory.push({.entry = std::move(entry), .key = key, .first_read = read});
      group = &memory.groups.back();
    }
    append_origins(group->entry.pieces, batch, row);
    memory.pieces += batch.origin_count[row];
    while (memory.groups.size() > options_.max_entries || memory.bytes > kMaxBytes || memory.pieces > kMaxPieces) {
      memory.emitted.push_back(memory.pop());
    }
    return joins;
  }

  void hand_on(Batch& batch, const HeldGroup& group) const {
    const size_t row = batch.size();
    group.entry.insert(batch, row);
    if (group.count == 1) return;
    batch.mutable_metadata(row).push_back({options_.count_name, batch.arena.copy(std::to_string(group.count))});
  }

  const DedupOptions options_;
  mutable std::atomic<uint64_t> joined_{0};
};

constexpr StageArgument kArguments[] = {
    {"window", ArgumentType::kDuration, "10s", false,
     "equal entries read within this time of the first become one; entries are held for as long"},
    {"source", ArgumentType::kText, "", false, "extracted value to compare instead of the line; without it they pass"},
    {"max_entries", ArgumentType::kInteger, "1000", false,
     "different entries held at a time for each file; beyond, the oldest is handed on early"},
    {"count_name", ArgumentType::kText, "dedup_count", false,
     "name of the structured metadata with the number of entries, where there were several"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  DedupOptions options;
  options.source = arguments.text("source");
  options.count_name = arguments.text("count_name");
  options.window = arguments.nanoseconds("window");
  if (arguments.given("source") && options.source.empty()) return fail(Errc::kInvalid, "empty source");
  if (options.window <= 0) return fail(Errc::kInvalid, "window must be greater than 0");
  if (arguments.integer("max_entries") <= 0) return fail(Errc::kInvalid, "max_entries must be greater than 0");
  if (options.count_name.empty()) return fail(Errc::kInvalid, "count_name must not be empty");
  options.max_entries = static_cast<size_t>(arguments.integer("max_entries"));
  return std::make_unique<DedupStage>(std::move(options));
}

}  // namespace

const StageKind kDedupStage = {"dedup", "makes one entry, with a count, of equal ones within a window", kArguments,
                               build};

}  // namespace pipeline
