// The stage `redact`: takes secrets and personal data out of lines before they leave the machine.
//
// A private key that a program prints line by line is one entry when it leaves: its lines are held until the one with
// its END and joined as the first line with a placeholder, so that no part of it is ever handed on. A line that cannot
// belong to a key ends it, too. Of an over-long line, which a source cuts, the rest is never sent; a secret that the
// cut goes through may leave its beginning unrecognised, but not a private key, which is redacted to the end.
#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <utility>
#include <vector>

#include "pipeline/match/secret_scanner.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/held_entry.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;
constexpr UnixNanos kMaxWait = 5 * kSecond;    // for the next line of a key; programs print them in one go
constexpr UnixNanos kMaxTrust = 60 * kSecond;  // after that a line of letters is no longer taken for a part of it
constexpr size_t kMaxKeyLines = 1000;          // RSA keys of 16384 bits have 200
constexpr size_t kMaxOpenKeys = 16;            // streams of a file; more are given up
constexpr size_t kMaxGapBytes = 128;           // between lines of one block that are scanned together

// A private key whose END has not come yet.
struct OpenKey {
  std::string stream;  // labels as text
  HeldEntry entry;     // its line redacted; without pieces: nothing is held, but more of the key may come
  UnixNanos last_read = 0;

  bool holds() const { return !entry.pieces.empty(); }
};

struct RedactMemory final : StageMemory {
  explicit RedactMemory(StageUse use_for, size_t types) : use(use_for), counts(types) {}

  const StageUse use;
  std::vector<OpenKey> open;                          // few
  std::vector<uint64_t> counts;                       // scratch, by type
  std::vector<uint8_t> keep;                          // scratch
  std::vector<std::pair<size_t, HeldEntry>> emitted;  // scratch: to be put before a row, ascending
  std::vector<size_t> offsets, rows;                  // scratch
  std::vector<SecretSpan> spans;                      // scratch

  std::optional<uint64_t> open_from() const override {
    std::optional<uint64_t> lowest;
    for (const OpenKey& key : open) {
      if (key.holds() && (!lowest || stands_before(key.entry.first_byte(), *lowest))) lowest = key.entry.first_byte();
    }
    return lowest;
  }
  void move_back(uint64_t bytes) override {
    for (OpenKey& key : open) pipeline::move_back(key.entry.pieces, bytes);
  }
  bool expects_more() const override { return !open.empty(); }
  std::optional<UnixNanos> due() const override {
    std::optional<UnixNanos> first;
    for (const OpenKey& key : open) {
      if (key.holds() && (!first || key.last_read + kMaxWait < *first)) first = key.last_read + kMaxWait;
    }
    return first;
  }
};

// Whether a line may be one in the middle of a private key: base64, or a header of the older format.
bool may_be_key_text(std::string_view line) {
  constexpr std::string_view kAround = " \t\r|>\"',\\";
  constexpr std::array<std::string_view, 4> kHeaders = {"Proc-Type:", "DEK-Info:", "Version:", "Comment:"};
  size_t begin = line.find_first_not_of(kAround);
  if (begin == std::string_view::npos) return true;
  line.remove_prefix(begin);
  auto begins = [&](std::string_view header) { return line.starts_with(header); };
  if (std::any_of(kHeaders.begin(), kHeaders.end(), begins)) return true;
  line = line.substr(0, line.find_last_not_of(kAround) + 1);
  auto is_base64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
  };
  return std::all_of(line.begin(), line.end(), is_base64);
}

// Whether row `b` lies behind row `a` in the block both were read into, untouched but for what stands before a line.
bool lie_together(const Batch& batch, size_t a, size_t b) {
  if (batch.origin_count[a] != 1 || batch.origin_count[b] != 1) return false;
  const ByteRange &first = batch.origins[batch.origin_begin[a]], &second = batch.origins[batch.origin_begin[b]];
  auto first_end = reinterpret_cast<uintptr_t>(batch.lines[a].data() + batch.lines[a].size());
  auto begin = reinterpret_cast<uintptr_t>(batch.lines[b].data());
  uintptr_t end = begin + batch.lines[b].size();
  return first.end == second.begin && begin > first_end && begin - first_end <= kMaxGapBytes &&
         end - first_end == second.end - second.begin;
}

