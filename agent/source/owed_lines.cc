#include "agent/source/owed_lines.h"

#include <algorithm>

#include "agent/sink/line_group.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/varint.h"
#include "pipeline/stage/stage.h"

namespace agent {

using pipeline::Batch;
using pipeline::ByteRange;
using pipeline::zigzag;

namespace {
constexpr uint64_t kPieceOverhead = 256;          // bytes of a piece beside its ranges
constexpr uint64_t kNothing = uint64_t{1} << 63;  // stands before all bytes

// zz begin - end of the one before | end - begin | zz read time - that of the one before
void append_range(std::string& out, const LineRange& range, const LineRange& before) {
  pipeline::append_varint(out, zigzag(static_cast<int64_t>(range.begin - before.end)));
  pipeline::append_varint(out, range.end - range.begin);
  pipeline::append_varint(out, zigzag(range.first_read_time - before.first_read_time));
}

std::vector<LineRange> decode_ranges(std::string_view bytes, const LineRange& last) {
  std::vector<LineRange> ranges;
  pipeline::ByteReader reader(bytes);
  for (LineRange before; !reader.at_end(); before = ranges.back()) {
    LineRange range;
    range.begin = before.end + static_cast<uint64_t>(reader.signed_varint());
    range.end = range.begin + reader.varint();
    range.first_read_time = before.first_read_time + reader.signed_varint();
    ranges.push_back(range);
  }
  INVARIANT(reader.ok());
  ranges.push_back(last);
  return ranges;
}
}  // namespace

OwedLines::~OwedLines() {
  for (const auto& [id, file] : files_)
    for (const StoredPiece& piece : file.pieces) memory_.release(piece.memory);
}

void OwedLines::note(const OfferedFile& offered, const Batch& batch, const KeptOf& kept, const FilePosition& passed,
                     const ElderFiles* elders) {
  auto [at, is_new] = files_.try_emplace(offered.id);
  OfFile& file = at->second;
  if (is_new) {
    file.handle = offered.handle;
    file.source = offered.source;
    turns_.push_back(offered.id);
  }
  if (file.pieces.empty() || file.pieces.back().bytes >= kPieceBytes) file.pieces.emplace_back();
  StoredPiece& piece = file.pieces.back();
  if (elders) piece.elders = *elders;
  for (size_t row = 0, end = 0; row < batch.size(); row = end) {
    end = group_end(batch, row);
    if (is_kept(elders, offered.id, batch.origins_of(row), kept)) continue;
    for (uint64_t noted_end = kNothing; row < end; row++) {
      for (const ByteRange& origin : batch.origins_of(row)) {
        if (pipeline::stands_before(origin.begin, noted_end)) continue;
        const FileBytes bytes = locate(elders, offered.id, origin);
        add(piece, batch.label_sets->text(batch.first_labels[row]), bytes);
        if (bytes.elder != nullptr) note_begun(piece, bytes);
        if (end - row > 1) noted_end = origin.begin + 1;
      }
    }
  }
  piece.passed = passed;
  count_memory(piece);
}

uint64_t OwedLines::bytes_of(FileId file) const {
  uint64_t bytes = 0;
  if (auto found = files_.find(file); found != files_.end())
    for (const StoredPiece& piece : found->second.pieces) bytes += piece.bytes;
  return bytes;
}

void OwedLines::note_elder(FileId file, const FilePosition& elder) {
  files_.at(file).pieces.back().elders_passed.push_back(elder);
}

void OwedLines::raise(const FilePosition& passed) {
  FilePosition& last = files_.at(passed.file).pieces.back().passed;
  last.position = std::max(last.position, passed.position);
}

FilePosition OwedLines::held_back(const FilePosition& passed) {
  auto found = begun_.find(passed.file);
  if (found == begun_.end() || passed.position <= found->second.from) return passed;
  Begun& begun = found->second;
  if (!begun.passed || begun.passed->position < passed.position) begun.passed = passed;
  return {passed.file, begun.from, passed.last_read_time};
}

void OwedLines::note_begun(StoredPiece& piece, const FileBytes& bytes) {
  Begun& begun = begun_[bytes.file];
  begun.from = std::min(begun.from, bytes.range.begin);
  if (std::find(piece.begun.begin(), piece.begun.end(), bytes.file) != piece.begun.end()) return;
  piece.begun.push_back(bytes.file);
  begun.pieces++;
}

// The piece is handed on, or lost: what was held back for it is passed after it.
void OwedLines::release_begun(StoredPiece& piece) {
  for (FileId elder : piece.begun) {
    auto found = begun_.find(elder);
    if (--found->second.pieces > 0) continue;
    if (found->second.passed) piece.elders_passed.push_back(*found->second.passed);
    begun_.erase(found);
  }
}

OwedLines::Segment& OwedLines::segment_for(StoredPiece& piece, FileId file, const std::string& labels) {
  if (!piece.segments.empty() && piece.segments.back().file == file && *piece.segments.back().labels == labels)
    return piece.segments.back();
  Segment& segment = piece.segments.emplace_back();
  segment.file = file;
  for (const Segment& other : piece.segments)
    if (other.labels && *other.labels == labels) segment.labels = other.labels;
  if (!segment.labels) segment.labels = std::make_shared<const std::string>(labels);
  return segment;
}

void OwedLines::add(StoredPiece& piece, const std::string& labels, const FileBytes& bytes) {
  const ByteRange& origin = bytes.range;
  Segment& segment = segment_for(piece, bytes.file, labels);
  piece.bytes += origin.end - origin.begin;
  bytes_ += origin.end - origin.begin;
  LineRange& last = segment.last;
  if (last.end > last.begin && last.end == origin.begin && segment.next_read_time == origin.read_time) {
    last.end = origin.end;
  } else {
    if (last.end > last.begin) append_range(segment.ranges, last, segment.before), segment.before = last;
    last = {origin.begin, origin.end, origin.read_time};
  }
  segment.next_read_time = origin.read_time + 1;
}

void OwedLines::count_memory(StoredPiece& piece) {
  uint64_t now = kPieceOverhead;
  for (const Segment& segment : piece.segments) now += sizeof(Segment) + segment.ranges.capacity();
  memory_.add(now - piece.memory);  // it only grows
  piece.memory = now;
}

OwedLines::Piece OwedLines::take() {
  INVARIANT(!empty());
  const FileId id = turns_.front();
  turns_.pop_front();
  OfFile& file = files_.at(id);
  StoredPiece& first = file.pieces.front();
  release_begun(first);
  Piece piece{
      id,         file.handle, file.source, {}, std::move(first.elders), first.passed, std::move(first.elders_passed),
      first.bytes};
  for (Segment& segment : first.segments)
    piece.segments.push_back({segment.file, std::move(segment.labels), decode_ranges(segment.ranges, segment.last)});
  bytes_ -= first.bytes;
  memory_.release(first.memory);
  file.pieces.pop_front();
  if (file.pieces.empty())
    files_.erase(id);
  else
    turns_.push_back(id);
  return piece;
}

void OwedLines::put_off() {
  turns_.push_back(turns_.front());
  turns_.pop_front();
}

void OwedLines::reopen(FileId file, std::shared_ptr<FileHandle> handle) {
  auto found = files_.find(file);
  if (found != files_.end()) found->second.handle = std::move(handle);
}

OwedLines::Forgotten OwedLines::forget(FileId id) {
  Forgotten forgotten;
  auto at = files_.find(id);
  if (at == files_.end()) return forgotten;
  for (StoredPiece& piece : at->second.pieces) {
    release_begun(piece);
    forgotten.lost_bytes += piece.bytes;
    forgotten.elders_passed.insert(forgotten.elders_passed.end(), piece.elders_passed.begin(),
                                   piece.elders_passed.end());
    memory_.release(piece.memory);
  }
  bytes_ -= forgotten.lost_bytes;
  files_.erase(at);
  std::erase(turns_, id);
  return forgotten;
}

}  // namespace agent
