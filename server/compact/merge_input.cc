#include "server/compact/merge_input.h"

#include "pipeline/base/invariant.h"

namespace server {

namespace {

// Small, because many inputs are open at once; still several compressed pages.
constexpr uint64_t kReadAheadBytes = 128 << 10;

std::vector<uint32_t> pages_between(const ObjectReader& object, UnixNanos first, UnixNanos last) {
  std::vector<uint32_t> out;
  for (uint32_t page = 0; page < object.pages().size(); ++page) {
    for (const PageRun& run : object.runs(page)) {
      if (run.max_time < first || run.min_time > last) continue;
      out.push_back(page);
      break;
    }
  }
  return out;
}

}  // namespace

MergeInput::MergeInput(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages, UnixNanos first,
                       UnixNanos last, const Erasures& erasures, Damage damage, MergeErased& erased)
    : object_(std::move(object)),
      cursor_(object_, std::move(pages), kReadAheadBytes),
      first_time_(first),
      last_time_(last),
      erasures_(&erasures),
      damage_(damage),
      erased_(&erased),
      run_count_(object_->pages().empty() ? 0 : object_->pages().back().first_run + object_->pages().back().runs),
      labels_(std::make_unique<pipeline::LabelSet>()) {}

Result<MergeInput> MergeInput::open(std::shared_ptr<const ObjectReader> object, UnixNanos first, UnixNanos last,
                                    const Erasures& erasures, Damage damage, MergeErased& erased) {
  auto pages = pages_between(*object, first, last);
  MergeInput input(std::move(object), std::move(pages), first, last, erasures, damage, erased);
  TRY(input.next_stream());
  return input;
}

PageRun MergeInput::run() const {
  const auto pages = object_->pages();
  while (run_ >= size_t{pages[page_number_].first_run} + pages[page_number_].runs) ++page_number_;
  return object_->runs(static_cast<uint32_t>(page_number_))[run_ - pages[page_number_].first_run];
}

Result<void> MergeInput::consume(size_t rows) {
  rows_ = rows_.slice(rows, rows_.size());
  return rows_.empty() ? next_rows() : Result<void>();
}

// Once rows_ is empty: the next ones of the stream, from this run or from those behind it.
Result<void> MergeInput::next_rows() {
  const uint32_t stream = run().stream;
  while (kept_at_ == kept_.size()) {
    ++run_;
    if (run_ == run_count_ || run().stream != stream) return {};
    TRY(load_run());
  }
  auto [first, last] = kept_[kept_at_++];
  rows_ = page_.slice(first, last);
  return {};
}

Result<void> MergeInput::next_stream() {
  INVARIANT(rows_.empty());
  if (at_end()) return {};
  const StreamInfo& stream = object_->streams()[run().stream];
  if (!eraser_ || tenant_ != stream.tenant) {
    tenant_ = stream.tenant;
    eraser_.reset();
    eraser_.emplace(erasures_->of(tenant()), object_->summary().deletes_applied);
  }
  *labels_ = object_->labels(stream);
  eraser_->begin_stream(*labels_);
  TRY(load_run());
  return next_rows();
}

// Fills kept_ with the rows of run_ that are wanted.
Result<void> MergeInput::load_run() {
  kept_.clear(), kept_at_ = 0;
  const PageRun& r = run();
  if (r.max_time < first_time_ || r.min_time > last_time_) return {};
  if (auto loaded = load_page(); !loaded) {
    if (damage_ == Damage::kFails || loaded.error().code != pipeline::Errc::kCorrupt) return loaded;
    erased_->unreadable += r.rows;  // once for each pass that wants them
    return {};
  }
  uint32_t first = r.first_row, last = r.first_row + r.rows;
  const EntrySlice rows = page_.slice(first, last);
  if (r.max_time > last_time_) last = first + static_cast<uint32_t>(rows.lower_bound(last_time_ + 1));
  if (r.min_time < first_time_) first += static_cast<uint32_t>(rows.lower_bound(first_time_));
  if (!eraser_->touches(r.min_time, r.max_time)) {
    if (first < last) kept_.emplace_back(first, last);
    return {};
  }
  keep(first, last);
  return {};
}

void MergeInput::keep(uint32_t first, uint32_t last) {
  uint32_t begin = first;
  for (uint32_t row = first; row < last; ++row) {
    if (!eraser_->erases(page_, row)) continue;
    if (begin < row) kept_.emplace_back(begin, row);
    begin = row + 1;
    if (eraser_->erased_by() == 0) {
      ++erased_->expired;
      continue;
    }
    ErasedCount& count = erased_->by_request[eraser_->erased_by()];
    count.request = eraser_->erased_by();
    ++count.entries;
    count.bytes += page_.line_size(row) + page_.metadata(row).encoded().size();
  }
  if (begin < last) kept_.emplace_back(begin, last);
}

// The page of run_ into page_.
Result<void> MergeInput::load_page() {
  const bool is_there = cursor_begun_ && cursor_.page() == page_number_;
  if (is_there && page_is_read_) return {};
  while (!is_there) {
    INVARIANT(cursor_.next());
    cursor_begun_ = true;
    if (cursor_.page() == page_number_) break;
  }
  page_is_read_ = false;
  TRY_LET(page_, cursor_.entries());
  page_is_read_ = true;
  return {};
}

}  // namespace server
