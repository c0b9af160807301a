#include "agent/source/block_reader.h"

#include <algorithm>
#include <cstring>

#include "pipeline/base/invariant.h"
#include "pipeline/match/line_splitter.h"

namespace agent {

using pipeline::Batch;
using pipeline::LabelTable;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {
std::string_view without_mark(std::string_view line, uint64_t position) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  return position == 0 && line.starts_with(kByteOrderMark) ? line.substr(kByteOrderMark.size()) : line;
}
}  // namespace

BlockReader::BlockReader(MemoryBudget& memory) : memory_(memory) { reserve(kBlockBytes); }

BlockReader::~BlockReader() { memory_.release(capacity_); }

void BlockReader::reserve(size_t bytes) {
  if (bytes <= capacity_) return;
  size_t capacity = (bytes + 4095) / 4096 * 4096;
  char* block = static_cast<char*>(std::aligned_alloc(4096, capacity + 4096));  // the padding is in the last 4 KiB
  INVARIANT(block != nullptr);
  if (block_) std::memcpy(block, block_.get(), capacity_);
  std::memset(block + capacity, 0, kBlockPadding);
  memory_.add(capacity - capacity_);
  block_.reset(block);
  capacity_ = capacity;
}

void BlockReader::shrink() {
  if (capacity_ == kBlockBytes) return;
  memory_.release(capacity_);
  block_.reset();
  capacity_ = 0;
  reserve(kBlockBytes);
}

// Fills the block from `position`; with more than kBlockBytes only when there is no newline yet and a line may be
// longer.
Result<BlockReader::Filled> BlockReader::fill(const FileHandle& file, uint64_t position, size_t max_line_bytes) {
  TRY_LET(size_t size, file.read_at(position, block_.get(), kBlockBytes));
  newlines_.clear();
  pipeline::find_newlines({block_.get(), size}, newlines_);
  if (!newlines_.empty() || size < kBlockBytes || size > max_line_bytes) return Filled{size, size < kBlockBytes};
  reserve(max_line_bytes + 1);
  TRY_LET(size_t more, file.read_at(position + size, block_.get() + size, max_line_bytes + 1 - size));
  size += more;
  pipeline::find_newlines({block_.get(), size}, newlines_);
  return Filled{size, size <= max_line_bytes};
}

Result<BlockReader::Outcome> BlockReader::read(const FileHandle& file, Cursor& cursor, size_t max_line_bytes, Tail tail,
                                               LabelTable::Id labels, UnixNanos first_read_time, Batch& out) {
  if (cursor.cut_line_at) return skip_cut_line(file, cursor);
  TRY_LET(Filled filled, fill(file, cursor.position, max_line_bytes));
  std::string_view text(block_.get(), filled.size);
  if (newlines_.empty() && text.size() > max_line_bytes) {  // its end is not in sight
    out.add(without_mark(text.substr(0, max_line_bytes), cursor.position), first_read_time, labels,
            {cursor.position, cursor.position + max_line_bytes, first_read_time});
    cursor.cut_line_at = cursor.seen = cursor.position + text.size();
    return Outcome{.lines = 1, .cut_lines = 1, .cut_bytes = text.size() - max_line_bytes};
  }
  if (!filled.at_end) tail = Tail::kKeep;
  Outcome outcome = split_lines(text, cursor.position, max_line_bytes, tail, labels, first_read_time, out);
  outcome.at_end = filled.at_end;
  cursor.seen = std::max(cursor.seen, cursor.position + text.size());
  cursor.position += outcome.bytes;
  return outcome;
}

Result<BlockReader::Outcome> BlockReader::read_until(uint64_t end, const FileHandle& file, Cursor& cursor,
                                                     size_t max_line_bytes, LabelTable::Id labels,
                                                     UnixNanos first_read_time, Batch& out) {
  size_t want = std::min<uint64_t>(end - cursor.position, std::max(kBlockBytes, max_line_bytes + 1));
  reserve(want);
  TRY_LET(size_t size, file.read_at(cursor.position, block_.get(), want));
  newlines_.clear();
  pipeline::find_newlines({block_.get(), size}, newlines_);
  bool at_end = size < want || cursor.position + size == end;
  Tail tail = at_end && size == want ? Tail::kDeliver : Tail::kKeep;
  Outcome outcome =
      split_lines({block_.get(), size}, cursor.position, max_line_bytes, tail, labels, first_read_time, out);
  outcome.at_end = at_end || outcome.bytes == 0;
  cursor.position += outcome.bytes;
  return outcome;
}

BlockReader::Outcome BlockReader::split(std::string_view text, uint64_t position, size_t max_line_bytes, Tail tail,
                                        LabelTable::Id labels, UnixNanos first_read_time, Batch& out) {
  newlines_.clear();
  pipeline::find_newlines(text, newlines_);
  return split_lines(text, position, max_line_bytes, tail, labels, first_read_time, out);
}

// `newlines_` are those of `text`.
BlockReader::Outcome BlockReader::split_lines(std::string_view text, uint64_t position, size_t max_line_bytes,
                                              Tail tail, LabelTable::Id labels, UnixNanos first_read_time, Batch& out) {
  Outcome outcome;
  size_t begin = 0;
  auto add = [&](size_t end, size_t next) {
    std::string_view line = text.substr(begin, end - begin);
    if (line.size() > max_line_bytes) [[unlikely]] {
      outcome.cut_lines++, outcome.cut_bytes += line.size() - max_line_bytes;
      line = line.substr(0, max_line_bytes);
    } else if (next > end && line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    line = without_mark(line, position + begin);
    UnixNanos time = first_read_time + static_cast<int64_t>(outcome.lines++);
    out.add(line, time, labels, {position + begin, position + next, time});
    begin = next;
  };
  for (uint32_t newline : newlines_) add(newline, newline + 1);
  if (tail == Tail::kDeliver && begin < text.size()) add(text.size(), text.size());
  outcome.bytes = begin;
  return outcome;
}

// The rest of a cut line goes by, block after block.
Result<BlockReader::Outcome> BlockReader::skip_cut_line(const FileHandle& file, Cursor& cursor) {
  TRY_LET(size_t size, file.read_at(*cursor.cut_line_at, block_.get(), kBlockBytes));
  const char* newline = static_cast<const char*>(std::memchr(block_.get(), '\n', size));
  size_t skipped = newline == nullptr ? size : static_cast<size_t>(newline - block_.get());
  Outcome outcome{.at_end = size < kBlockBytes && newline == nullptr, .cut_bytes = skipped};
  cursor.cut_line_at = *cursor.cut_line_at + skipped;
  cursor.seen = *cursor.cut_line_at;
  if (newline != nullptr) {
    outcome.bytes = *cursor.cut_line_at + 1 - cursor.position;
    cursor.position = cursor.seen = *cursor.cut_line_at + 1;
    cursor.cut_line_at.reset();
  }
  return outcome;
}

}  // namespace agent
