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
#include "server/store/metadata_groups.h"
#include "server/store/object_directory.h"
#include "server/store/object_store.h"
#include "server/store/page_condition.h"

namespace server {

// One condition on a stream: the value of label `name` (empty where the stream has none) passes `matches`.
// Asked once per distinct value, or where `only` is not empty, not at all but for the empty value: then these are the
// only values that pass, and streams are found by them.
struct LabelTest {
  std::string name;
  std::function<bool(std::string_view value)> matches;
  std::span<const std::string> only = {};
};

// Chosen streams of one object.
struct StreamSet {
  std::vector<uint32_t> ordinals;  // sorted
  std::vector<bool> chosen;        // by ordinal
  bool contains(uint32_t ordinal) const { return chosen[ordinal]; }
  bool empty() const { return ordinals.empty(); }
};

class ObjectReader {
 public:
  static Result<std::shared_ptr<const ObjectReader>> open(ObjectStore& store, std::string key, uint64_t size,
                                                          uint32_t footer_length);
  // Without a catalogue row (rebuild, tools): reads the trailer first. Two ranged reads.
  static Result<std::shared_ptr<const ObjectReader>> open(ObjectStore& store, std::string key);

  const std::string& key() const { return key_; }
  const ObjectSummary& summary() const { return directory_.summary; }
  Ulid cluster() const { return directory_.cluster; }
  const std::vector<Ulid>& inputs() const { return directory_.inputs; }
  const std::vector<ProducerRange>& producers() const { return directory_.producers; }
  uint64_t last_frame() const { return directory_.last_frame; }
  Ulid seal() const { return directory_.seal; }
  const std::vector<std::string>& tenants() const { return directory_.summary.tenants; }
  const std::vector<std::string>& metadata_names() const { return directory_.metadata_names; }  // that occur at all

  StreamList::Range streams() const { return directory_.streams.all(); }
  // One label of a stream, i below label_count; sorted by name. Views live as long as the reader.
  MetadataPair label(const StreamInfo& stream, uint32_t i) const {
    const uint32_t value = directory_.labels[stream.first_label + i];
    return {directory_.view(directory_.names[directory_.name_of(value)].text),
            directory_.view(directory_.values[value])};
  }
  pipeline::LabelSet labels(const StreamInfo& stream) const;  // a copy

  // Label values are numbered in order of (name, value). Those of one name:
  struct Values {
    uint32_t first = 0, last = 0;  // excluded
    bool empty() const { return first == last; }
  };
  Values values_of(std::string_view name) const;  // empty: no stream has the label
  std::string_view value_text(uint32_t value) const { return directory_.view(directory_.values[value]); }
  // The numbers of a stream's values, rising.
  std::span<const uint32_t> values_of(uint32_t ordinal) const {
    const uint32_t first = directory_.streams.first_label(ordinal);
    return std::span(directory_.labels).subspan(first, directory_.streams.labels_end(ordinal) - first);
  }
  std::vector<std::string_view> label_names() const;  // all, sorted

  // The streams of `tenant` that pass every test.
  StreamSet select(std::string_view tenant, std::span<const LabelTest> tests) const;

  std::span<const PageInfo> pages() const { return directory_.pages; }
  StreamList::Runs runs(uint32_t page) const { return directory_.runs(pages()[page]); }  // streams rising
  // Pages, rising, on which a chosen stream has a run that touches [begin, end).
  std::vector<uint32_t> pages_of(const StreamSet& streams, UnixNanos begin, UnixNanos end) const;

  // Those of `pages` (rising, of `streams`) on which every condition may hold, as far as the substring filter knows;
  // all of them where there is none or it cannot be read. Reads rows of the filter.
  std::vector<uint32_t> pages_with(std::span<const PageCondition> conditions, const StreamSet& streams,
                                   std::vector<uint32_t> pages, FilterReads& reads) const;
  bool has_filter() const { return !directory_.filter.empty(); }

  size_t memory_bytes() const { return sizeof *this + directory_.memory_bytes(); }  // for the cache that holds it

 private:
  friend class PageCursor;
  ObjectReader(ObjectStore& store, std::string key, ObjectDirectory directory)
      : store_(store), key_(std::move(key)), directory_(std::move(directory)) {}
  // Calls `found` with each of the streams [first, second) that has one of the values, which rise; once or more often.
  template <class Found>
  void find_with(std::pair<uint32_t, uint32_t> streams, std::span<const uint32_t> values, Found found) const;
  // By ordinal: streams that have one of these labels. Empty: none has.
  std::vector<bool> streams_with(const std::vector<std::string>& names) const;

  ObjectStore& store_;
  const std::string key_;
  const ObjectDirectory directory_;
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
// read (gaps up to 256 KiB, at most `read_ahead_bytes` at once), so give rising page numbers where the order does not
// matter.
class PageCursor {
 public:
  PageCursor(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages,
             uint64_t read_ahead_bytes = 1 << 20);
  ~PageCursor();
  PageCursor(PageCursor&&) noexcept;
  PageCursor& operator=(PageCursor&&) noexcept;

  // As a new one, with the buffers of this one.
  void restart(std::shared_ptr<const ObjectReader> object, std::vector<uint32_t> pages);

  bool next();  // false: no further page
  uint32_t page() const;
  const ObjectReader& object() const;

  Result<std::span<const UnixNanos>> times();
  Result<std::span<const uint32_t>> offsets();     // rows + 1: line i is text[offsets[i], offsets[i + 1])
  Result<std::string_view> text();                 // all lines back to back; 64 more bytes may be read behind its end
  Result<EntrySlice> entries();                    // all columns, metadata included
  Result<EntrySlice> entries_without_text();       // times, offsets and metadata
  Result<EntrySlice> lines();                      // times, offsets and text
  Result<void> add_metadata(EntrySlice& entries);  // to one of this page
  // The rows by the metadata that matter (metadata_groups.h); nullptr: all of them. Times and offsets are not read.
  Result<void> metadata_groups(const std::vector<std::string>* wanted, MetadataGroups& groups);
  const ReadStats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
