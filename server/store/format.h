// The bytes of an object, version 1. Integers of fixed width are little-endian; `varint` and `signed varint` (zigzag)
// are those of pipeline/base/varint.h; `sized` is a varint length and that many bytes. CRC-32C everywhere.
//
//   header     "LSEG" | u8 version = 1 | u8 level | u16 0 | cluster id (16) | object ulid (16)
//   row group  up to 64 pages of one tenant, column by column:
//                text pages | times pages | lengths pages | metadata pages (only where a page has metadata)
//   row group  ...
//   grids      of the substring filter, between row groups and behind the last one (page_filter.h)
//   ids        the set of the ids in its lines (id_set.h), directly before the footer; may be absent
//   sections   in any order, found by the table
//   table      varint count | count x { varint type | varint version | u8 codec | u8 flags (1: critical) |
//                varint offset | varint stored length | varint raw length | u32 crc of the stored bytes }
//   trailer    u64 offset of the table | u32 length | u32 crc of the table | u32 version = 1 | "LSEG"
//
// The footer is what begins at the first section: sections, table, trailer. An unknown section is ignored, unless it is
// critical: then the object is refused. Entries are sorted by (tenant, labels, time); a page holds up to 256 KiB of
// lines or of metadata (or one longer entry) of one or more streams; the entries of one stream on one page are a run.
//
// A page, whose offset, length and CRC stand in section PAGES:
//   u8 encoding | u8 codec (0 raw, 1 zstd, 2 snappy) | u16 0 | u32 raw length | u32 rows | stored bytes
//   text, encoding 0      the lines back to back
//   times, encoding 1     packed: for each run its rows - 1 steps to the next time; a run begins at its min_time
//   lengths, encoding 1   packed: the length of each line; in objects that stay in whole bytes and compressed
//   metadata, encoding 2  varint bytes of all entries' metadata as MetadataView has it | varint columns |
//                         for each: varint key (in METADATA_KEYS) | u8 flags (1: in all rows, 2: dictionary) |
//                         unless in all rows: bitmap of (rows + 7) / 8 bytes, lowest bit first |
//                         dictionary: varint n | n x sized value | packed index per row that has one
//                         plain: packed length per row that has one | the values back to back
//   packed: see packed_integers.h
//   snappy: the elements of a block without the length in front; programs before 2026-11-22 refuse it
//
// Sections, all zstd or raw (whichever is smaller), all critical but those marked:
//   1 STRINGS        varint names | for each, sorted: front-coded name | varint values | values sorted, front-coded.
//                    Front-coded: varint bytes shared with the one before (0 at the start of a list) | sized rest.
//                    Values are numbered through all names, in this order.
//   2 STREAMS        varint tenants | sized names, sorted | varint streams | for each, sorted by (tenant, labels):
//                    varint tenant minus that before | varint labels | varint name, varint value for each |
//                    varint min time - object's min | varint max - min time | varint rows | varint raw bytes |
//                    varint first page | varint last - first page
//   3 POSTINGS       reserved, optional
//   4 PAGES          varint pages | for each: varint rows | varint bytes of text | varint runs | for each column in the
//                    order times, lengths, metadata, text: varint length (0: absent), unless absent: signed varint
//                    offset - end of the last present page of that column | u32 crc | for each run: varint stream minus
//                    that of the run before | varint rows | varint min time - object's min | varint max - min time
//   5 METADATA_KEYS  varint count | sized names
//   6 LINEAGE        cluster id (16) | object ulid (16) | varint level | varint rows | varint raw bytes |
//                    i64 min time | i64 max time | varint inputs | 16 bytes each | varint producer ranges |
//                    for each: sized tenant | sized producer | varint epoch | varint first | varint last - first
//   7 FILTER         optional: where the grids of the substring filter are (page_filter.h)
//   8 FIELDS         reserved, optional
//   9 VOLUMES        optional, absent where no entry has metadata: varint volume bytes of each stream
//   10 ORIGIN        optional, absent where all is zero: varint deletes applied | varint retention, seconds |
//                    varint last frame | seal (16).
//                    Seal: the ulid of the object that the merge which made this one wrote last. So a catalogue that is
//                    made anew can tell the outputs of a whole merge from those of one that was cut off.
//   11 IDS           optional: varint length of the id set, which ends where the footer begins
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace server {

inline constexpr std::string_view kObjectMagic = "LSEG";
inline constexpr uint8_t kObjectVersion = 1;
inline constexpr size_t kObjectHeaderBytes = 40;
inline constexpr size_t kObjectTrailerBytes = 24;
inline constexpr size_t kPageHeaderBytes = 12;

inline constexpr size_t kPageTextBytes = 256
                                         << 10;  // filters prune better than with 1 MiB, and zstd gains nothing there
inline constexpr size_t kPageRows = 64 << 10;    // bounds the columns of pages of short or empty lines
inline constexpr size_t kGroupPages = 64;        // counting an hour of a stream reads one range per group
inline constexpr size_t kMaxEntryBytes = 64 << 20;                        // of a line, and of one entry's metadata
inline constexpr size_t kMaxPageBytes = kPageTextBytes + kMaxEntryBytes;  // decoders allocate no more than this

enum class PageCodec : uint8_t { kRaw = 0, kZstd = 1, kSnappy = 2 };
enum class PageEncoding : uint8_t { kPlain = 0, kPacked = 1, kMetadataColumns = 2 };

enum class SectionType : uint64_t {
  kStrings = 1,
  kStreams = 2,
  kPostings = 3,
  kPages = 4,
  kMetadataKeys = 5,
  kLineage = 6,
  kFilter = 7,
  kFields = 8,
  kVolumes = 9,
  kOrigin = 10,
  kIds = 11,
};
inline constexpr uint8_t kSectionCritical = 1;

}  // namespace server
