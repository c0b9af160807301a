// OwedLines: what was read for other sinks while one was full: the lines that its entries are made of, to be read again
// for it once it has room. They go through the stages as after a crash (rebuilder.h): the same entries come out.
//
// A piece is what one file gave in a row, up to kPieceBytes; those of one file are taken in order, files take turns.
//
// Thread:  the shard's.
// Limits:  some bytes for each run of lines without a gap, counted in the memory budget: for a file of which every line
//          is sent, 0.1 per mille of what is owed; where every second line is dropped, up to 5 %.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/elder_files.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/memory_budget.h"
#include "agent/source/file_reader.h"
#include "pipeline/model/batch.h"

namespace agent {

class OwedLines {
 public:
  static constexpr uint64_t kPieceBytes = 256 << 10;

  explicit OwedLines(MemoryBudget& memory) : memory_(memory) {}
  ~OwedLines();
  OwedLines(const OwedLines&) = delete;
  OwedLines& operator=(const OwedLines&) = delete;

  bool empty() const { return files_.empty(); }
  bool owes(FileId file) const { return files_.contains(file); }
  uint64_t bytes() const { return bytes_; }  // of lines
  uint64_t bytes_of(FileId file) const;

  // As SinkPort::append() would get it. `kept`: what the sink has of a file from an earlier run, or null.
  using KeptOf = std::function<const KeptRanges::OfFile*(FileId)>;
  void note(const OfferedFile& file, const pipeline::Batch& batch, const KeptOf& kept, const FilePosition& passed,
            const ElderFiles* elders = nullptr);
  // An elder of `file` is passed once everything that `file` owes now is handed on.
  void note_elder(FileId file, const FilePosition& elder);
  void raise(const FilePosition& passed);  // of a file that owes something: by its last piece
  // Does something that a younger file owes begin in this one? Then the sink may be told that the file is passed no
  // further than held_back() says; the rest of it comes with Piece::elders_passed.
  bool begins_in(FileId file) const { return begun_.contains(file); }
  FilePosition held_back(const FilePosition& passed);

  struct Piece {
    FileId file;
    std::shared_ptr<FileHandle> handle;
    size_t source = 0;
    std::vector<RecordSegment> segments;  // of the file, or of one of the elders
    ElderFiles elders;
    FilePosition passed;  // once this piece was handed on
    std::vector<FilePosition> elders_passed;
    uint64_t bytes = 0;
  };
  Piece take();  // the next one; not empty()
  size_t files() const { return turns_.size(); }
  FileId next_file() const { return turns_.front(); }  // whose piece take() gives
  const std::shared_ptr<FileHandle>& next_handle() const { return files_.at(turns_.front()).handle; }
  void put_off();                                                // it is another file's turn
  void reopen(FileId file, std::shared_ptr<FileHandle> handle);  // its bytes are there now
  struct Forgotten {
    uint64_t lost_bytes = 0;
    std::vector<FilePosition> elders_passed;
  };
  Forgotten forget(FileId file);  // the file has other bytes now

 private:
  struct Segment {
    FileId file;
    std::shared_ptr<const std::string> labels;
    std::string ranges;  // all but the last, as varints: see append_range()
    LineRange before;    // the one before the last
    LineRange last;
    pipeline::UnixNanos next_read_time = 0;  // that continues the last one
  };
  struct StoredPiece {
    std::vector<Segment> segments;
    ElderFiles elders;
    FilePosition passed;
    std::vector<FilePosition> elders_passed;
    std::vector<FileId> begun;  // elders in which an entry of it begins
    uint64_t bytes = 0;
    uint64_t memory = 0;  // counted in the budget
  };
  struct Begun {
    size_t pieces = 0;
    uint64_t from = ~uint64_t{0};
    std::optional<FilePosition> passed;  // held back
  };
  struct OfFile {
    std::shared_ptr<FileHandle> handle;
    size_t source = 0;
    std::deque<StoredPiece> pieces;
  };

  Segment& segment_for(StoredPiece& piece, FileId file, const std::string& labels);
  void add(StoredPiece& piece, const std::string& labels, const FileBytes& bytes);
  void note_begun(StoredPiece& piece, const FileBytes& bytes);
  void release_begun(StoredPiece& piece);
  void count_memory(StoredPiece& piece);

  MemoryBudget& memory_;
  std::map<FileId, OfFile> files_;
  std::map<FileId, Begun> begun_;  // by elder
  std::deque<FileId> turns_;       // each of files_ once
  uint64_t bytes_ = 0;
};

}  // namespace agent
