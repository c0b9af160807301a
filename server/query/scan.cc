#include "server/query/scan.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::Result;

namespace {

// Large enough that the start of a cursor does not count, small enough that threads end together.
constexpr uint64_t kPieceBytes = 4 << 20;
// Below this one thread is done sooner than another one wakes up.
constexpr uint64_t kAloneBytes = 8 << 20;

struct Piece {
  bool in_head = false;
  size_t part = 0;              // of selection.stored; in_head: the first of selection.head
  size_t first = 0, count = 0;  // pages in StoredPart::pages; in_head: count of parts
  uint64_t bytes = 0;
};

// The head comes first: its memory is not needed any more then.
std::vector<Piece> cut(const Selection& selection) {
  std::vector<Piece> pieces;
  for (size_t part = 0; part < selection.head.size(); ++part) {
    if (part == 0 || pieces.back().bytes >= kPieceBytes) pieces.push_back({true, part, 0, 0, 0});
    ++pieces.back().count;
    pieces.back().bytes += selection.head[part].entries.line_bytes() + 1;
  }
  for (size_t part = 0; part < selection.stored.size(); ++part) {
    const StoredPart& stored = selection.stored[part];
    for (size_t i = 0; i < stored.pages.size(); ++i) {
      if (i == 0 || pieces.back().bytes >= kPieceBytes) pieces.push_back({false, part, i, 0, 0});
      ++pieces.back().count;
      pieces.back().bytes += stored.object->pages()[stored.pages[i]].text_bytes + 1;
    }
  }
  return pieces;
}

class ScanRun {
 public:
  ScanRun(Selection& selection, const std::function<std::unique_ptr<ScanPart>()>& make_part)
      : selection_(selection),
        make_part_(make_part),
        pieces_(cut(selection)),
        head_left_(static_cast<size_t>(
            std::count_if(pieces_.begin(), pieces_.end(), [](const Piece& piece) { return piece.in_head; }))) {}

  Result<ScanParts> run(QueryContext& context) {
    uint64_t bytes = 0;
    for (const Piece& piece : pieces_) bytes += piece.bytes;
    const size_t most = bytes < kAloneBytes ? 1 : context.turn.width();
    parts_.resize(std::clamp<size_t>(pieces_.size(), 1, most));
    context.turn.run_parts(parts_.size(), [this](size_t index, QueryTurn& turn) { run_part(index, turn); });
    for (const auto& part : parts_) {
      context.stats.add(part->stats);
      context.objects_missing = context.objects_missing || part->objects_missing;
      for (std::string& warning : part->warnings) context.warnings.push_back(std::move(warning));
    }
    TRY(outcome_);
    return std::move(parts_);
  }

 private:
  void run_part(size_t index, QueryTurn& turn) {
    parts_[index] = make_part_();
    ScanPart& part = *parts_[index];
    part.turn = &turn;
    std::optional<PageCursor> cursor;
    for (size_t at = next_++; at < pieces_.size(); at = next_++) {
      const Piece& piece = pieces_[at];
      auto outcome = piece.in_head ? run_head(piece, part, turn) : run_pages(piece, cursor, part, turn);
      if (outcome) continue;
      std::lock_guard lock(mutex_);
      if (outcome_) outcome_ = std::move(outcome);
      next_ = pieces_.size();  // the others end with the piece they have
    }
  }

  // `cursor`: of the piece before, for its buffers.
  Result<void> run_pages(const Piece& piece, std::optional<PageCursor>& cursor, ScanPart& part, QueryTurn& turn) {
    const StoredPart& stored = selection_.stored[piece.part];
    auto first = stored.pages.begin() + static_cast<std::ptrdiff_t>(piece.first);
    std::vector<uint32_t> pages(first, first + static_cast<std::ptrdiff_t>(piece.count));
    if (cursor) {
      cursor->restart(stored.object, std::move(pages));
    } else {
      cursor.emplace(stored.object, std::move(pages));
    }
    auto outcome = run_cursor(*cursor, piece.part, part, turn);
    count_reads(*cursor, part.stats);
    return outcome;
  }

  Result<void> run_cursor(PageCursor& cursor, size_t stored, ScanPart& part, QueryTurn& turn) {
    TRY(turn.breathe());
    while (cursor.next()) {
      if (auto outcome = part.page(stored, cursor); !outcome) {
        part.warnings.push_back(unreadable_page(outcome.error()));
        part.objects_missing = part.objects_missing || outcome.error().code == pipeline::Errc::kNotFound;
      }
      TRY(part.check());
      TRY(turn.breathe());
    }
    return {};
  }

  Result<void> run_head(const Piece& piece, ScanPart& part, QueryTurn& turn) {
    for (size_t i = 0; i < piece.count; ++i) {
      TRY(turn.breathe());
      part.head(piece.part + i);
      TRY(part.check());
    }
    if (--head_left_ == 0) selection_.head = {};  // nobody looks at it any more
    return {};
  }

  Selection& selection_;
  const std::function<std::unique_ptr<ScanPart>()>& make_part_;
  const std::vector<Piece> pieces_;
  std::atomic<size_t> head_left_;  // pieces of the head that were not looked at to their end
  ScanParts parts_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  Result<void> outcome_;  // under mutex_ while parts run
};

}  // namespace

Result<ScanParts> scan(Selection& selection, QueryContext& context,
                       const std::function<std::unique_ptr<ScanPart>()>& make_part) {
  return ScanRun(selection, make_part).run(context);
}

void count_reads(const PageCursor& cursor, QueryStats& stats) {
  const ReadStats& read = cursor.stats();
  stats.compressed_bytes += read.stored_bytes;
  stats.decompressed_bytes += read.decoded_bytes;
  stats.pages_read += read.pages;
}

std::string unreadable_page(const pipeline::Error& error) {
  return pipeline::concat("a page could not be read, its entries are missing: ", error.message);
}

}  // namespace server
