// Settings of skidway-server: the configuration file (TOML), read and checked. Keys and defaults: configs/server.toml.
#pragma once

#include <string>

#include "pipeline/config/config.h"
#include "pipeline/http/http_server.h"
#include "server/cache/cache_settings.h"
#include "server/compact/compactor.h"
#include "server/ingest/ingest.h"
#include "server/ingest/syslog_listener.h"
#include "server/limits/limit_settings.h"
#include "server/query/query_engine.h"
#include "server/query/query_scheduler.h"
#include "server/store_settings.h"
#include "server/tenancy.h"

namespace server {

struct Settings {
  std::string config_file;  // "": none
  std::string data_dir = "skidway-data";
  std::string listen = "127.0.0.1:3100";
  pipeline::HttpServerTls tls;
  TenancyMode tenancy = TenancyMode::kSingle;
  StoreSettings store;
  CacheSettings cache;
  std::string catalog_file;  // of sqlite:// URLs
  IngestOptions ingest;
  SyslogOptions syslog;
  CompactorOptions compaction;
  double compaction_share = 0.25;  // of all processors
  LimitSettings limits;
  QueryEngineOptions queries;
  QueryScheduler::Options query_threads;
  bool compress_answers = true;  // for clients that take gzip
};

// Without a configuration file: one machine, everything below ./skidway-data.
Settings default_settings();

// kNotFound, kIo: the file. kInvalid: every error of it, one a line.
pipeline::Result<Settings> load_settings(const std::string& path);
pipeline::Result<Settings> parse_settings(std::string_view text, std::string name);

}  // namespace server
