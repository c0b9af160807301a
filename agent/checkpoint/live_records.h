// LiveRecords: which batch records of one sink are on disk, and which of them nobody needs any more.
//
// A record is needed until its batch is acked and, for each file in it, the sink's position has passed its last byte:
// up to then it says which bytes above the position must not be sent again. Thread: one (the store's worker).
#pragma once

#include <cstdint>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/checkpoint/records.h"

namespace agent {

class LiveRecords {
 public:
  void add(const BatchRecord& record);
  void ack(BatchNumber number);
  void pass(FileId file, uint64_t position);
  void forget(FileId file);  // nothing of it is needed any more

  // Removes the records that are not needed and returns their numbers.
  std::vector<BatchNumber> take_finished();
  void collect_labels(std::unordered_set<uint64_t>& keys) const;  // those that records still name
  size_t size() const { return records_.size(); }

 private:
  struct Live {
    bool acked = false;
    std::vector<std::pair<FileId, uint64_t>> ends;  // per file the end of its last byte
    std::vector<uint64_t> labels;
  };
  bool passed(const Live& live) const;

  std::map<BatchNumber, Live> records_;
  IdMap<FileId, uint64_t> positions_;
  std::unordered_set<FileId> forgotten_;  // only files that a record still names
};

}  // namespace agent
