#include "server/query/duplicate_rows.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "server/query/hidden_rows.h"
#include "server/query/shared_streams.h"

namespace server {

using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// A run of one stream in one place. The place is the object or the head run: inside it no entry is twice.
struct Piece {
  bool in_head = false;
  size_t part = 0;    // index in selection.stored or selection.head
  uint32_t page = 0;  // in_head: unused
  uint32_t first_row = 0, rows = 0;
  UnixNanos min_time = 0, max_time = 0;
  uint32_t stream = 0;  // of the object
  bool same_place(const Piece& o) const { return in_head == o.in_head && part == o.part; }
};

struct TimedRow {
  UnixNanos time;
  uint32_t piece, row;  // piece: index in the cluster; row: within the piece
};

}  // namespace

// Looks at streams, one after the other; one for each thread.
class DuplicateFinder {
 public:
  explicit DuplicateFinder(const Selection& selection) : selection_(selection), hidden_(selection) {}

  // Finds groups of pieces that overlap in time and come from different places.
  Result<void> look_at_stream(std::vector<Piece>& pieces, QueryTurn& turn) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.min_time < b.min_time; });
    for (size_t begin = 0; begin < pieces.size();) {
      UnixNanos until = pieces[begin].max_time;
      bool several = false;
      size_t end = begin + 1;
      for (; end < pieces.size() && pieces[end].min_time <= until; ++end) {
        until = std::max(until, pieces[end].max_time);
        several = several || !pieces[end].same_place(pieces[begin]);
      }
      if (several) TRY(look_at_cluster({pieces.data() + begin, end - begin}, turn));
      begin = end;
    }
    return {};
  }

  // What was found and what it cost.
  void add_to(DuplicateRows& rows, QueryStats& stats) {
    for (auto& [place, found] : found_.pages_) append(found, rows.pages_[place]);
    for (auto& [part, found] : found_.head_) append(found, rows.head_[part]);
    stats.add(stats_);
  }

 private:
  static void append(const std::vector<uint32_t>& rows, std::vector<uint32_t>& to) {
    to.insert(to.end(), rows.begin(), rows.end());
  }

  Result<void> look_at_cluster(std::span<const Piece> cluster, QueryTurn& turn) {
    std::vector<TimedRow> rows;
    std::vector<size_t> borders{0};
    for (uint32_t i = 0; i < cluster.size(); ++i) {
      TRY(turn.breathe());
      append_times(cluster[i], i, rows);
      borders.push_back(rows.size());
    }
    merge_sorted(rows, borders);
    TRY(turn.breathe());
    for (size_t begin = 0; begin < rows.size();) {
      size_t end = begin + 1;
      bool several = false;
      for (; end < rows.size() && rows[end].time == rows[begin].time; ++end) {
        several = several || !cluster[rows[end].piece].same_place(cluster[rows[begin].piece]);
      }
      if (several) {
        compare_lines(cluster, {rows.data() + begin, end - begin});
        TRY(turn.breathe());
      }
      begin = end;
    }
    return {};
  }

  void append_times(const Piece& piece, uint32_t index, std::vector<TimedRow>& out) {
    std::span<const UnixNanos> times;
    if (piece.in_head) {
      times = selection_.head[piece.part].entries.times;
    } else {
      times = page_times(piece.part, piece.page).subspan(0);
      if (times.size() < piece.first_row + piece.rows)
        return;  // unreadable: reported by whoever reads it for its lines
      times = times.subspan(piece.first_row, piece.rows);
    }
    for (uint32_t row = 0; row < times.size(); ++row) out.push_back({times[row], index, row});
  }

  // Runs [borders[i], borders[i + 1]) are sorted; afterwards all of it is.
  static void merge_sorted(std::vector<TimedRow>& rows, std::vector<size_t> borders) {
    auto earlier = [](const TimedRow& a, const TimedRow& b) { return a.time < b.time; };
    while (borders.size() > 2) {
      std::vector<size_t> next{0};
      for (size_t i = 2; i < borders.size(); i += 2) {
        std::inplace_merge(rows.begin() + static_cast<std::ptrdiff_t>(borders[i - 2]),
                           rows.begin() + static_cast<std::ptrdiff_t>(borders[i - 1]),
                           rows.begin() + static_cast<std::ptrdiff_t>(borders[i]), earlier);
        next.push_back(borders[i]);
      }
      if (borders.size() % 2 == 0) next.push_back(borders.back());
      borders = std::move(next);
    }
  }

  // Rows of one stream and one time: all but the first of equal ones are duplicates.
  void compare_lines(std::span<const Piece> cluster, std::span<const TimedRow> same_time) {
    std::vector<EntryColumns> kept;  // one entry each
    for (const TimedRow& row : same_time) {
      EntryColumns entry;
      if (!load_entry(cluster[row.piece], row.row, entry)) continue;
      bool seen = std::any_of(kept.begin(), kept.end(),
                              [&](const EntryColumns& k) { return k.slice().same_entry(0, entry.slice(), 0); });
      if (!seen) {
        kept.push_back(std::move(entry));
        continue;
      }
      const Piece& piece = cluster[row.piece];
      ++stats_.duplicates;
      if (piece.in_head) {
        found_.head_[piece.part].push_back(row.row);
      } else {
        found_.pages_[{piece.part, piece.page}].push_back(piece.first_row + row.row);
      }
    }
  }

  bool load_entry(const Piece& piece, uint32_t row, EntryColumns& out) {
    if (piece.in_head) {
      out.append(selection_.head[piece.part].entries.slice(row, row + 1));
      return true;
    }
    const EntryColumns& page = page_entries(piece.part, piece.page);
    if (page.size() <= piece.first_row + row) return false;
    out.append(page.slice(piece.first_row + row, piece.first_row + row + 1));
    return !hidden_.hides(piece.part, piece.stream, out);
  }

  using Place = std::pair<size_t, uint32_t>;  // part, page

  std::span<const UnixNanos> page_times(size_t part, uint32_t page) {
    if (times_.size() > kCachedTimes) times_.clear();
    auto [at, fresh] = times_.try_emplace(Place{part, page});
    if (fresh) {
      PageCursor cursor(selection_.stored[part].object, {page});
      if (cursor.next()) {
        if (auto times = cursor.times()) at->second.assign(times->begin(), times->end());
      }
      count(cursor);
    }
    return at->second;
  }

  const EntryColumns& page_entries(size_t part, uint32_t page) {
    if (entries_.size() > kCachedEntries) entries_.clear();
    auto [at, fresh] = entries_.try_emplace(Place{part, page});
    if (fresh) {
      PageCursor cursor(selection_.stored[part].object, {page});
      if (cursor.next()) {
        if (auto entries = cursor.entries()) at->second.append(*entries);
      }
      count(cursor);
    }
    return at->second;
  }

  void count(const PageCursor& cursor) {
    stats_.compressed_bytes += cursor.stats().stored_bytes;
    stats_.decompressed_bytes += cursor.stats().decoded_bytes;
    stats_.pages_read += cursor.stats().pages;
  }

  static constexpr size_t kCachedTimes = 512, kCachedEntries = 64;  // pages: at most some 40 MiB

  const Selection& selection_;
  QueryStats stats_;
  HiddenRows hidden_;  // an entry that exists no more is no duplicate of one that does
  std::map<Place, std::vector<UnixNanos>> times_;
  std::map<Place, EntryColumns> entries_;
  DuplicateRows found_;
};

