// MergeInput: one object being merged away: its entries in order, one run at a time.
//
//   while (!input.at_end()) {                    // a stream
//     use(input.tenant(), input.labels());
//     while (!input.rows().empty()) {            // its entries from here to the end of their page
//       use(input.rows());
//       TRY(input.consume(n));
//     }
//     TRY(input.next_stream());
//   }
//
// Thread: one. Memory: one page, what its cursor has read ahead, and the directory. Errors: those of PageCursor.
#pragma once

#include <memory>
#include <string>

#include "pipeline/model/label_set.h"
#include "server/catalog/catalog.h"
#include "server/store/object_reader.h"

namespace server {

class MergeInput {
 public:
  static Result<MergeInput> open(ObjectStore& store, const ObjectRow& row);

  bool at_end() const { return run_ == run_count_; }
  const std::string& tenant() const;
  const pipeline::LabelSet& labels() const { return labels_; }

  const EntrySlice& rows() const { return rows_; }  // empty: no further entries of this stream
  Result<void> consume(size_t rows);
  Result<void> next_stream();  // once rows() is empty

  const ObjectReader& object() const { return *object_; }

 private:
  explicit MergeInput(std::shared_ptr<const ObjectReader> object);
  const PageRun& run() const;
  Result<void> load_run();

  std::shared_ptr<const ObjectReader> object_;
  PageCursor cursor_;
  size_t run_ = 0, run_count_ = 0;  // over the whole object
  size_t page_run_end_ = 0;         // where the runs of the loaded page end
  EntrySlice page_, rows_;
  pipeline::LabelSet labels_;
};

}  // namespace server
