// HeldEntry: an entry that a stage keeps between batches. Owns all it is made of: blocks, arenas and label tables do
// not live as long. Thread: the one that owns the memory.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/model/batch.h"

namespace pipeline {

struct HeldEntry {
  std::string text;
  std::vector<ByteRange> pieces;
  UnixNanos time = 0;
  LabelSet labels, first_labels;
  std::optional<LabelSet> seed_labels;  // where they differ from first_labels
  std::vector<std::pair<std::string, std::string>> metadata;
  // Extracted values: a name, the value (its text is the third).
  struct Field {
    std::string name;
    FieldValue value;
    std::string text;
  };
  std::vector<Field> fields;

  // All of row `row` but its text and pieces.
  static HeldEntry attributes_of(const Batch& batch, size_t row);
  // Gives row `row` what attributes_of() had of another; its line and origins stay.
  void put_attributes(Batch& batch, size_t row) const;
  // The whole entry as a new row before row `at` (size(): at the end).
  void insert(Batch& batch, size_t at) const;

  uint64_t first_byte() const { return pieces.front().begin; }
};

// As StageMemory::move_back().
inline void move_back(std::vector<ByteRange>& pieces, uint64_t bytes) {
  for (ByteRange& piece : pieces) piece.begin -= bytes, piece.end -= bytes;
}

// Appends the origins of row `row`.
inline void append_origins(std::vector<ByteRange>& pieces, const Batch& batch, size_t row) {
  const ByteRange* own = &batch.origins[batch.origin_begin[row]];
  pieces.insert(pieces.end(), own, own + batch.origin_count[row]);
}

}  // namespace pipeline
