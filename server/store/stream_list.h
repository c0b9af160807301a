// StreamList: the streams of an object and their runs on its pages, packed, because an object may have hundreds of
// thousands of them: 36 bytes for a stream whose entries lie on one page, 40 where its volume is counted, run included.
// Elements are put together when they are looked at.
//
// Streams are numbered in order of (tenant, labels), and so lie on the pages: a page holds runs of streams that follow
// each other; a stream goes on on the next page only as its first run.
//
// Thread: any number of readers once it is filled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"

namespace server {

using pipeline::UnixNanos;

struct StreamInfo {
  uint32_t tenant = 0;                        // index in tenants
  uint32_t first_label = 0, label_count = 0;  // in ObjectDirectory::labels: those of the stream before end there
  UnixNanos min_time = 0, max_time = 0;
  uint64_t rows = 0;                       // never 0
  uint64_t raw_bytes = 0;                  // of its lines and metadata
  uint64_t volume_bytes = 0;               // as Loki counts them (volume_counter.h); raw_bytes where it was not counted
  uint32_t first_page = 0, last_page = 0;  // its entries lie on these pages and those between
  bool operator==(const StreamInfo&) const = default;
};

// The entries of one stream on one page: consecutive rows, sorted by time.
struct PageRun {
  uint32_t stream = 0;
  uint32_t first_row = 0, rows = 0;
  UnixNanos min_time = 0, max_time = 0;
  bool operator==(const PageRun&) const = default;
};

// Things that are made when they are asked for, by their number in [first, last) of `Source`.
template <class Source, class Element>
class MadeRange {
 public:
  class Iterator {
   public:
    using value_type = Element;
    using reference = Element;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::random_access_iterator_tag;
    struct pointer {
      Element element;
      const Element* operator->() const { return &element; }
    };

    Iterator() = default;
    Iterator(const Source& source, size_t at) : source_(source), at_(static_cast<difference_type>(at)) {}
    Element operator*() const { return source_[static_cast<size_t>(at_)]; }
    pointer operator->() const { return {**this}; }
    Element operator[](difference_type n) const { return *(*this + n); }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return {source_, static_cast<size_t>(at_++)}; }
    Iterator& operator--() { return --at_, *this; }
    Iterator operator--(int) { return {source_, static_cast<size_t>(at_--)}; }
    Iterator& operator+=(difference_type n) { return at_ += n, *this; }
    Iterator& operator-=(difference_type n) { return at_ -= n, *this; }
    friend Iterator operator+(Iterator i, difference_type n) { return i += n; }
    friend Iterator operator+(difference_type n, Iterator i) { return i += n; }
    friend Iterator operator-(Iterator i, difference_type n) { return i -= n; }
    friend difference_type operator-(const Iterator& a, const Iterator& b) { return a.at_ - b.at_; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }
    friend auto operator<=>(const Iterator& a, const Iterator& b) { return a.at_ <=> b.at_; }

   private:
    Source source_;
    difference_type at_ = 0;
  };

  MadeRange(Source source, size_t first, size_t last) : source_(source), first_(first), last_(last) {}
  Iterator begin() const { return {source_, first_}; }
  Iterator end() const { return {source_, last_}; }
  size_t size() const { return last_ - first_; }
  bool empty() const { return first_ == last_; }
  Element operator[](size_t i) const { return source_[first_ + i]; }
  Element front() const { return source_[first_]; }
  Element back() const { return source_[last_ - 1]; }

 private:
  Source source_;
  size_t first_, last_;
};

class StreamList {
 public:
  // The next stream. False: it cannot be right (no rows, an end before its begin, labels or tenants out of order).
  bool add(const StreamInfo& stream);
  void reserve(size_t streams);
  void set_volume(uint32_t stream, uint64_t bytes);
  // The next run, of `page`; runs come page by page. False: it contradicts its stream, or the order.
  bool add_run(uint32_t page, const PageRun& run);
  // Every stream has all its runs, as it must once all pages are there.
  bool is_complete() const { return next_ == size() && !expects_more(); }

  size_t size() const { return counts_.size(); }
  bool empty() const { return counts_.empty(); }
  StreamInfo operator[](size_t stream) const;
  uint32_t tenant(size_t stream) const;
  uint32_t first_label(size_t stream) const { return counts_[stream].first_label; }
  uint32_t labels_end(size_t stream) const {
    return stream + 1 < size() ? counts_[stream + 1].first_label : labels_end_;
  }
  // The streams [first, second) of a tenant.
  std::pair<uint32_t, uint32_t> of_tenant(uint32_t tenant) const;
  // The run of a stream on one of its pages.
  PageRun run(size_t stream, uint32_t page) const;

  struct Source {
    const StreamList* list = nullptr;
    StreamInfo operator[](size_t i) const { return (*list)[i]; }
  };
  using Range = MadeRange<Source, StreamInfo>;
  Range all() const { return {{this}, 0, size()}; }

  // Runs on one page, which begin with that of stream `first`.
  struct RunSource {
    const StreamList* list = nullptr;
    uint32_t page = 0, first = 0;
    PageRun operator[](size_t i) const { return list->run(first + i, page); }
  };
  using Runs = MadeRange<RunSource, PageRun>;
  Runs runs(uint32_t page, uint32_t first, uint32_t count) const { return {{this, page, first}, 0, count}; }

  size_t memory_bytes() const;

 private:
  struct Times {
    UnixNanos min, max;
  };
  struct Counts {
    uint32_t first_label, first_page;
    uint32_t rows;       // 0: the stream is a wide one
    uint32_t first_row;  // on its page; wide: number in wide_
    uint32_t raw_bytes;
  };
  struct Wide {  // on several pages
    uint64_t rows = 0, raw_bytes = 0, volume_bytes = 0;
    uint32_t last_page = 0;
    uint32_t first_run = 0;  // in wide_runs_; as many as it has pages
  };
  const Wide* wide(size_t stream) const {
    return counts_[stream].rows == 0 ? &wide_[counts_[stream].first_row] : nullptr;
  }

  // The stream of the last run goes on behind it.
  bool expects_more() const {
    const Wide* last = next_ == 0 ? nullptr : wide(next_ - 1);
    return last != nullptr && last_page_ < last->last_page;
  }

  std::vector<Times> times_;
  std::vector<Counts> counts_;
  std::vector<uint32_t> volumes_;  // empty: none differs from raw_bytes
  std::vector<Wide> wide_;
  std::vector<PageRun> wide_runs_;
  std::vector<uint32_t> tenant_begins_;  // the first stream of each tenant
  uint32_t labels_end_ = 0;

  // While runs are added.
  size_t next_ = 0;         // the first stream without a run
  uint32_t last_page_ = 0;  // of the run before
};

}  // namespace server
