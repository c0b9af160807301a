// Discovery: finds the files of `kubernetes` and `file` sources and offers each to the reader as soon as it is seen.
//
// One inotify instance watches directories, recursively where patterns reach; a new directory is scanned after its
// watch is set. A full rescan runs every 10 s, and after an overflow of the event queue. Directories that get no watch
// (limit of the system, or files behind links) are polled every second; skidway_agent_discovery_polled_directories
// counts them.
//
// Life:    start() scans once, synchronously, then offers the files and calls reader.scan_done(); stop() closes
// watches. Thread:  loop. Errors:  a directory that cannot be read or is absent is logged and tried again with each
// rescan.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/target.h"
#include "agent/source/file_ledger.h"
#include "agent/source/file_reader.h"
#include "agent/source/source_options.h"
#include "pipeline/base/metrics.h"

namespace pipeline {
class Loop;
}

namespace agent {

// Raises RLIMIT_NOFILE to its hard limit; returns the limit in force.
uint64_t raise_open_file_limit();

// Who knows the pods of a source; null: nobody. Called on the loop, for each source when it is new or changed.
using FindPodMetadata = std::function<const PodMetadata*(const SourceOptions&)>;

// What `targets` prints: a scan without watching or reading. Thread: any.
std::vector<Target> scan_targets(const std::vector<std::shared_ptr<const SourceOptions>>& sources,
                                 const FindPodMetadata& find_metadata = nullptr);

class Discovery final : public ReaderEvents {
 public:
  Discovery(pipeline::Loop& loop, std::vector<std::shared_ptr<const SourceOptions>> sources, FileLedger& ledger,
            pipeline::Registry& metrics, OpenFiles* open_files = nullptr);
  ~Discovery() override;

  void set_pod_metadata(FindPodMetadata find);  // before start(); what it finds outlives this, or changes with sources
  void add_reader(FileReceiver& reader);        // before start(); a file goes to a reader by the hash of its lineage
  void start();
  void stop();

  // The sources are others now, by index as before, new ones behind; null: removed. Withdraws and relabels files, calls
  // `between`, then scans and offers what is new.
  void change_sources(std::vector<std::shared_ptr<const SourceOptions>> sources, const std::function<void()>& between);
  bool first_scan_done() const;

  void pods_changed(const std::vector<PodId>& pods);  // what is known of them
  bool has_files(const PodId& pod) const;             // log files of it are there

  std::vector<Target> targets() const;  // sorted by source and path

  void file_finished(InodeKey key, size_t source) override;  // Thread: any

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent
