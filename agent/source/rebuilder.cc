#include "agent/source/rebuilder.h"

#include <algorithm>

#include "pipeline/base/log.h"

namespace agent {

using pipeline::LabelSet;
using pipeline::LabelTable;

Rebuilder::Rebuilder(const std::vector<std::shared_ptr<const SourceOptions>>& sources,
                     const std::vector<std::unique_ptr<SourceMetrics>>& metrics, pipeline::Counter& lost_bytes,
                     std::shared_ptr<const FoundFiles> files, BlockReader& block, LabelTable& labels)
    : sources_(sources),
      metrics_(metrics),
      lost_bytes_(lost_bytes),
      files_(*files),
      block_(block),
      labels_(labels),
      batch_(labels) {}

void Rebuilder::add_files(const FoundFiles& files) {
  files.for_each([&](FileId id, const FoundFile& file) {
    FoundFile& known = files_[id];
    if (is_away(known)) known = file;
  });
}

void Rebuilder::scanned(const FoundFiles& files) {
  std::vector<FileId> away;
  files_.for_each([&](FileId id, const FoundFile& file) {
    if (is_away(file)) away.push_back(id);
  });
  for (FileId id : away) files_.erase(id);
  add_files(files);
}

bool Rebuilder::may_come(const BatchRecord& record) const {
  return std::any_of(record.segments.begin(), record.segments.end(), [&](const RecordSegment& segment) {
    const FoundFile* file = files_.find(segment.file);
    return file != nullptr && is_away(*file);
  });
}

bool Rebuilder::can_read(const BatchRecord& record) const {
  return std::all_of(record.segments.begin(), record.segments.end(), [&](const RecordSegment& segment) {
    const FoundFile* file = files_.find(segment.file);
    return file == nullptr || is_away(*file) || file->handle->is_open() || file->handle->status();
  });
}

std::vector<Rebuilder::Lost> Rebuilder::rebuild(const BatchRecord& record, SinkPort& port) {
  std::vector<Lost> all_lost;
  std::unique_ptr<Rebuild> out = port.rebuild(record);
  States states;
  FileId first;
  for (const RecordSegment& segment : record.segments) {
    if (!segment.continues) first = segment.file;
    const FoundFile* file = files_.find(segment.file);
    uint64_t lost = 0;
    if (file != nullptr && !is_away(*file)) {
      LabelTable::Id labels = labels_.intern(LabelSet::parse(*segment.labels).value_or(LabelSet()));
      for (const LineRange& range : segment.ranges) {
        lost += read_range(first, segment.file, *file, labels, range, states, *out);
      }
      if (lost > 0) metrics_[file->source]->lost_bytes.add(lost);
    } else {
      for (const LineRange& range : segment.ranges) lost += range.end - range.begin;
      lost_bytes_.add(lost);
    }
    if (lost > 0) {
      uint64_t end = 0;
      for (const LineRange& range : segment.ranges) end = std::max(end, range.end);
      all_lost.push_back({segment.file, lost, end});
      pipeline::log_error("bytes of an unacknowledged batch cannot be read again",
                          {{"labels", *segment.labels}, {"file_id", segment.file.value}, {"lost_bytes", lost}});
    }
  }
  for (auto& [id, held] : states) {
    batch_.clear();
    sources_[held.source]->stages->flush(batch_, *held.state, drops_);
    if (!batch_.empty()) out->append(batch_, id);
  }
  out->finish();
  drops_.reset();
  return all_lost;
}

uint64_t Rebuilder::read_range(FileId first, FileId id, const FoundFile& file, LabelTable::Id labels,
                               const LineRange& range, States& states, Rebuild& out) {
  const bool was_open = file.handle->is_open();
  Cursor cursor;
  cursor.position = range.begin;
  pipeline::UnixNanos time = range.first_read_time;
  while (cursor.position < range.end) {
    batch_.clear();
    auto outcome =
        block_.read_until(range.end, *file.handle, cursor, sources_[file.source]->max_line_bytes, labels, time, batch_);
    if (!outcome) {
      pipeline::log_error("read of a tailed file failed", {{"file_id", id.value}, {"error", outcome.error()}});
      break;
    }
    time += static_cast<int64_t>(outcome->lines);
    hand_on(first, id, file, states, out);
    if (outcome->at_end) break;
  }
  if (!was_open) (void)file.handle->park();
  return range.end - cursor.position;
}

void Rebuilder::hand_on(FileId first, FileId id, const FoundFile& file, States& states, Rebuild& out) {
  const auto& stages = sources_[file.source]->stages;
  if (stages) {
    Held& held = states[first];
    if (!held.state) held = {stages->make_state(pipeline::StageUse::kRebuild), file.source};
    stages->process(batch_, *held.state, drops_);
  }
  if (!batch_.empty()) out.append(batch_, id);
}

}  // namespace agent
