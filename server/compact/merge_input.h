// MergeInput: one object being merged away: its entries of some hours, in order, one run at a time, without those that
// exist no more.
//
//   while (!input.at_end()) {                    // a stream
//     use(input.tenant(), input.labels());
//     while (!input.rows().empty()) {            // entries of it, from one page
//       use(input.rows());
//       TRY(input.consume(n));
//     }
//     TRY(input.next_stream());
//   }
//
// Thread: one. Memory: one page, what its cursor has read ahead (128 KiB, or one page of each column), and the
// directory. Errors: those of PageCursor, but for
// pages that Damage::kIsLeftOut leaves out and counts.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/erase/erasures.h"
#include "server/store/object_reader.h"

namespace server {

// What a merge left out.
struct MergeErased {
  std::map<uint64_t, ErasedCount> by_request;
  uint64_t expired = 0;     // entries past their retention
  uint64_t unreadable = 0;  // entries of pages that cannot be read
};

enum class Damage { kFails, kIsLeftOut };  // what becomes of a page that cannot be read

class MergeInput {
 public:
  // Entries with first <= time <= last. `erasures` and `erased` outlive the input.
  static Result<MergeInput> open(std::shared_ptr<const ObjectReader> object, UnixNanos first, UnixNanos last,
                                 const Erasures& erasures, Damage damage, MergeErased& erased);

  bool at_end() const { return run_ == run_count_; }
  const std::string& tenant() const { return object_->tenants()[tenant_]; }
  const pipeline::LabelSet& labels() const { return *labels_; }

  const EntrySlice& rows() const { return rows_; }  // empty: no further entries of this stream
  Result<void> consume(size_t rows);
  Result<void> next_stream();  // once rows() is empty

 private:
  MergeInput(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages, UnixNanos first, UnixNanos last,
             const Erasures& erasures, Damage damage, MergeErased& erased);
  PageRun run() const;
  Result<void> next_rows();
  Result<void> load_run();
  Result<void> load_page();
  void keep(uint32_t first, uint32_t last);

  std::shared_ptr<const ObjectReader> object_;
  PageCursor cursor_;
  const UnixNanos first_time_, last_time_;
  const Erasures* erasures_;
  Damage damage_;
  MergeErased* erased_;
  size_t run_ = 0, run_count_ = 0;  // over the whole object
  mutable size_t page_number_ = 0;  // that of run_, or one before
  bool cursor_begun_ = false, page_is_read_ = false;
  uint32_t tenant_ = 0;
  std::optional<Eraser> eraser_;                     // of tenant_
  std::unique_ptr<pipeline::LabelSet> labels_;       // a stable address: the eraser looks at it
  std::vector<std::pair<uint32_t, uint32_t>> kept_;  // rows of the page, of run_
  size_t kept_at_ = 0;
  EntrySlice page_, rows_;
};

}  // namespace server
