// StreamCursors: how far one sink is with a source that can be read again (a journal, a daemon, an API), in the
// checkpoint store. Each sink of such a source has a reader and cursors of its own, so none waits for another.
//
// In the store, under the name of the source: `SINK<tab>KEY`; `SINK<tab>` is there once the sink has begun. KEY alone
// is of an agent that had one place for all sinks.
//
// A cursor is on disk with the sums of what it has passed, never without them: save() only notes it, and write() puts
// all that was noted of a source into the store together with the lines of its account.
//
// Life:    a value; the store outlives it. begin() first, then any number of them.
// Thread:  any.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/ledger/stream_account.h"

namespace agent {

class StreamCursors {
 public:
  // Each of `sinks` that the source did not have before begins at the place that all had (of an older agent), else
  // where the first of the others is that has one, else at the beginning. One that was there and has nothing saved is
  // still at the beginning.
  static void begin(CheckpointStore& store, const std::string& source, const std::vector<std::string>& sinks);

  StreamCursors(CheckpointStore& store, const std::string& source, const std::string& sink);

  std::map<std::string, std::string> saved() const;
  // Save only what is settled; an empty text removes it.
  void save(const std::string& key, std::string text) const;

  // What was saved of `source`, and `lines` of all its sinks: one transaction, written at once if anything is new.
  // Lines of sinks that the source had earlier are kept beside them.
  static void write(CheckpointStore& store, const std::string& source, std::vector<StreamLine> lines);

 private:
  CheckpointStore* store_;
  std::string source_, prefix_;
};

}  // namespace agent
