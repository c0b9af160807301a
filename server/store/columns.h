// Entries of one stream as columns: what the ingest head holds, what flush writes and what readers of objects hand out.
//
//   times              t0     t1     t2          UnixNanos
//   text               first lineseconda third   lines back to back, nothing between them
//   offsets          0         10     16     23  rows + 1 of them: line i is text[offsets[i], offsets[i + 1])
//   metadata           (name value)*  ...        structured metadata, encoded back to back as MetadataView says
//   metadata_offsets 0 ...                       rows + 1 of them, or absent: no entry has any
//
// EntrySlice looks at such columns, EntryColumns owns them.
// Thread:  any one; any number of readers of something that does not change any more.
// Limits:  text and metadata stay below 4 GiB each (an INVARIANT): owners cut long before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"

namespace server {

using pipeline::UnixNanos;

// name, value
using MetadataPair = std::pair<std::string_view, std::string_view>;

// The structured metadata of one entry: [varint length][name][varint length][value] and so on, sorted by name, names
// unique. Equal metadata has equal bytes. The bytes are ours and trusted: decoders of pages make them anew.
class MetadataView {
 public:
  class Iterator {
   public:
    using value_type = MetadataPair;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    explicit Iterator(const char* at) : at_(at) {}
    MetadataPair operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const char* at_;
  };

  MetadataView() = default;
  explicit MetadataView(std::string_view encoded) : encoded_(encoded) {}
  bool empty() const { return encoded_.empty(); }
  std::string_view encoded() const { return encoded_; }
  Iterator begin() const { return Iterator(encoded_.data()); }
  Iterator end() const { return Iterator(encoded_.data() + encoded_.size()); }
  std::optional<std::string_view> find(std::string_view name) const;

 private:
  std::string_view encoded_;
};

// Appends the encoded form of `pairs` in any order; of pairs with one name the last wins.
void append_metadata(std::string& out, std::span<const MetadataPair> pairs);

// A view of consecutive entries of one stream. Valid as long as what it was taken from is neither changed nor gone.
struct EntrySlice {
  std::span<const UnixNanos> times;
  std::span<const uint32_t> offsets;  // rows + 1
  const char* text = nullptr;
  std::span<const uint32_t> metadata_offsets;  // rows + 1, or empty
  const char* metadata_text = nullptr;

  size_t size() const { return times.size(); }
  bool empty() const { return times.empty(); }
  UnixNanos time(size_t i) const { return times[i]; }
  size_t line_size(size_t i) const { return offsets[i + 1] - offsets[i]; }  // also where `text` is not there
  std::string_view line(size_t i) const { return {text + offsets[i], line_size(i)}; }
  MetadataView metadata(size_t i) const {
    if (metadata_offsets.empty()) return {};
    return MetadataView({metadata_text + metadata_offsets[i], metadata_offsets[i + 1] - metadata_offsets[i]});
  }
  bool has_metadata() const { return !metadata_offsets.empty(); }
  uint64_t line_bytes() const { return empty() ? 0 : offsets.back() - offsets.front(); }
  uint64_t metadata_bytes() const { return has_metadata() ? metadata_offsets.back() - metadata_offsets.front() : 0; }
  EntrySlice slice(size_t begin, size_t end) const;  // rows [begin, end)
  // True when time, line and metadata are the same.
  bool same_entry(size_t i, const EntrySlice& other, size_t j) const;
  // First row whose time is not below `time`; the rows must be sorted.
  size_t lower_bound(UnixNanos time) const;
};

class EntryColumns {
 public:
  void reserve(size_t rows, size_t text_bytes);
  void append(UnixNanos time, std::string_view line) { append(time, line, std::span<const MetadataPair>()); }
  void append(UnixNanos time, std::string_view line, std::span<const MetadataPair> metadata);
  void append(UnixNanos time, std::string_view line, MetadataView metadata);
  void append(const EntrySlice& entries);

  size_t size() const { return times_.size(); }
  bool empty() const { return times_.empty(); }
  EntrySlice slice() const;
  EntrySlice slice(size_t begin, size_t end) const { return slice().slice(begin, end); }
  operator EntrySlice() const { return slice(); }

  UnixNanos min_time() const { return min_time_; }  // of all entries, in whatever order; not empty
  UnixNanos max_time() const { return max_time_; }
  bool strictly_rising() const { return strictly_rising_; }  // each time above the one before: sorted, no duplicates
  uint64_t line_bytes() const { return text_.size(); }
  uint64_t metadata_bytes() const { return metadata_.size(); }
  size_t memory_bytes() const;  // what is allocated

  // Sorts by time; entries of one time keep their order; of entries equal in time, line and metadata the first stays.
  // Returns how many were removed. Costs nothing where strictly_rising().
  size_t sort_and_dedup();

  void clear();  // keeps the capacity

 private:
  void append_time(UnixNanos time);

  std::vector<UnixNanos> times_;
  std::vector<uint32_t> offsets_{0};
  std::string text_;
  std::vector<uint32_t> metadata_offsets_;  // empty until the first entry with metadata
  std::string metadata_;
  UnixNanos min_time_ = 0, max_time_ = 0;
  bool strictly_rising_ = true;
};

}  // namespace server
