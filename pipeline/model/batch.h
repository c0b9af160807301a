// Batch: entries moving together through the agent's pipeline. Memory only; one owner; one thread at a time.
//
// Struct of arrays: entry i is row i of every column. Nothing here allocates per line once the columns have grown:
// texts point into the block they were read into, or into the batch's arena when a stage made new bytes. `clear()`
// keeps the capacity.
//
// Origins say which bytes of the tailed file an entry is made of; a CRI entry joined from partial lines has several.
// They are what a batch's record in the checkpoint store names, so that after a crash the same entries can be rebuilt
// (agent/README.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/label_table.h"

namespace pipeline {

// One line, newline included, as bytes [begin, end) of one tailed file, and the time at which it was read: the time of
// an entry whose line has none. Rebuilding an entry after a crash gives its lines the same read times again.
struct ByteRange {
  uint64_t begin = 0, end = 0;
  UnixNanos read_time = 0;
  bool operator==(const ByteRange&) const = default;
};

// Bytes made by stages, valid until the batch is cleared. Grows by chunks, never moves what it holds.
class Arena {
 public:
  std::string_view copy(std::string_view bytes);
  char* allocate(size_t size);  // uninitialised
  void clear();                 // keeps the first chunk
  size_t capacity_bytes() const;

 private:
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // of the last chunk
};

// What a stage extracted: a typed value, as the stages of Alloy keep them.
struct FieldValue {
  // kAbsent: nothing extracted, a label of that name shows through. kRemoved: a stage removed the value, so that there
  // is none, and no such label either; only columns hold it, readers see kAbsent. kNull: there, without a text.
  enum class Kind : uint8_t { kAbsent, kRemoved, kNull, kText, kNumber, kInteger, kBool };
  Kind kind = Kind::kAbsent;
  std::string_view text;  // kText: the value. kNumber, kInteger: may hold the source text
  double number = 0;      // kNumber; kBool: 0 or 1
  int64_t integer = 0;    // kInteger
};

struct FieldColumn {
  std::string name;
  std::vector<FieldValue> values;  // one per entry
};

struct Metadata {
  std::string_view name, value;
};

class Batch;

// Watches a batch go through its stages, nested ones inside their outer one (skidway-agent test --explain).
class BatchObserver {
 public:
  virtual ~BatchObserver() = default;
  virtual void before(const Batch& batch, std::string_view stage) = 0;
  virtual void after(const Batch& batch, std::string_view stage) = 0;
};

class Batch {
 public:
  // Columns take memory for every row: of names out of the data no more than these get one.
  static constexpr size_t kMostColumns = 64;

  explicit Batch(LabelTable& label_table) : label_sets(&label_table) {}

  // --- columns, one row per entry
  std::vector<std::string_view> lines;
  std::vector<UnixNanos> times;
  std::vector<LabelTable::Id> labels;  // ids in *label_sets
  // The labels at the pipeline's start, with which a batch is built again after a crash: no stage writes them.
  std::vector<LabelTable::Id> first_labels;
  std::vector<uint32_t> origin_begin;  // rows into `origins`: [origin_begin[i], origin_begin[i] + origin_count[i])
  std::vector<uint32_t> origin_count;

  // --- shared by the rows
  std::vector<ByteRange> origins;
  LabelTable* label_sets;
  Arena arena;
  BatchObserver* observer = nullptr;  // null: nobody watches

  size_t size() const { return lines.size(); }
  bool empty() const { return lines.empty(); }

  // Adds an entry with one origin. Only while there are no extracted values; insert() is for later.
  void add(std::string_view line, UnixNanos time, LabelTable::Id label_set, ByteRange origin);

  // The column of extracted values called `name`: made, all absent, where there is none yet. The reference holds until
  // the next call.
  FieldColumn& field(std::string_view name);
  const FieldColumn* find_field(std::string_view name) const;
  // Those in use; a column may be all absent.
  std::span<const FieldColumn> fields() const { return {fields_.data(), fields_used_}; }
  // Sets an extracted value whose name stands in the data (every key of a line, say). Such names have no end: when
  // there are kMostColumns of columns the value is kept with its row alone, until someone asks for the column. `name`
  // is copied. May move the columns, as field().
  void set_value(size_t i, std::string_view name, const FieldValue& value);
  // Entry i's values that are in no column, by name.
  using RowValues = std::map<std::string_view, FieldValue>;
  const RowValues& row_values(size_t i) const;
  bool has_row_values() const { return !row_values_.empty(); }
  void remove_row_value(size_t i, std::string_view name);
  // Makes every extracted value of entry i absent.
  void clear_fields(size_t i);

  // The label set whose labels entry i's stages see among the extracted values: first_labels, unless `match` gave its
  // nested stages those of now.
  LabelTable::Id seed_labels(size_t i) const { return seeds_.empty() ? first_labels[i] : seeds_[i]; }
  void set_seed_labels(size_t i, LabelTable::Id label_set);

  // What stages see under `name` for entry i: the extracted value, else the label of that name in seed_labels().
  FieldValue value(size_t i, std::string_view name) const;

  // Structured metadata of entry i; most batches have none at all.
  const std::vector<Metadata>& metadata(size_t i) const;
  std::vector<Metadata>& mutable_metadata(size_t i);
  bool has_metadata() const { return has_metadata_; }

  // Keeps the entries whose `keep` is not 0, in order; `keep` has size() elements.
  void retain(const std::vector<uint8_t>& keep);

  // Adds an entry before row `at` (size(): at the end), active where row `at` is. The texts and `pieces` are the
  // caller's.
  void insert(size_t at, std::string_view line, UnixNanos time, LabelTable::Id label_set,
              const std::vector<ByteRange>& pieces);

  // Entry i becomes counts[i] equal entries one after the other (0: it is removed), which share its origins. `counts`
  // has size() elements.
  void repeat(const std::vector<uint32_t>& counts);

  // Rows a stage may touch: all, unless a mask was pushed (the nested stages of `match` see only matching rows). Masks
  // follow retain() and insert(). `rows` has size() elements.
  bool active(size_t i) const { return masks_.empty() || masks_.back()[i] != 0; }
  bool all_active() const { return masks_.empty(); }
  void push_mask(std::vector<uint8_t> rows) { masks_.push_back(std::move(rows)); }
  std::vector<uint8_t> pop_mask();

  // The lines that entry i is made of.
  std::span<const ByteRange> origins_of(size_t i) const { return {&origins[origin_begin[i]], origin_count[i]}; }

  // The time at which entry i was read: that of its last piece.
  UnixNanos read_time(size_t i) const { return origins[origin_begin[i] + origin_count[i] - 1].read_time; }

  // Empties everything; capacity stays, the label table is not touched.
  void clear();

 private:
  std::vector<FieldColumn> fields_;  // [0, fields_used_) are in use
  size_t fields_used_ = 0;
  std::vector<RowValues> row_values_;  // empty: no entry has any; else one per entry
  std::vector<LabelTable::Id> seeds_;  // empty: first_labels; else one per entry
  bool has_metadata_ = false;
  std::vector<std::vector<Metadata>> metadata_;  // has_metadata_: of the first size() entries; the rest is capacity
  std::vector<std::vector<uint8_t>> masks_;      // the last one counts
};

}  // namespace pipeline
