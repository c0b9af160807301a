// HeadBlock: small pushes packed together, so that an entry of its own costs its bytes and not an allocation.
//
// Memory of a fixed size, filled from the front and never moved: slices of what is in it stay valid, also while more is
// appended behind them.
// Thread:  append: one at a time; slices handed out may be read by any thread meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "server/store/columns.h"

namespace server {

class HeadBlock {
 public:
  static constexpr size_t kTextBytes = 256 << 10;
  static constexpr size_t kRows = 4096;
  static constexpr size_t kMetadataBytes = 128 << 10;

  HeadBlock();

  bool has_room_for(const EntrySlice& entries) const;
  // A copy of the entries, behind those of before; the number of the first. Needs room.
  uint32_t append(const EntrySlice& entries);
  // Everything it will ever hold: rows that were not appended yet must not be looked at.
  EntrySlice entries() const;

 private:
  size_t rows_ = 0;
  std::unique_ptr<pipeline::UnixNanos[]> times_;
  std::unique_ptr<uint32_t[]> offsets_, metadata_offsets_;  // rows_ + 1 of them are set
  std::unique_ptr<char[]> text_, metadata_;
};

}  // namespace server
