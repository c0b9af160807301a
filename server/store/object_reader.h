// ObjectReader: one open object: its directory in memory, its pages read when asked for. PageCursor walks over pages.
//
//   TRY_LET(auto object, ObjectReader::open(store, row.key, row.size, row.footer_length));   // one ranged read
//   StreamSet streams = object->select(tenant, tests);
//   PageCursor cursor(object, object->pages_of(streams, begin, end));
//   while (cursor.next()) {
//     for (const PageRun& run : object->runs(cursor.page())) ...        // rows, min and max time: often all one needs
//     TRY_LET(auto times, cursor.times());                              // columns are read and decoded on demand
//   }
//
// Thread:  ObjectReader: any (immutable; keep it in a cache by key for as long as one likes). PageCursor: one.
// Errors:  kCorrupt names the object and the page or section; the other pages stay readable. kNotFound: the object was
//          deleted (take a new snapshot). kInvalid: made by a newer version. No bytes whatsoever crash the reader.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/store/columns.h"
#include "server/store/object_store.h"
#include "server/store/object_writer.h"

namespace server {

// One condition on a stream: the value of label `name` (empty where the stream has none) passes `matches`.
// Asked once per distinct value.
struct LabelTest {
  std::string name;
  std::function<bool(std::string_view value)> matches;
};

// Chosen streams of one object.
struct StreamSet {
  std::vector<uint32_t> ordinals;  // sorted
  std::vector<bool> chosen;        // by ordinal
  bool contains(uint32_t ordinal) const { return chosen[ordinal]; }
  bool empty() const { return ordinals.empty(); }
};

// Streams are numbered in order of (tenant, labels).
struct StreamInfo {
  uint32_t tenant = 0;                        // index in tenants()
  uint32_t first_label = 0, label_count = 0;  // for labels()
  UnixNanos min_time = 0, max_time = 0;
  uint64_t rows = 0;
  uint64_t raw_bytes = 0;                  // of its lines and metadata
  uint32_t first_page = 0, last_page = 0;  // its entries lie on these pages and those between
};

// The entries of one stream on one page: consecutive rows, sorted by time.
struct PageRun {
  uint32_t stream = 0;
  uint32_t first_row = 0, rows = 0;
  UnixNanos min_time = 0, max_time = 0;
  bool operator==(const PageRun&) const = default;
};

enum class PageColumn : uint8_t { kTimes, kLengths, kMetadata, kText };
inline constexpr size_t kPageColumns = 4;

struct PageInfo {
  struct Stored {
    uint64_t offset = 0;
    uint32_t length = 0;  // 0: the column is absent (no metadata on this page)
    uint32_t checksum = 0;
  };
  uint32_t rows = 0;
  uint32_t first_run = 0, runs = 0;
  UnixNanos min_time = 0, max_time = 0;
  uint32_t text_bytes = 0;  // of the lines
  Stored columns[kPageColumns];
};

class ObjectReader {
 public:
  static Result<std::shared_ptr<const ObjectReader>> open(ObjectStore& store, std::string key, uint64_t size,
                                                          uint32_t footer_length);
  // Without a catalogue row (rebuild, tools): reads the trailer first. Two ranged reads.
  static Result<std::shared_ptr<const ObjectReader>> open(ObjectStore& store, std::string key);

  const std::string& key() const { return key_; }
  const ObjectSummary& summary() const { return summary_; }
  Ulid cluster() const { return cluster_; }
  const std::vector<Ulid>& inputs() const { return inputs_; }
  const std::vector<ProducerRange>& producers() const { return producers_; }
  const std::vector<std::string>& tenants() const { return summary_.tenants; }
  const std::vector<std::string>& metadata_names() const { return metadata_names_; }  // that occur at all

  std::span<const StreamInfo> streams() const { return streams_; }
  // One label of a stream, i below label_count; sorted by name. Views live as long as the reader.
  MetadataPair label(const StreamInfo& stream, uint32_t i) const;
  pipeline::LabelSet labels(const StreamInfo& stream) const;  // a copy

  // The streams of `tenant` that pass every test.
  StreamSet select(std::string_view tenant, std::span<const LabelTest> tests) const;

  std::span<const PageInfo> pages() const { return pages_; }
  std::span<const PageRun> runs(uint32_t page) const {
    return std::span(runs_).subspan(pages_[page].first_run, pages_[page].runs);
  }
  // Pages, rising, on which a chosen stream has a run that touches [begin, end).
  std::vector<uint32_t> pages_of(const StreamSet& streams, UnixNanos begin, UnixNanos end) const;

  size_t memory_bytes() const;  // for the cache that holds it

 private:
  friend class ObjectDirectory;
  friend class PageCursor;
  ObjectReader(ObjectStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  ObjectStore& store_;
  const std::string key_;
  Ulid cluster_;
  ObjectSummary summary_;
  std::vector<Ulid> inputs_;
  std::vector<ProducerRange> producers_;
  std::vector<std::string> metadata_names_;
  std::string strings_;                                // label names and values, back to back
  std::vector<std::pair<uint32_t, uint32_t>> string_;  // begin, length in strings_
  std::vector<std::pair<uint32_t, uint32_t>> labels_;  // name, value: indexes in string_
  std::vector<StreamInfo> streams_;
  std::vector<PageInfo> pages_;
  std::vector<PageRun> runs_;
};

// What reading has cost.
struct ReadStats {
  uint64_t range_reads = 0;
  uint64_t stored_bytes = 0;   // fetched
  uint64_t decoded_bytes = 0;  // after decompression
  uint64_t pages = 0;          // columns decoded
};

// Walks over pages of one object in the given order and decodes the columns asked for into buffers that are used again
// for the next page: what it returns is valid until next(). Reads ahead: neighbours of one column come in one ranged
// read (gaps up to 256 KiB, at most 1 MiB at once), so give rising page numbers where the order does not matter.
class PageCursor {
 public:
  PageCursor(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages);
  ~PageCursor();
  PageCursor(PageCursor&&) noexcept;
  PageCursor& operator=(PageCursor&&) noexcept;

  bool next();  // false: no further page
  uint32_t page() const;
  const ObjectReader& object() const;

  Result<std::span<const UnixNanos>> times();
  Result<std::span<const uint32_t>> offsets();  // rows + 1: line i is text[offsets[i], offsets[i + 1])
  Result<std::string_view> text();              // all lines back to back; 64 more bytes may be read behind its end
  Result<EntrySlice> entries();                 // all columns, metadata included
  const ReadStats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
