// LimitReloader: keeps a LimitTable as the configuration and the file of overrides say, while the server runs.
//
// refresh() reads the overrides file, reload() the configuration too. A file that is missing or has errors changes
// nothing: the limits stay, the error is counted, and logged once.
//
// Life:    open() applies the overrides for the first time. Metrics end with it.
// Thread:  any; a call takes as long as reading a small file.
// Errors:  of open() and reload(): what the files say.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "pipeline/base/metrics.h"
#include "server/limits/limit_table.h"

namespace server {

class LimitReloader {
 public:
  // Reads the configuration anew; null: there is none.
  using ReadSettings = std::function<pipeline::Result<LimitSettings>()>;

  static pipeline::Result<std::unique_ptr<LimitReloader>> open(LimitTable& table, pipeline::Registry& registry,
                                                               LimitSettings settings, ReadSettings read);

  void refresh();
  pipeline::Result<void> reload();

 private:
  LimitReloader(LimitTable& table, pipeline::Registry& registry, LimitSettings settings, ReadSettings read);
  pipeline::Result<void> apply(LimitSettings settings);  // under mutex_
  void note(const pipeline::Result<void>& applied);      // under mutex_

  LimitTable& table_;
  const ReadSettings read_;
  pipeline::Gauge& last_successful_;
  pipeline::Gauge& loki_last_successful_;
  pipeline::Counter& failures_;
  std::unique_ptr<pipeline::Registry::Collector> shown_;

  std::mutex mutex_;        // guards what follows, and the order of changes
  LimitSettings settings_;  // of the configuration, as last read well
  std::string told_;        // the error logged last
};

}  // namespace server