class RedactStage final : public Stage {
 public:
  RedactStage(SecretScanner scanner, std::vector<bool> wanted, std::string source, std::string_view replacement)
      : scanner_(std::move(scanner)),
        wanted_(std::move(wanted)),
        source_(std::move(source)),
        counts_(scanner_.names().size()) {
    for (const std::string& name : scanner_.names()) {
      std::string text(replacement);
      constexpr std::string_view kType = "{type}";
      for (size_t at = text.find(kType); at != std::string::npos; at = text.find(kType, at + name.size())) {
        text.replace(at, kType.size(), name);
      }
      replacements_.push_back(std::move(text));
    }
  }

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    return std::make_unique<RedactMemory>(use, scanner_.names().size());
  }
  void add_reads(FieldNames& reads) const override {
    if (!source_.empty()) reads.names.insert(source_);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<RedactMemory&>(stage_memory);
    memory.keep.clear();
    if (source_.empty()) {
      redact_lines(batch, memory);
      insert_emitted(batch, memory);
      if (!memory.keep.empty()) batch.retain(memory.keep);
    } else {
      redact_field(batch, memory);
    }
    add_counts(memory);
  }

  void flush(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    hand_on(batch, static_cast<RedactMemory&>(stage_memory), [](const OpenKey&) { return true; });
    static_cast<RedactMemory&>(stage_memory).open.clear();
  }

  void expire(Batch& batch, StageMemory& stage_memory, UnixNanos now, DropCounts&) const override {
    hand_on(batch, static_cast<RedactMemory&>(stage_memory),
            [&](const OpenKey& key) { return key.last_read + kMaxWait <= now; });
  }

  void append_metrics(MetricPage& page, UnixNanos) const override {
    for (size_t type = 0; type < counts_.size(); ++type) {
      if (!wanted_[type]) continue;
      page.add("skidway_agent_redacted_total", "Secrets that the stage redact has replaced, by type.",
               MetricType::kCounter, {{"type", scanner_.names()[type]}}, counts_[type].load(std::memory_order_relaxed));
    }
  }

 private:
  // The rows in which something may be, ascending; lines that lie together are scanned together.
  void find_suspects(const Batch& batch, RedactMemory& memory) const {
    memory.rows.clear();
    if (scanner_.suspects_all()) {
      memory.rows.resize(batch.size());
      std::iota(memory.rows.begin(), memory.rows.end(), size_t{0});
      return;
    }
    for (size_t first = 0, last; first < batch.size(); first = last + 1) {
      for (last = first; last + 1 < batch.size() && lie_together(batch, last, last + 1);) ++last;
      find_suspects(batch, first, last, memory);
    }
    std::sort(memory.rows.begin(), memory.rows.end());
    memory.rows.erase(std::unique(memory.rows.begin(), memory.rows.end()), memory.rows.end());
  }

  void find_suspects(const Batch& batch, size_t first, size_t last, RedactMemory& memory) const {
    const char* begin = batch.lines[first].data();
    const char* end = batch.lines[last].data() + batch.lines[last].size();
    memory.offsets.clear();
    scanner_.suspects({begin, static_cast<size_t>(end - begin)}, memory.offsets);
    auto rows_begin = batch.lines.begin() + static_cast<std::ptrdiff_t>(first);
    auto rows_end = batch.lines.begin() + static_cast<std::ptrdiff_t>(last) + 1;
    auto starts_behind = [](const char* place, std::string_view line) { return place < line.data(); };
    for (size_t offset : memory.offsets) {
      auto line = std::upper_bound(rows_begin, rows_end, begin + offset, starts_behind) - 1;
      bool inside = begin + offset < line->data() + line->size();
      if (inside) memory.rows.push_back(static_cast<size_t>(line - batch.lines.begin()));
    }
  }

  void redact_lines(Batch& batch, RedactMemory& memory) const {
    find_suspects(batch, memory);
    forget_old(batch, memory);
    auto suspect = memory.rows.begin();
    for (size_t row = 0; row < batch.size(); ++row) {
      while (suspect != memory.rows.end() && *suspect < row) ++suspect;
      if (memory.open.empty()) {
        if (suspect == memory.rows.end()) return;
        row = *suspect;
      }
      if (!batch.active(row)) continue;
      auto key = memory.open.empty() ? memory.open.end() : find_open(memory, batch, row);
      if (key != memory.open.end()) {
        go_on(batch, row, key, memory);
      } else if (suspect != memory.rows.end() && *suspect == row) {
        redact_line(batch, row, memory);
      }
    }
  }

  // Keys of which nothing is held and nothing has come for long.
  static void forget_old(const Batch& batch, RedactMemory& memory) {
    if (memory.open.empty() || batch.empty()) return;
    const UnixNanos now = batch.read_time(0);
    std::erase_if(memory.open, [&](const OpenKey& key) { return !key.holds() && now - key.last_read > kMaxTrust; });
  }

  static std::vector<OpenKey>::iterator find_open(RedactMemory& memory, const Batch& batch, size_t row) {
    const std::string& stream = batch.label_sets->text(batch.labels[row]);
    return std::find_if(memory.open.begin(), memory.open.end(),
                        [&](const OpenKey& key) { return key.stream == stream; });
  }

  // Finds the secrets of `text`: memory.spans. True: a private key is open at its end.
  bool find(std::string_view text, RedactMemory& memory) const {
    memory.spans.clear();
    return scanner_.find(text, memory.spans);
  }

  // Appends `text`, of which memory.spans are the secrets, redacted.
  void append_redacted(std::string& out, std::string_view text, RedactMemory& memory) const {
    size_t at = 0;
    for (const SecretSpan& span : memory.spans) {
      out.append(text.substr(at, span.begin - at)).append(replacements_[span.type]);
      ++memory.counts[span.type];
      at = span.end;
    }
    out.append(text.substr(at));
  }

  void redact_line(Batch& batch, size_t row, RedactMemory& memory) const {
    bool open = find(batch.lines[row], memory);
    if (memory.spans.empty()) return;
    std::string text;
    append_redacted(text, batch.lines[row], memory);
    if (!open) {
      batch.lines[row] = batch.arena.copy(text);
      return;
    }
    if (memory.open.size() == kMaxOpenKeys) {
      emit(row, memory.open.front(), memory);
      memory.open.erase(memory.open.begin());
    }
    memory.open.emplace_back();
    memory.open.back().stream = batch.label_sets->text(batch.labels[row]);
    hold(batch, row, std::move(text), memory.open.back(), memory);
  }

  // Row `row` is the first of what is held.
  static void hold(Batch& batch, size_t row, std::string text, OpenKey& key, RedactMemory& memory) {
    key.entry = HeldEntry::attributes_of(batch, row);
    key.entry.text = std::move(text);
    add_row(batch, row, key, memory);
  }

  static void add_row(Batch& batch, size_t row, OpenKey& key, RedactMemory& memory) {
    append_origins(key.entry.pieces, batch, row);
    key.last_read = batch.read_time(row);
    if (memory.keep.empty()) memory.keep.assign(batch.size(), 1);
    memory.keep[row] = 0;
  }

  // Row `row` is of a stream with an open key.
  void go_on(Batch& batch, size_t row, std::vector<OpenKey>::iterator key, RedactMemory& memory) const {
    std::string_view line = batch.lines[row];
    const UnixNanos waited = batch.read_time(row) - key->last_read;
    const size_t end = private_key_end(line, 0);
    const bool ends = end != std::string_view::npos;
    const bool belongs = waited <= kMaxTrust && (ends || may_be_key_text(line));
    if (!belongs || waited > kMaxWait || key->entry.pieces.size() >= kMaxKeyLines) emit(row, *key, memory);
    if (!belongs) {
      memory.open.erase(key);
      redact_line(batch, row, memory);
      return;
    }
    if (!key->holds()) {
      hold(batch, row, replacements_[static_cast<size_t>(SecretType::kPrivateKey)], *key, memory);
    } else {
      add_row(batch, row, *key, memory);
    }
    if (!ends) return;
    bool open = find(line.substr(end), memory);
    append_redacted(key->entry.text, line.substr(end), memory);
    if (open) return;
    emit(row, *key, memory);
    memory.open.erase(key);
  }

  // What is held of `key` is to be put before `row`.
  static void emit(size_t row, OpenKey& key, RedactMemory& memory) {
    if (!key.holds()) return;
    memory.emitted.emplace_back(row, std::move(key.entry));
    key.entry.pieces.clear();
  }

  template <class Which>
  void hand_on(Batch& batch, RedactMemory& memory, const Which& which) const {
    memory.keep.clear();
    for (OpenKey& key : memory.open) {
      if (which(key)) emit(batch.size(), key, memory);
    }
    insert_emitted(batch, memory);
  }

  // From the last to the first so that row numbers hold.
  static void insert_emitted(Batch& batch, RedactMemory& memory) {
    for (; !memory.emitted.empty(); memory.emitted.pop_back()) {
      auto& [row, entry] = memory.emitted.back();
      entry.insert(batch, row);
      if (!memory.keep.empty()) memory.keep.insert(memory.keep.begin() + static_cast<std::ptrdiff_t>(row), 1);
    }
  }

  void redact_field(Batch& batch, RedactMemory& memory) const {
    batch.field(source_);
    FieldReader source(batch, source_);
    std::string text;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto value = field_text(source.at(i), batch.arena);
      if (!value) continue;
      find(*value, memory);
      if (memory.spans.empty()) continue;
      text.clear();
      append_redacted(text, *value, memory);
      batch.field(source_).values[i] = text_field(batch.arena.copy(text));
    }
  }

  void add_counts(RedactMemory& memory) const {
    for (size_t type = 0; type < counts_.size(); ++type) {
      if (memory.counts[type] == 0) continue;
      if (memory.use == StageUse::kLive) counts_[type].fetch_add(memory.counts[type], std::memory_order_relaxed);
      memory.counts[type] = 0;
    }
  }

  const SecretScanner scanner_;
  const std::vector<bool> wanted_;  // by type
  const std::string source_;
  std::vector<std::string> replacements_;              // by type
  mutable std::vector<std::atomic<uint64_t>> counts_;  // by type; any thread
};

