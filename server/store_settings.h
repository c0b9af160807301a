// The table [store] of the configuration: a folder, or an S3 bucket. Keys and defaults: configs/server.toml and
// configs/server_s3.toml.
#pragma once

#include <optional>
#include <string>

#include "pipeline/config/config.h"
#include "server/s3/s3_options.h"

namespace server {

struct StoreSettings {
  std::string folder = {};           // of file:// URLs
  std::optional<S3Options> s3 = {};  // of s3:// URLs
  std::string place() const;         // "s3://bucket/prefix" or the folder
};

// `folder`: where objects live when nothing is said. Errors go to the document.
StoreSettings read_store(pipeline::ConfigTable table, const std::string& folder);

}  // namespace server
