// CommitFeed: tells whoever listens of entries at the moment they are durable and visible to queries.
//
// Exactly once: a listener is told of every frame that becomes visible after listen(). A ReadView it takes afterwards
// may hold some of them too: those up to ReadView::last_frame().
// Life:    listeners leave before it dies.
// Thread:  listen(), leave(): any, but not inside on_entries(). on_entries() comes on a thread of the committer's, in
// the
//          order of frames, and returns soon: pushes wait for it.
// Cost:    without listeners of a tenant one look-up a push; with them a small copy per run, no entry is copied.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/ingest/head.h"
#include "server/ingest/wal_frame.h"

namespace server {

class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void on_entries(uint64_t frame, std::span<const HeadAddition> added) = 0;
};

class CommitFeed {
 public:
  void listen(std::string tenant, CommitListener& listener);
  void leave(std::string_view tenant, CommitListener& listener);  // afterwards it is not called any more

  // The committer's: adds to the head and tells of it, in one step as far as listen() can see.
  void make_visible(Head& head, PushedEntries entries, const WalFrame& frame);
  // As well, for what the catalogue has just made visible in one commit.
  void tell(const SealedHead& committed, uint64_t frame);

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<CommitListener*>, std::less<>> listeners_;  // by tenant; under mutex_
};

}  // namespace server
