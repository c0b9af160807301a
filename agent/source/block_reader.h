// BlockReader: one reusable block of 256 KiB; reads a piece of a file into it and makes a batch of its whole lines.
//
// A line ends with a newline, which is not part of it; neither is one carriage return before it, nor a UTF-8 byte order
// mark at the start of the file. A line longer than max_line_bytes is cut: its beginning is an entry, the rest is
// counted and passed over. Its first byte stays the cursor's position until the end of the line has been seen, so that
// a checkpoint never falls into it.
//
// Thread:  one. The texts of a batch point into the block and die with the next call.
// Limits:  a line above 256 KiB that may be longer (max_line_bytes) makes the block grow, until shrink().
// Errors:  kIo of the read; the cursor has not moved then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "agent/sink/memory_budget.h"
#include "agent/source/file_handle.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/model/batch.h"

namespace agent {

constexpr size_t kBlockBytes = 256 * 1024;  // reads above that are slower: the block leaves the second-level cache
constexpr size_t kBlockPadding = 64;        // readable behind the last byte, for vector instructions

// Where reading of a file stands.
struct Cursor {
  uint64_t position = 0;                // the first line not handed on begins here
  std::optional<uint64_t> cut_line_at;  // the line at `position` was cut and handed on; its end is looked for from here

  // Everything below was looked at.
  uint64_t seen = 0;
};

enum class Tail { kKeep, kDeliver };  // what to do with bytes after the last newline at the end of the file

class BlockReader {
 public:
  explicit BlockReader(MemoryBudget& memory);
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  struct Outcome {
    size_t lines = 0;
    uint64_t bytes = 0;  // that the cursor moved
    bool at_end = false;
    uint64_t cut_lines = 0, cut_bytes = 0;
  };

  // Adds the next lines to `out`, which is empty. Line k is read at first_read_time + k.
  pipeline::Result<Outcome> read(const FileHandle& file, Cursor& cursor, size_t max_line_bytes, Tail tail,
                                 pipeline::LabelTable::Id labels, pipeline::UnixNanos first_read_time,
                                 pipeline::Batch& out);

  // The same for the bytes [cursor.position, end): recorded lines, read again. What stands before `end` without a
  // newline is a line too. at_end: `end` is reached, or the file ends before it.
  pipeline::Result<Outcome> read_until(uint64_t end, const FileHandle& file, Cursor& cursor, size_t max_line_bytes,
                                       pipeline::LabelTable::Id labels, pipeline::UnixNanos first_read_time,
                                       pipeline::Batch& out);

  // The same for bytes that come from elsewhere: `text` begins at `position` of its input; returns the bytes used.
  Outcome split(std::string_view text, uint64_t position, size_t max_line_bytes, Tail tail,
                pipeline::LabelTable::Id labels, pipeline::UnixNanos first_read_time, pipeline::Batch& out);

  void shrink();  // back to kBlockBytes

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  void reserve(size_t bytes);
  pipeline::Result<Outcome> skip_cut_line(const FileHandle& file, Cursor& cursor);
  struct Filled {
    size_t size = 0;
    bool at_end = false;
  };
  pipeline::Result<Filled> fill(const FileHandle& file, uint64_t position, size_t max_line_bytes);
  Outcome split_lines(std::string_view text, uint64_t position, size_t max_line_bytes, Tail tail,
                      pipeline::LabelTable::Id labels, pipeline::UnixNanos first_read_time, pipeline::Batch& out);

  MemoryBudget& memory_;
  size_t capacity_ = 0;
  std::unique_ptr<char, Free> block_;
  std::vector<uint32_t> newlines_;
};

}  // namespace agent