constexpr StageArgument kArguments[] = {
    {"types", ArgumentType::kTexts, "", false,
     "what to look for, all where not given: email, ipv4, ipv6, card, jwt, aws_access_key, aws_secret_key, "
     "private_key, "
     "bearer_token"},
    {"patterns", ArgumentType::kTextMap, "", false,
     "own types: regular expressions by name; the groups of an expression are replaced, or all it matches if it has "
     "none"},
    {"replacement", ArgumentType::kText, "<redacted:{type}>", false,
     "what stands in the place of a secret; {type} is its type"},
    {"source", ArgumentType::kText, "", false, "extracted value to redact instead of the line"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  std::vector<std::string> types = arguments.texts("types");
  if (!arguments.given("types")) types.assign(secret_type_names().begin(), secret_type_names().end());
  const auto& patterns = arguments.text_map("patterns");
  if (types.empty() && patterns.empty()) return fail(Errc::kInvalid, "neither types nor patterns to look for");
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  auto scanner = SecretScanner::create(types, patterns);
  if (!scanner) return fail(scanner.error());
  std::vector<bool> wanted(scanner->names().size(), true);
  for (size_t type = 0; type < kSecretTypes; ++type) {
    wanted[type] = std::find(types.begin(), types.end(), scanner->names()[type]) != types.end();
  }
  return std::make_unique<RedactStage>(*std::move(scanner), std::move(wanted), arguments.text("source"),
                                       arguments.text("replacement"));
}

}  // namespace

const StageKind kRedactStage = {"redact", "replaces secrets and personal data by placeholders", kArguments, build};

}  // namespace pipeline
