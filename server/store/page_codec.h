// Page codec: the bytes of the four columns of a page (format.h), both ways. Decoders trust nothing: whatever the
// bytes, they answer kCorrupt or columns that are safe to use. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"
#include "server/store/columns.h"
#include "server/store/format.h"
#include "server/store/packed_integers.h"

namespace server {

using pipeline::Result;

// Behind decoded text one may read this many bytes (SIMD searches, simdjson).
inline constexpr size_t kTextPadding = 64;

// What a run's times are decoded from, besides the page.
struct RunTimes {
  uint32_t rows;
  UnixNanos first, last;
};

// What making a page smaller may cost: see README.md.
enum class PageEffort : uint8_t {
  kLeast,  // snappy: what is written anew soon
  kFast,   // zstd, as the next: what stays, where kSmall gains little
  kSmall,
};

// Appends header and bytes of a page. A page that does not become smaller is stored raw, and one without effort.
void append_page(std::string& out, PageEncoding encoding, std::string_view raw, uint32_t rows,
                 std::optional<PageEffort> effort);

// A page's raw bytes: decompressed into `buffer` with kTextPadding readable bytes behind, or, where stored raw and not
// `padded`, a view of `stored`.
Result<std::string_view> decode_page(std::string_view stored, PageEncoding encoding, uint32_t rows, bool padded,
                                     pipeline::ByteBuffer& buffer);

// `times` of all runs, one after the other.
Result<void> decode_times(std::string_view raw, std::span<const RunTimes> runs, std::vector<UnixNanos>& times);
// `offsets` gets rows + 1 numbers, the last of which is `text_bytes`.
Result<void> decode_lengths(std::string_view raw, uint32_t rows, uint32_t text_bytes, std::vector<uint32_t>& offsets);

// Metadata of consecutive rows, offsets and text as in EntrySlice. `key_of` gives names their numbers.
class MetadataKeys {
 public:
  uint32_t key_of(std::string_view name);
  const std::vector<std::string>& names() const { return names_; }
  void set_names(std::vector<std::string> names) { names_ = std::move(names); }

 private:
  std::vector<std::string> names_;  // few: found one by one
};

// `packing` is append_packed, or append_packed_bytes for a page that will be compressed.
void append_metadata_columns(std::string& raw, std::span<const uint32_t> offsets, std::string_view text,
                             MetadataKeys& keys,
                             void (*packing)(std::string& out, std::span<const uint64_t> numbers) = append_packed);
Result<void> decode_metadata_columns(std::string_view raw, uint32_t rows, const std::vector<std::string>& names,
                                     std::vector<uint32_t>& offsets, std::string& text);

}  // namespace server
