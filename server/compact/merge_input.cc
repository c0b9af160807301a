#include "server/compact/merge_input.h"

#include <numeric>

#include "pipeline/base/invariant.h"

namespace server {

namespace {

// Small, because many inputs are open at once; still several compressed pages.
constexpr uint64_t kReadAheadBytes = 128 << 10;

std::vector<uint32_t> all_pages(const ObjectReader& object) {
  std::vector<uint32_t> out(object.pages().size());
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

}  // namespace

MergeInput::MergeInput(std::shared_ptr<const ObjectReader> object)
    : object_(std::move(object)),
      cursor_(object_, all_pages(*object_), kReadAheadBytes),
      run_count_(object_->all_runs().size()) {}

Result<MergeInput> MergeInput::open(ObjectStore& store, const ObjectRow& row) {
  TRY_LET(auto object, ObjectReader::open(store, row.key, row.summary.size, row.summary.footer_length));
  MergeInput input(std::move(object));
  TRY(input.next_stream());
  return input;
}

const std::string& MergeInput::tenant() const { return object_->tenants()[object_->streams()[run().stream].tenant]; }

const PageRun& MergeInput::run() const { return object_->all_runs()[run_]; }

Result<void> MergeInput::load_run() {
  while (run_ >= page_run_end_) {
    cursor_.next();
    page_run_end_ += object_->pages()[cursor_.page()].runs;
    if (run_ >= page_run_end_) continue;
    TRY_LET(page_, cursor_.entries());
  }
  rows_ = page_.slice(run().first_row, run().first_row + run().rows);
  return {};
}

Result<void> MergeInput::consume(size_t rows) {
  rows_ = rows_.slice(rows, rows_.size());
  if (!rows_.empty()) return {};
  uint32_t stream = run().stream;
  ++run_;
  if (run_ < run_count_ && run().stream == stream) return load_run();
  return {};
}

Result<void> MergeInput::next_stream() {
  INVARIANT(rows_.empty());
  if (at_end()) return {};
  labels_ = object_->labels(object_->streams()[run().stream]);
  return load_run();
}

}  // namespace server