namespace {

void add_stored_pieces(const Selection& selection, const SharedStreams::Member& member, std::vector<Piece>& pieces) {
  const StoredPart& stored = selection.stored[member.place];
  const StreamInfo& stream = stored.object->streams()[member.ordinal];
  auto page = std::lower_bound(stored.pages.begin(), stored.pages.end(), stream.first_page);
  for (; page != stored.pages.end() && *page <= stream.last_page; ++page) {
    const auto runs = stored.object->runs(*page);
    auto run = std::lower_bound(runs.begin(), runs.end(), member.ordinal,
                                [](const PageRun& r, uint32_t wanted) { return r.stream < wanted; });
    if (run == runs.end() || run->stream != member.ordinal) continue;
    if (run->max_time < selection.begin || run->min_time >= selection.end) continue;
    pieces.push_back(
        {false, member.place, *page, run->first_row, run->rows, run->min_time, run->max_time, member.ordinal});
  }
}

std::vector<Piece> pieces_of(const Selection& selection, SharedStreams::Group group) {
  std::vector<Piece> pieces;
  const size_t stored = selection.stored.size();
  for (const SharedStreams::Member& member : group) {
    if (member.place < stored) {
      add_stored_pieces(selection, member, pieces);
      continue;
    }
    const EntrySlice& entries = selection.head[member.place - stored].entries;
    pieces.push_back({true, member.place - stored, 0, 0, static_cast<uint32_t>(entries.size()), entries.times.front(),
                      entries.times.back(), 0});
  }
  return pieces;
}

}  // namespace

Result<DuplicateRows> DuplicateRows::find(const Selection& selection, QueryTurn& turn, QueryStats& stats) {
  DuplicateRows found;
  SharedStreams shared(selection);
  std::vector<SharedStreams::Group> streams;
  Result<void> outcome;
  while (outcome) {
    TRY_LET(const bool more, shared.next_round(streams, turn));
    if (!more) break;
    constexpr size_t kStepStreams = 32;  // what a thread takes at once
    const size_t threads = std::clamp<size_t>(streams.size() / kStepStreams, 1, turn.width());
    std::atomic<size_t> next{0};
    std::mutex mutex;
    turn.run_parts(threads, [&](size_t, QueryTurn& part_turn) {
      DuplicateFinder finder(selection);
      Result<void> done;
      for (size_t at = next.fetch_add(kStepStreams); done && at < streams.size(); at = next.fetch_add(kStepStreams)) {
        for (size_t i = at; done && i < std::min(at + kStepStreams, streams.size()); ++i) {
          std::vector<Piece> pieces = pieces_of(selection, streams[i]);
          done = finder.look_at_stream(pieces, part_turn);
        }
      }
      std::lock_guard lock(mutex);
      finder.add_to(found, stats);
      if (!done) outcome = std::move(done), next = streams.size();
    });
  }
  TRY(outcome);
  for (auto& [place, rows] : found.pages_) std::sort(rows.begin(), rows.end());
  for (auto& [part, rows] : found.head_) std::sort(rows.begin(), rows.end());
  return found;
}

std::span<const uint32_t> DuplicateRows::of_page(size_t part, uint32_t page) const {
  auto found = pages_.find({part, page});
  return found == pages_.end() ? std::span<const uint32_t>() : found->second;
}

std::span<const uint32_t> DuplicateRows::of_head(size_t part) const {
  auto found = head_.find(part);
  return found == head_.end() ? std::span<const uint32_t>() : found->second;
}

}  // namespace server
