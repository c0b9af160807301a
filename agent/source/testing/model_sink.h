// ModelSink, ModelLedger: a sink, its checkpoint store and its server in memory, for tests. What survives a crash lies
// in ModelDisk and ModelServer; everything else is thrown away with the sink. Each step from a closed batch to its ack
// happens only when a test asks for it, so that a crash can fall between any two. Thread: one.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/progress.h"
#include "agent/sink/sink.h"
#include "agent/source/file_ledger.h"
#include "agent/source/rotated_name.h"

namespace agent::testing {

struct ModelServer {
  struct Entry {
    std::string labels, line;
    pipeline::UnixNanos time = 0;
    bool operator==(const Entry&) const = default;
  };
  std::map<BatchNumber, std::vector<Entry>> batches;
  uint64_t repeats = 0;            // batches that came again
  uint64_t different_repeats = 0;  // and were not the same
  uint64_t different_lines = 0;    // not even but for the order and times of their entries

  void take(BatchNumber number, const std::vector<Entry>& batch) {
    auto [it, fresh] = batches.emplace(number, batch);
    if (fresh) return;
    repeats++;
    if (it->second == batch) return;
    different_repeats++;
    auto lines = [](const std::vector<Entry>& entries) {
      std::multiset<std::pair<std::string, std::string>> all;
      for (const Entry& entry : entries) all.emplace(entry.labels, entry.line);
      return all;
    };
    if (lines(it->second) != lines(batch)) different_lines++;
  }
  std::vector<Entry> entries() const {
    std::vector<Entry> all;
    for (const auto& [number, batch] : batches) all.insert(all.end(), batch.begin(), batch.end());
    return all;
  }
};

struct ModelDisk {
  struct OfSink {
    uint64_t epoch = 0;
    std::map<FileId, FilePosition> positions;
    std::map<BatchNumber, BatchRecord> records;
  };
  std::map<FileId, FileRecord> files;
  uint64_t last_file = 0;
  std::vector<OfSink> sinks;
  pipeline::UnixNanos last_written = 0;  // set by the test
};

class ModelSink {
 public:
  ModelSink(ModelDisk& disk, size_t index, ModelServer& server)
      : mine_(disk.sinks[index]),
        server_(server),
        kept_(resume()),
        progress_(mine_.positions, [this](FilePosition first) { mine_.positions[first.file] = first; }) {
    mine_.epoch++;
    for (const auto& [number, record] : mine_.records) {
      if (record.acked) continue;
      unacked_.push_back(record);
      Progress::Hold hold = progress_.new_hold();
      rebuild_holds_[number] = hold;
      for (const RecordSegment& segment : record.segments) {
        for (const LineRange& range : segment.ranges) progress_.hold(hold, segment.file, range.begin);
      }
    }
  }

  std::unique_ptr<SinkPort> open_port() { return std::make_unique<Port>(*this); }
  const std::vector<BatchRecord>& unacked() const { return unacked_; }
  std::optional<FilePosition> position(FileId file) const { return progress_.position(file); }

  // --- what a test decides
  bool full = false;
  size_t close_at_entries = 50;

  bool close() {
    if (open_.entries.empty()) return false;
    open_.record.number = {mine_.epoch, ++last_seq_};
    closed_.push_back(std::move(open_));
    open_ = {};
    return true;
  }
  bool write_record() {
    return step(Stage::kClosed, Stage::kWritten, [&](Pending& b) { mine_.records[b.record.number] = b.record; });
  }
  bool send() {
    return step(Stage::kWritten, Stage::kSent, [&](Pending& b) { server_.take(b.record.number, b.entries); });
  }
  bool resend() {
    return step(Stage::kSent, Stage::kSent, [&](Pending& b) { server_.take(b.record.number, b.entries); });
  }
  bool ack() {
    return step(Stage::kSent, Stage::kAcked, [&](Pending& b) {
      mine_.records[b.record.number].acked = true;
      std::vector<FileId> files;
      for (const RecordSegment& segment : b.record.segments) files.push_back(segment.file);
      progress_.release(b.hold, files);
    });
  }
  void save_positions() {
    for (const FilePosition& position : progress_.take_changed()) mine_.positions[position.file] = position;
    std::erase_if(mine_.records, [&](const auto& entry) {
      const BatchRecord& record = entry.second;
      if (!record.acked) return false;
      for (const RecordSegment& segment : record.segments) {
        for (const LineRange& range : segment.ranges) {
          if (range.end > mine_.positions[segment.file].position) return false;
        }
      }
      return true;
    });
    std::erase_if(closed_, [](const Pending& b) { return b.stage == Stage::kAcked; });
  }
  void deliver_all() {
    close();
    while (write_record()) {}
    while (send()) {}
    while (ack()) {}
    save_positions();
  }

 private:
  enum class Stage { kClosed, kWritten, kSent, kAcked };
  struct Pending {
    BatchRecord record;
    std::vector<ModelServer::Entry> entries;
    Stage stage = Stage::kClosed;
    Progress::Hold hold = 0;
    uint64_t lines_in_range = 0;
  };

  class Port final : public SinkPort {
   public:
    explicit Port(ModelSink& sink) : sink_(sink) {}
    void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles* elders) override {
      sink_.append(batch, passed, elders);
    }
    const KeptRanges::OfFile* kept(FileId file) const override { return sink_.kept_.of(file); }
    std::optional<FilePosition> position(FileId file) const override { return sink_.progress_.position(file); }
    bool full() const override { return sink_.full; }
    std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
    void close_due(std::chrono::nanoseconds) override {}
    void close_all() override { sink_.close(); }
    std::unique_ptr<Rebuild> rebuild(const BatchRecord& record) override {
      return std::make_unique<Rebuilt>(sink_, record);
    }

   private:
    ModelSink& sink_;
  };

  class Rebuilt final : public Rebuild {
   public:
    Rebuilt(ModelSink& sink, const BatchRecord& record) : sink_(sink) { pending_.record = record; }
    const BatchRecord& record() const override { return pending_.record; }
    void append(const pipeline::Batch& batch, FileId) override {
      for (size_t i = 0; i < batch.size(); ++i) pending_.entries.push_back(entry(batch, i));
    }
    void finish() override {
      pending_.hold = sink_.rebuild_holds_.at(pending_.record.number);
      pending_.stage = Stage::kWritten;
      sink_.closed_.push_back(std::move(pending_));
    }

   private:
    ModelSink& sink_;
    Pending pending_;
  };

  static ModelServer::Entry entry(const pipeline::Batch& batch, size_t i) {
    return {batch.label_sets->text(batch.labels[i]), std::string(batch.lines[i]), batch.times[i]};
  }

  SinkResume resume() const {
    SinkResume resume;
    resume.positions = mine_.positions;
    for (const auto& [number, record] : mine_.records) resume.records.push_back(record);
    return resume;
  }

  void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles* elders) {
    for (size_t i = 0; i < batch.size(); ++i) {
      if (is_kept(elders, passed.file, batch.origins_of(i), [this](FileId file) { return kept_.of(file); })) continue;
      if (open_.entries.empty()) open_.hold = progress_.new_hold();
      open_.entries.push_back(entry(batch, i));
      bool goes_on = false;
      for (const pipeline::ByteRange& origin : batch.origins_of(i)) {
        const FileBytes bytes = locate(elders, passed.file, origin);
        note(batch, i, bytes.file, bytes.range, goes_on);
        if (bytes.elder != nullptr) goes_on = true;
      }
      if (open_.entries.size() >= close_at_entries) close();
    }
    if (passed.file) progress_.pass(passed);
  }

  void note(const pipeline::Batch& batch, size_t i, FileId file, const pipeline::ByteRange& origin, bool continues) {
    progress_.hold(open_.hold, file, origin.begin);
    auto& segments = open_.record.segments;
    const std::string& labels = batch.label_sets->text(batch.first_labels[i]);
    if (segments.empty() || segments.back().file != file || *segments.back().labels != labels ||
        (segments.back().continues && !continues)) {
      segments.push_back({file, std::make_shared<const std::string>(labels), {}, continues});
    }
    auto& ranges = segments.back().ranges;
    if (!ranges.empty() && ranges.back().end == origin.begin &&
        origin.read_time == ranges.back().first_read_time + static_cast<int64_t>(open_.lines_in_range)) {
      ranges.back().end = origin.end;
      open_.lines_in_range++;
    } else {
      ranges.push_back({origin.begin, origin.end, origin.read_time});
      open_.lines_in_range = 1;
    }
  }

  template <class Action>
  bool step(Stage from, Stage to, Action action) {
    for (Pending& batch : closed_) {
      if (batch.stage != from) continue;
      action(batch);
      batch.stage = to;
      return from != to;
    }
    return false;
  }

  ModelDisk::OfSink& mine_;
  ModelServer& server_;
  const KeptRanges kept_;
  Progress progress_;
  std::vector<BatchRecord> unacked_;
  std::map<BatchNumber, Progress::Hold> rebuild_holds_;
  Pending open_;
  std::deque<Pending> closed_;
  uint64_t last_seq_ = 0;
};

class ModelLedger final : public FileLedger {
 public:
  ModelLedger(ModelDisk& disk, const std::vector<std::unique_ptr<ModelSink>>& sinks) : disk_(disk), sinks_(sinks) {
    for (const auto& [id, record] : disk.files) unclaimed_.insert(id);
  }

  bool knows(const SourceOptions& source, InodeKey key) const override {
    for (FileId id : unclaimed_) {
      const FileRecord& record = disk_.files.at(id);
      if (!released_.contains(id) && record.source == source.name && record.dev == key.device &&
          record.inode == key.inode)
        return true;
    }
    return false;
  }
  std::optional<KnownFile> find(const SourceOptions& source, InodeKey key, const pipeline::SharedText& path,
                                std::string_view head, uint64_t size_bytes) override {
    std::optional<KnownFile> best;
    for (FileId id : unclaimed_) {
      const FileRecord& record = disk_.files.at(id);
      FileIdentity identity{{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
      if (record.source != source.name || !identity.matches(key, head)) continue;
      if (identity.is_weak() && !in_same_folder(record.path, path)) continue;
      KnownFile known = known_file(id, source);
      if (known.position > size_bytes) continue;
      auto released = released_.find(id);
      const bool blank = identity.is_blank(head, released == released_.end() ? known.position : released->second.first);
      if (blank && !is_name_or_rotation(record.path, path)) continue;
      known.is_anew = blank && record.path == path;
      if (!best || best->identity.fingerprint_bytes < identity.fingerprint_bytes) best = known;
    }
    if (!best) return best;
    unclaimed_.erase(best->id);
    if (auto released = released_.extract(best->id)) {
      best->position = released.mapped().first;
      best->cut_line_at = released.mapped().second;
    }
    return best;
  }
  std::vector<KnownFile> missing(const SourceOptions& source) const override {
    std::vector<KnownFile> all;
    for (FileId id : unclaimed_) {
      const FileRecord& record = disk_.files.at(id);
      if (record.source == source.name && !released_.contains(id)) all.push_back(known_file(id, source));
    }
    return all;
  }
  void claim(FileId file) override { unclaimed_.erase(file); }
  void give_back(FileId file) override { unclaimed_.insert(file); }
  FileId adopt(const SourceOptions& source, const FileIdentity& identity, const pipeline::SharedText& path,
               uint64_t birth_order) override {
    FileId id{++disk_.last_file};
    disk_.files[id] = {source.name,          identity.key.device,        identity.key.inode,
                       identity.fingerprint, identity.fingerprint_bytes, path,
                       birth_order};
    return id;
  }
  void dropped(const SourceOptions& source, FileId file, std::string_view reason, uint64_t bytes,
               uint64_t end) override {
    for (size_t sink : source.sinks) dropped_by(sink, file, reason, bytes, end);
  }
  void dropped_by(size_t sink, FileId, std::string_view reason, uint64_t bytes, uint64_t) override {
    losses[{sink, std::string(reason)}] += bytes;
  }
  std::map<std::pair<size_t, std::string>, uint64_t> losses;  // by sink and reason, of this run
  void set_birth_order(FileId file, uint64_t birth_order) override { disk_.files[file].birth_order = birth_order; }
  void update(FileId file, const FileIdentity& identity) override {
    FileRecord& record = disk_.files[file];
    if (InodeKey{record.dev, record.inode} != identity.key) copies_.insert(identity.key);
    record.dev = identity.key.device;
    record.inode = identity.key.inode;
    record.fingerprint = identity.fingerprint;
    disk_.files[file].fingerprint_length = identity.fingerprint_bytes;
  }
  bool is_copy(const SourceOptions&, InodeKey key) const override { return copies_.contains(key); }
  bool begins_like(FileId file, std::string_view head) const override {
    const FileRecord& record = disk_.files.at(file);
    FileIdentity identity{{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
    return head.size() < identity.fingerprint_bytes ||
           (identity.fingerprint_bytes > 0 && identity.matches(identity.key, head));
  }
  void release(FileId file, uint64_t position, std::optional<uint64_t> cut_line_at) override {
    unclaimed_.insert(file);
    released_[file] = {position, cut_line_at};
  }
  void finished(FileId file, uint64_t end) override { endings_.emplace_back(file, end); }
  void first_scan_done(const std::set<std::string>& sources) override {
    std::erase_if(unclaimed_, [&](FileId id) { return sources.contains(disk_.files.at(id).source.str()); });
  }
  void first_scan_kept(const std::string& source) override { kept.push_back(source); }
  std::vector<std::string> kept;  // sources whose first scan is
  uint64_t last_birth_order() const override {
    uint64_t last = 0;
    for (const auto& [id, record] : disk_.files) last = std::max(last, record.birth_order);
    return last;
  }

  std::vector<std::pair<FileId, uint64_t>> endings() const { return endings_; }

 private:
  KnownFile known_file(FileId id, const SourceOptions& source) const {
    const FileRecord& record = disk_.files.at(id);
    KnownFile known;
    known.id = id;
    known.identity = {{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
    known.path = record.path;
    known.birth_order = record.birth_order;
    known.known_until = disk_.last_written;
    known.position = ~uint64_t{0};
    for (size_t sink : source.sinks) {
      auto position = sinks_[sink]->position(id);
      known.position = std::min(known.position, position ? position->position : 0);
      if (position) known.last_read_time = std::max(known.last_read_time, position->last_read_time);
    }
    return known;
  }

  ModelDisk& disk_;
  const std::vector<std::unique_ptr<ModelSink>>& sinks_;
  std::set<FileId> unclaimed_;
  std::map<FileId, std::pair<uint64_t, std::optional<uint64_t>>> released_;
  std::set<InodeKey> copies_;
  std::vector<std::pair<FileId, uint64_t>> endings_;
};

}  // namespace agent::testing
