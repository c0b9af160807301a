// Rebuilder: builds the unacknowledged batches of former runs again, from the bytes they were made of.
//
// Thread:  the shard's.
// Errors:  bytes that cannot be read any more are counted as lost, by source, and logged with the file.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "agent/source/block_reader.h"
#include "agent/source/file_reader.h"
#include "agent/source/source_metrics.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

class Rebuilder {
 public:
  // All references outlive the rebuilder; `metrics` has one per source, `lost_bytes` counts for files that are gone.
  Rebuilder(const std::vector<std::shared_ptr<const SourceOptions>>& sources,
            const std::vector<std::unique_ptr<SourceMetrics>>& metrics, pipeline::Counter& lost_bytes,
            std::shared_ptr<const FoundFiles> files, BlockReader& block, pipeline::LabelTable& labels);

  // False: one of its files is closed and was renamed a moment ago; its new name is on its way.
  [[nodiscard]] bool can_read(const BatchRecord& record) const;
  // One of its files may be in a folder that is not there yet.
  [[nodiscard]] bool may_come(const BatchRecord& record) const;
  struct Lost {
    FileId file;
    uint64_t bytes = 0, end = 0;  // the last of them ends there
  };
  // Returns what cannot be read any more.
  std::vector<Lost> rebuild(const BatchRecord& record, SinkPort& port);
  void add_files(const FoundFiles& files);  // found since
  void scanned(const FoundFiles& files);    // folders that were not there are, and more may be to come

 private:
  // What the stages hold of a file, and of those that it goes on in (RecordSegment::continues).
  struct Held {
    std::unique_ptr<pipeline::StageState> state;
    size_t source = 0;
  };
  using States = std::map<FileId, Held>;

  static bool is_away(const FoundFile& file) { return file.handle == nullptr; }
  // Returns the bytes that could not be read. `first`: the file in whose state the lines go.
  uint64_t read_range(FileId first, FileId id, const FoundFile& file, pipeline::LabelTable::Id labels,
                      const LineRange& range, States& states, Rebuild& out);
  void hand_on(FileId first, FileId id, const FoundFile& file, States& states, Rebuild& out);

  const std::vector<std::shared_ptr<const SourceOptions>>& sources_;
  const std::vector<std::unique_ptr<SourceMetrics>>& metrics_;
  pipeline::Counter& lost_bytes_;
  FoundFiles files_;
  BlockReader& block_;
  pipeline::LabelTable& labels_;
  pipeline::Batch batch_;
  pipeline::DropCounts drops_;  // not counted: they were, when the lines were read first
};

}  // namespace agent
