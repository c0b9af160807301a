// ColumnPool: the memory of entries that were written, for those that are decoded next. A replay would else give every
// page of it back to the system and fault it in anew.
//
// Life:    shared by what lends from it; after close() it keeps nothing and lends nothing used.
// Thread:  any.
// Limits:  lends nothing that takes more than half as much again as what is asked for. Where none fits, the oldest
//          goes: what is kept and what is lent are together no more than was lent at the most.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "server/store/columns.h"

namespace server {

class ColumnPool {
 public:
  static constexpr size_t kStep = 64 << 10;  // less is not worth it, and nothing is lent for less

  struct Loan {
    EntryColumns columns;  // empty
    size_t text_room = 0;  // bytes that they take without growing; 0: not for give()
  };

  // With room for the lines of a push of so many bytes; used ones where there are any of that size.
  Loan take(size_t push_bytes) {
    Loan out, gone;  // `gone` is destroyed outside the lock
    if (push_bytes < kStep) return out;
    const size_t room = (push_bytes + kStep - 1) / kStep * kStep;
    {
      std::lock_guard lock(mutex_);
      const auto fits = [&](const Loan& loan) {
        return loan.text_room >= push_bytes && loan.columns.memory_bytes() <= room + room / 2;
      };
      const auto found = std::find_if(free_.begin(), free_.end(), fits);
      if (found != free_.end()) {
        out = std::move(*found);
        free_.erase(found);
        return out;
      }
      if (!free_.empty()) gone = std::move(free_.front()), free_.pop_front();
    }
    out.columns.reserve(0, room);
    out.text_room = room;
    return out;
  }

  void give(Loan loan) {
    if (loan.text_room == 0) return;
    loan.columns.clear();
    std::lock_guard lock(mutex_);
    if (!closed_) free_.push_back(std::move(loan));
  }

  void close() {
    std::deque<Loan> gone;  // destroyed outside the lock
    std::lock_guard lock(mutex_);
    closed_ = true;
    gone.swap(free_);
  }

 private:
  std::mutex mutex_;
  std::deque<Loan> free_;  // under mutex_, oldest first
  bool closed_ = false;    // under mutex_
};

}  // namespace server
