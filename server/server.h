// Server: the graph of one skidway-server process with role `all`, and its HTTP routes.
//
//   lock on data_dir -> catalogue -> store -> compaction -> ingest (replays the log) -> queries -> HTTP
//
// Life:    start() opens everything in that order and listens; stop() undoes it in flow order: no new requests, running
//          ones are answered, the head is flushed. `done` comes exactly once.
// Thread:  loop.
// Errors:  start(): the first thing that cannot be opened, named.
#pragma once

#include <memory>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/metrics.h"
#include "pipeline/loop/loop.h"
#include "server/settings.h"

namespace server {

class Server {
 public:
  static pipeline::Result<std::unique_ptr<Server>> start(pipeline::Loop& loop, pipeline::FileSystem& files,
                                                         const pipeline::Clock& clock, pipeline::Registry& registry,
                                                         Settings settings);
  ~Server();

  const std::string& address() const;  // where it listens: "127.0.0.1:3100"
  void reload();                       // limits are read anew; errors are logged
  void stop(pipeline::Task done);

 private:
  struct Graph;
  explicit Server(std::unique_ptr<Graph> graph);
  std::unique_ptr<Graph> graph_;
};

}  // namespace server
