// SharedStreams: which streams of a selection lie in several places at one time: in objects, or in an object and in the
// head, or in several runs of the head. Only these can hold an entry twice.
//
// Streams are looked at in rounds, by their hash, so that a round needs a bounded piece of memory however many there
// are. Places whose times meet no other's are left out from the start.
//
// Thread: one at a time. Life: not longer than the selection.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/base/hash.h"
#include "server/query/query_turn.h"
#include "server/query/selection.h"

namespace server {

class SharedStreams {
 public:
  // `most`: streams of places that one round looks at, nearly; 24 bytes each.
  explicit SharedStreams(const Selection& selection, size_t most = 1 << 20);

  struct Member {
    pipeline::Hash128 stream;
    uint32_t place = 0;    // of selection.stored, and behind them of selection.head
    uint32_t ordinal = 0;  // of the object's streams; in the head: 0
  };
  using Group = std::span<const Member>;  // of one stream, two or more

  // The groups of the next round, those in the same pages near each other; valid until the next call. False: there is
  // none any more. kCancelled.
  pipeline::Result<bool> next_round(std::vector<Group>& groups, QueryTurn& turn);

 private:
  void find_crowded_places();
  pipeline::Result<void> add_members(QueryTurn& turn);

  const Selection& selection_;
  std::vector<uint32_t> places_;  // that meet others in time
  size_t rounds_ = 0, round_ = 0;
  std::vector<Member> members_;
};

}  // namespace server
