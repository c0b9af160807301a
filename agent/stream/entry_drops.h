// EntryDrops: what relabel rules and stages drop of a stream, told to its account in entries: DropCounts count the
// lines as the stages saw them.
//
// Thread: the reader's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/ledger/stream_account.h"
#include "agent/source/source_metrics.h"
#include "pipeline/model/batch.h"
#include "pipeline/stage/drop_counts.h"

namespace agent {

class EntryDrops {
 public:
  static constexpr std::string_view kRelabel = "relabel";  // the reason of what the rules drop

  EntryDrops(StreamAccount& account, SourceMetrics& metrics) : account_(account), metrics_(metrics) {}

  pipeline::DropCounts counts;  // reset by tell()

  void begin(uint64_t number);  // of the first entry of the next batch
  void add_entry(size_t bytes);

  // The entries that the rows of `batch` are made of, of those added.
  EntryVolume volume_of(const pipeline::Batch& batch) const;

  void tell(const std::string& origin);  // as the stages saw it
  // Exactly, where nothing was and is held back: of several reasons each has its share of what is not in `batch` any
  // more.
  void tell(const std::string& origin, const EntryVolume& before, const pipeline::Batch& batch);

 private:
  void drop(const std::string& origin, std::string_view reason, const EntryVolume& volume);

  StreamAccount& account_;
  SourceMetrics& metrics_;
  uint64_t first_ = 1;
  std::vector<uint32_t> sizes_;  // from first_ on
};

}  // namespace agent
