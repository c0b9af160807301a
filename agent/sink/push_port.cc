#include "agent/sink/push_port.h"

#include <algorithm>
#include <utility>

#include "agent/sink/line_group.h"
#include "pipeline/stage/stage.h"

namespace agent {

using pipeline::Batch;
using pipeline::ByteRange;
using pipeline::LabelTable;
using pipeline::Metadata;

namespace {
constexpr uint64_t kEntryOverheadBytes = 24;  // time, tags and lengths of an entry in wire form

std::span<const Metadata> metadata_of(const Batch& batch, size_t row) {
  if (!batch.has_metadata()) return {};
  return batch.metadata(row);
}

std::unique_ptr<ClosedBatch> make_closed(OpenBatch::Content content, BatchNumber number, const std::string& tenant,
                                         Compression encoding, std::chrono::nanoseconds now) {
  auto closed = std::make_unique<ClosedBatch>();
  closed->number = number;
  closed->tenant = tenant;
  closed->encoding = encoding;
  closed->body = std::make_shared<const std::string>(std::move(content.body));
  closed->record = std::make_shared<const BatchRecord>(BatchRecord{number, tenant, false, std::move(content.segments)});
  closed->files = std::move(content.files);
  closed->entries = std::move(content.entries);
  closed->volume = content.volume;
  closed->closed_at = now;
  return closed;
}
}  // namespace

PushPort::PushPort(const PushPortParts& parts)
    : options_(parts.options),
      parts_{options_,     parts.taker,   parts.progress, parts.kept,
             parts.memory, parts.metrics, parts.clock,    parts.rebuild_holds},
      outgoing_(options_.labels, options_.tenant) {}

PushPort::~PushPort() {
  for (auto& open : opens_) parts_.memory.release(open->counted_bytes), parts_.metrics.leave(open->batch.volume());
}

void PushPort::append(const Batch& batch, const FilePosition& passed, const ElderFiles* elders) {
  renew(*batch.label_sets);
  const KeptRanges::OfFile* kept = passed.file ? parts_.kept.of(passed.file) : nullptr;
  taken_ = unlabelled_ = {};
  elders_ = elders;
  batch_bytes_ = std::min(options_.batch_bytes, parts_.taker.batch_limit());
  for (size_t row = 0, end = 0; row < batch.size(); row = end) {
    end = group_end(batch, row);
    if (is_kept(batch, row, passed.file, kept)) continue;
    if (end == row + 1) [[likely]]
      add(batch, row, passed.file);
    else
      add_group(batch, row, end, passed.file);
  }
  parts_.metrics.take({taken_.entries + unlabelled_.entries, taken_.bytes + unlabelled_.bytes});
  if (unlabelled_.entries > 0) {
    parts_.metrics.dropped("no_labels", unlabelled_, parts_.options.tenant);
    if (is_stream(passed.file)) {
      const uint64_t entries = unlabelled_.entries;
      parts_.taker.lost(passed.file, {std::exchange(unlabelled_entries_, {}), entries, entries, "sink:no_labels", ""});
    } else {
      parts_.taker.dropped(passed.file, "sink:no_labels", unlabelled_.bytes + unlabelled_.entries, passed.position);
    }
  }
  for (auto& open : opens_) count_memory(*open);
  if (!passed.file) return;
  parts_.progress.pass(passed);
  parts_.taker.progressed();
}

bool PushPort::is_kept(const Batch& batch, size_t row, FileId file, const KeptRanges::OfFile* kept) const {
  if (!elders_) [[likely]]
    return kept && kept->has_all(batch.origins_of(row));
  return agent::is_kept(elders_, file, batch.origins_of(row), [this](FileId id) { return parts_.kept.of(id); });
}

void PushPort::renew(const LabelTable& table) {
  if (!outgoing_.renew(table)) return;
  targets_.clear();
  record_labels_.clear();
}

PushPort::Target& PushPort::target(const LabelTable& table, LabelTable::Id id) {
  if (id >= targets_.size()) targets_.resize(table.size());
  Target& target = targets_[id];
  if (target.nowhere || (target.open && target.generation == target.open->batch.generation())) [[likely]]
    return target;
  const OutgoingStream& stream = outgoing_.at(table, id);
  target.nowhere = stream.labels.empty();
  if (target.nowhere) return target;
  target.open = &open_for(stream.tenant);
  target.generation = target.open->batch.generation();
  target.stream = target.open->batch.stream(stream.text);
  return target;
}

PushPort::Open& PushPort::open_for(const std::string& tenant) {
  for (auto& open : opens_)
    if (open->batch.tenant() == tenant) return *open;
  Open* used = opens_.size() < kMostOpenBatches ? nullptr : open_to_reuse();
  if (!used) return *opens_.emplace_back(new Open{OpenBatch(tenant, parts_.options.batch_bytes)});
  used->batch = OpenBatch(tenant, parts_.options.batch_bytes);
  return *used;
}

// An open batch that is empty, or is made so; null: all are pinned.
PushPort::Open* PushPort::open_to_reuse() {
  Open* first = nullptr;
  for (auto& open : opens_) {
    if (open->pinned) continue;
    if (open->batch.empty()) {
      first = open.get();
      break;
    }
    if (!first || open->due < first->due) first = open.get();
  }
  if (!first) return nullptr;
  if (!first->batch.empty()) close(*first);
  targets_.assign(targets_.size(), {});
  return first;
}

bool PushPort::has_room(const Open& open, uint64_t bytes) const {
  return open.batch.empty() || open.batch.size_bytes() + bytes <= batch_bytes_;
}

void PushPort::add(const Batch& batch, size_t row, FileId file) {
  Target* to = &target(*batch.label_sets, batch.labels[row]);
  if (!to->nowhere && !has_room(*to->open, batch.lines[row].size() + kEntryOverheadBytes)) {
    close(*to->open);
    to = &target(*batch.label_sets, batch.labels[row]);
  }
  add_to(*to, batch, row, file);
}

void PushPort::add_group(const Batch& batch, size_t begin, size_t end, FileId file) {
  group_opens_.clear();
  for (size_t row = begin; row < end; row++) {
    Target& to = target(*batch.label_sets, batch.labels[row]);
    if (to.nowhere || to.open->pinned) continue;
    to.open->pinned = true;
    group_opens_.push_back(to.open);
  }
  uint64_t bytes = 0;  // more than any one of the batches gets, where there are several tenants
  for (size_t row = begin; row < end; row++) bytes += batch.lines[row].size() + kEntryOverheadBytes;
  for (Open* open : group_opens_)
    if (!has_room(*open, bytes)) close(*open);
  for (size_t row = begin; row < end; row++) add_to(target(*batch.label_sets, batch.labels[row]), batch, row, file);
  for (Open* open : group_opens_) {
    open->pinned = false;
    open->noted_end = kNothing;
    if (group_opens_.size() > 1) open->tied = true;
  }
}

void PushPort::add_to(Target& to, const Batch& batch, size_t row, FileId file) {
  std::string_view line = batch.lines[row];
  if (to.nowhere) [[unlikely]] {
    unlabelled_.entries++, unlabelled_.bytes += line.size();
    if (is_stream(file))
      for (const ByteRange& origin : batch.origins_of(row)) unlabelled_entries_.emplace_back(origin.begin, origin.end);
    return;
  }
  Open& open = *to.open;
  if (open.batch.empty()) {
    open.hold = parts_.progress.new_hold();
    open.due = parts_.clock.monotonic() + parts_.options.batch_wait;
  }
  open.batch.add(to.stream, batch.times[row], line, metadata_of(batch, row));
  if (file) note_origins(open, batch, row, file);
  taken_.entries++, taken_.bytes += line.size();
}

const std::shared_ptr<const std::string>& PushPort::record_labels(const LabelTable& table, LabelTable::Id id) {
  if (id >= record_labels_.size()) record_labels_.resize(table.size());
  if (!record_labels_[id]) record_labels_[id] = std::make_shared<const std::string>(table.text(id));
  return record_labels_[id];
}

void PushPort::note_origins(Open& open, const Batch& batch, size_t row, FileId file) {
  const ByteRange* origin = &batch.origins[batch.origin_begin[row]];
  if (is_stream(file)) {
    for (const ByteRange* end = origin + batch.origin_count[row]; origin != end; origin++)
      if (open.batch.note_stream(file, origin->begin, origin->end))
        parts_.progress.hold(open.hold, file, origin->begin);
    return;
  }
  const auto& labels = record_labels(*batch.label_sets, batch.first_labels[row]);
  bool goes_on = false;  // in another file than it began in
  for (const ByteRange* end = origin + batch.origin_count[row]; origin != end; origin++) {
    if (pipeline::stands_before(origin->begin, open.noted_end)) continue;
    const FileBytes bytes = locate(elders_, file, *origin);
    if (open.batch.note(bytes.file, labels, bytes.range, goes_on))
      parts_.progress.hold(open.hold, bytes.file, bytes.range.begin);
    if (bytes.elder) goes_on = true;
    if (open.pinned) open.noted_end = origin->begin + 1;
  }
}

void PushPort::count_memory(Open& open) {
  uint64_t now = open.batch.size_bytes();
  if (now > open.counted_bytes) parts_.memory.add(now - open.counted_bytes);
  if (now < open.counted_bytes) parts_.memory.release(open.counted_bytes - now);
  open.counted_bytes = now;
}

void PushPort::close(Open& first) {
  Compression encoding = parts_.taker.encoding();
  std::vector<std::unique_ptr<ClosedBatch>> batches;
  bool tied = std::exchange(first.tied, false);
  for (auto& open : opens_) {
    if (open.get() != &first && !(tied && std::exchange(open->tied, false))) continue;
    auto closed = make_closed(open->batch.take(encoding), parts_.taker.next_number(), open->batch.tenant(), encoding,
                              parts_.clock.monotonic());
    closed->hold = open->hold;
    count_memory(*open);
    batches.push_back(std::move(closed));
  }
  parts_.taker.take(std::move(batches));
}

std::optional<std::chrono::nanoseconds> PushPort::deadline() const {
  std::optional<std::chrono::nanoseconds> first;
  for (auto& open : opens_)
    if (!open->batch.empty() && (!first || open->due < *first)) first = open->due;
  return first;
}

void PushPort::close_due(std::chrono::nanoseconds now) {
  for (auto& open : opens_)
    if (!open->batch.empty() && open->due <= now) close(*open);
}

void PushPort::close_all() {
  for (auto& open : opens_)
    if (!open->batch.empty()) close(*open);
}

// --- rebuild

class PushPort::RebuiltBatch final : public Rebuild {
 public:
  RebuiltBatch(const PushPortParts& parts, const BatchRecord& record)
      : parts_(parts),
        record_(record),
        outgoing_(parts.options.labels, parts.options.tenant),
        batch_(record.tenant, parts.options.batch_bytes) {}

