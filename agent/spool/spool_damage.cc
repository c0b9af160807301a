#include "agent/spool/spool_damage.h"

#include <algorithm>
#include <functional>

#include "agent/spool/spool_losses.h"

namespace agent {

using pipeline::concat;
using pipeline::FileSystem;
using pipeline::Result;

namespace {

struct OpenSegment {
  std::string path;
  std::unique_ptr<pipeline::File> file;
  SpoolSegmentIndex index;
  std::unordered_set<uint64_t> marks;
};

Result<OpenSegment> open_segment(FileSystem& files, const std::string& folder, const SpoolName& name) {
  OpenSegment segment;
  segment.path = concat(folder, "/", name.text());
  TRY_LET(segment.file, files.open_to_read(segment.path));
  TRY_LET(segment.index, read_spool_index(*segment.file, name.salt));
  auto marks = read_spool_marks(files, segment.path + ".done", name.salt);
  if (!marks) return pipeline::fail(marks.error());
  segment.marks = *std::move(marks);
  TRY_LET(auto lost, read_spool_losses(files, concat(folder, "/", kSpoolLossesName)));
  for (const LostFrame& frame : lost)
    if (frame.salt == name.salt) segment.marks.insert(frame.offset);
  return segment;
}

// Also what the index hides: a damaged magic, and bytes that belong to no frame.
Result<void> find_damage(const OpenSegment& segment, SpoolSegmentReport& report) {
  const SpoolSegmentIndex& index = segment.index;
  TRY_LET(std::string magic, segment.file->read(0, kSpoolMagic.size()));
  if (magic != kSpoolMagic && magic != kSpoolMagicV1)
    report.damage.push_back("the segment does not begin as one of version 1 or 2");
  if (index.damaged_places > 0)
    report.damage.push_back(concat(index.damaged_bytes, " bytes in ", index.damaged_places, " places are no frames"));
  for (const SpoolEntry& entry : index.entries)
    if (auto frame = read_spool_frame(*segment.file, entry, report.name.salt); !frame)
      report.damage.push_back(concat(frame.error().message, " (", entry.entries, " entries)"));
  if (index.sealed || index.good_end == index.size) return {};
  TRY_LET(std::string tail, segment.file->read(index.good_end, index.size - index.good_end));
  std::string_view end = std::string_view(tail).substr(tail.size() - std::min(tail.size(), kSpoolIndexEndBytes));
  if (begins_spool_index(tail) || parse_spool_index_end(end, report.name.salt))
    report.damage.push_back("the index is damaged");
  return {};
}

}  // namespace

Result<std::vector<SpoolName>> list_spool(FileSystem& files, const std::string& folder) {
  TRY_LET(auto names, files.list(folder));
  std::vector<SpoolName> segments;
  for (const std::string& name : names)
    if (auto parsed = SpoolName::parse(name)) segments.push_back(*parsed);
  return segments;
}

Result<SpoolSegmentReport> inspect_segment(FileSystem& files, const std::string& folder, const SpoolName& name,
                                           SpoolCheck check, const std::function<void(const SpoolEntry&)>& on_waiting) {
  TRY_LET(auto segment, open_segment(files, folder, name));
  const SpoolSegmentIndex& index = segment.index;
  SpoolSegmentReport report;
  report.name = name;
  report.path = segment.path;
  report.sealed = index.sealed;
  report.bytes = index.size;
  report.frames = index.entries.size();
  report.open_end_bytes = index.sealed ? 0 : index.size - index.good_end;
  for (const SpoolEntry& entry : index.entries) {
    if (segment.marks.contains(entry.offset)) continue;
    if (on_waiting) on_waiting(entry);
    ++report.waiting_frames;
    report.waiting_entries += entry.entries;
    report.waiting_line_bytes += entry.line_bytes;
    if (!report.closed) report.closed.emplace(entry.closed, entry.closed);
    report.closed->first = std::min(report.closed->first, entry.closed);
    report.closed->second = std::max(report.closed->second, entry.closed);
  }
  if (check == SpoolCheck::kBodies) TRY(find_damage(segment, report));
  return report;
}

Result<void> read_segment(FileSystem& files, const std::string& folder, const SpoolName& name,
                          const std::function<void(SpoolFrame)>& on_frame) {
  TRY_LET(auto segment, open_segment(files, folder, name));
  for (const SpoolEntry& entry : segment.index.entries) {
    if (segment.marks.contains(entry.offset)) continue;
    if (auto frame = read_spool_frame(*segment.file, entry, name.salt)) on_frame(std::move(*frame));
  }
  return {};
}

Result<uint64_t> repair_segment(FileSystem& files, const std::string& folder, const SpoolName& name) {
  const SpoolName repaired{name.number, ~name.salt};
  std::string old_path = concat(folder, "/", name.text()), path = concat(folder, "/", repaired.text());
  (void)files.remove(path + ".tmp");  // of a repair that was interrupted
  TRY_LET(auto out, files.create(path + ".tmp"));
  TRY(out->append(kSpoolMagic));
  TRY_LET(auto segment, open_segment(files, folder, name));
  std::vector<SpoolEntry> entries;
  std::vector<LostFrame> lost;
  uint64_t at = kSpoolMagic.size();
  for (const SpoolEntry& entry : segment.index.entries) {
    if (segment.marks.contains(entry.offset)) continue;
    auto frame = read_spool_frame(*segment.file, entry, name.salt);
    if (!frame) {
      SpoolVolume volume;
      volume.add(entry);
      lost.push_back({name.salt, entry.offset, entry.number, {{"spool:corrupt", "", volume, entry.origins}}});
      continue;
    }
    std::string bytes;
    append_spool_header(bytes, *frame, repaired.salt);
    entries.push_back(spool_entry(*frame, at));
    at += entries.back().bytes;
    bytes += *frame->body;
    TRY(out->append(bytes));
  }
  TRY_LET(auto losses, SpoolLosses::open(files, folder));
  TRY(out->append(spool_index(entries, at, repaired.salt)));
  TRY(out->sync());
  losses->add(lost);
  losses->sync();
  // Both under their number for a moment would be worse than neither: what is between the two stands in .damaged.
  TRY(files.rename(old_path, old_path + ".damaged"));
  TRY(files.rename(path + ".tmp", path));
  (void)files.remove(old_path + ".done");
  TRY(files.sync_folder(folder));
  return entries.size();
}

}  // namespace agent
