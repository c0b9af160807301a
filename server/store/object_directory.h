// ObjectDirectory: everything about an object but its pages, and its bytes: the footer of format.h, both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "server/store/columns.h"
#include "server/store/page_filter.h"
#include "server/store/stream_list.h"
#include "server/store/ulid.h"

namespace server {

using pipeline::Result;

// [first, last] of the batch numbers of one producer epoch whose entries an L0 object holds.
struct ProducerRange {
  std::string tenant, producer;
  uint64_t epoch = 0, first = 0, last = 0;
  auto operator<=>(const ProducerRange&) const = default;
};

// What the catalogue wants to know.
struct ObjectSummary {
  Ulid object;
  int level = 0;
  std::vector<std::string> tenants;  // sorted
  UnixNanos min_time = 0, max_time = 0;
  uint64_t rows = 0, streams = 0;
  uint64_t raw_bytes = 0;      // of lines and metadata
  uint64_t size = 0;           // of the object
  uint32_t footer_length = 0;  // its last bytes, read in one piece to open it
  uint64_t ids_length = 0;     // of its id set (id_set.h), directly before the footer; 0: there is none
  // Requests to delete with numbers up to this do not touch it: they were applied, or came before its entries.
  uint64_t deletes_applied = 0;
  uint64_t retention_seconds = 0;  // of its streams when it was written, all of them alike; 0: for ever, or unknown
  bool operator==(const ObjectSummary&) const = default;
};

enum class PageColumn : uint8_t { kTimes, kLengths, kMetadata, kText };
inline constexpr size_t kPageColumns = 4;

struct PageInfo {
  struct Stored {
    uint64_t offset = 0;
    uint32_t length = 0;  // 0: the column is absent (no metadata on this page)
    uint32_t checksum = 0;
    bool operator==(const Stored&) const = default;
  };
  uint32_t rows = 0;
  uint32_t first_run = 0, runs = 0;  // numbered through all pages
  uint32_t first_stream = 0;         // of the first run; the others are those behind it
  UnixNanos min_time = 0, max_time = 0;
  uint32_t text_bytes = 0;  // of the lines
  Stored columns[kPageColumns];
  const Stored& column(PageColumn c) const { return columns[static_cast<size_t>(c)]; }
  bool operator==(const PageInfo&) const = default;
};

struct ObjectDirectory {
  // A piece of `text`.
  struct Text {
    uint32_t begin = 0, length = 0;
  };
  struct Name {
    Text text;
    uint32_t first_value = 0, values = 0;  // in `values`
  };

  Ulid cluster;
  ObjectSummary summary;
  std::vector<Ulid> inputs;
  std::vector<ProducerRange> producers;
  uint64_t last_frame = 0;  // of the write-ahead log: frames up to this are in this object or in older ones; 0: unknown
  Ulid seal;                // the last written output of the merge that made this one; zero: see format.h
  std::vector<std::string> metadata_names;
  std::string text;              // of label names and values, back to back
  std::vector<Name> names;       // sorted
  std::vector<Text> values;      // name by name, sorted
  std::vector<uint32_t> labels;  // values: of stream after stream; each says its name, too
  StreamList streams;
  std::vector<PageInfo> pages;
  std::vector<FilterPart> filter;  // empty: there is none
  bool filter_damaged = false;     // there is one, and it cannot be used

  std::string_view view(Text t) const { return std::string_view(text).substr(t.begin, t.length); }
  Text add_text(std::string_view bytes);
  // The number of the name that has this value, which there must be.
  uint32_t name_of(uint32_t value) const;
  StreamList::Runs runs(const PageInfo& page) const;
  size_t memory_bytes() const;
};

// The footer of an object whose pages end at `offset`. Sets size and footer_length of the summary.
std::string encode_footer(ObjectDirectory& directory, uint64_t offset);

// From the last `footer.size()` bytes of an object of `size` bytes; they must begin at or before the first section.
// kCorrupt names the section; kInvalid: made by a newer version. What comes back is consistent: every number in it lies
// within what it counts or points into.
Result<ObjectDirectory> decode_footer(std::string_view footer, uint64_t size);

// How long the footer is, from the last bytes of the object (any number of them, the trailer and the table at least).
// kOverLimit: the table needs more bytes than these.
Result<uint32_t> footer_length(std::string_view tail, uint64_t size);

}  // namespace server