  const BatchRecord& record() const override { return record_; }

  void append(const Batch& batch, FileId file) override {
    outgoing_.renew(*batch.label_sets);
    for (size_t begin = 0, end = 0; begin < batch.size(); begin = end) {
      end = group_end(batch, begin);
      bool shared = end > begin + 1 && has_mine(batch, begin, end);
      for (size_t row = begin; row < end; row++) {
        const OutgoingStream& stream = outgoing_.at(*batch.label_sets, batch.labels[row]);
        if (stream.labels.empty() || (shared && stream.tenant != record_.tenant)) continue;
        batch_.add(batch_.stream(stream.text), batch.times[row], batch.lines[row], metadata_of(batch, row));
      }
    }
    (void)file;  // the record says what the batch is made of
  }

  void finish() override {
    Progress::Hold hold = parts_.rebuild_holds.at(record_.number);
    std::vector<FileId> files;
    for (const RecordSegment& segment : record_.segments) files.push_back(segment.file);
    if (batch_.empty()) return parts_.taker.give_up(record_, hold, files);
    Compression encoding = parts_.taker.encoding();
    OpenBatch::Content content = batch_.take(encoding);
    content.segments = record_.segments;
    auto closed = make_closed(std::move(content), record_.number, record_.tenant, encoding, parts_.clock.monotonic());
    closed->hold = hold;
    closed->rebuilt = true;
    closed->files = std::move(files);
    parts_.metrics.rebuilt(closed->volume);
    std::vector<std::unique_ptr<ClosedBatch>> batches;
    batches.push_back(std::move(closed));
    parts_.taker.take(std::move(batches));
  }

 private:
  // Has an entry of this group the tenant of the record? Then the others went into batches of theirs.
  bool has_mine(const Batch& batch, size_t begin, size_t end) {
    for (size_t row = begin; row < end; row++)
      if (outgoing_.at(*batch.label_sets, batch.labels[row]).tenant == record_.tenant) return true;
    return false;
  }

  const PushPortParts& parts_;
  const BatchRecord& record_;
  OutgoingLabels outgoing_;
  OpenBatch batch_;
};

std::unique_ptr<Rebuild> PushPort::rebuild(const BatchRecord& record) {
  return std::make_unique<RebuiltBatch>(parts_, record);
}

}  // namespace agent
