// S3Target: where requests go: the URL of an object or of the bucket, in path or virtual-host style.
//
// Thread: any. Errors: kInvalid: names the setting and the remedy.
#pragma once

#include <string>

#include "pipeline/base/result.h"
#include "server/s3/s3_options.h"
#include "server/s3/signature.h"

namespace server {

struct S3Target {
  std::string scheme = {};  // http or https
  std::string host = {};    // as in the Host header
  std::string path = {};    // "/bucket" in path style, "" otherwise
  std::string bucket = {};

  static pipeline::Result<S3Target> of(const S3Options& options);

  // What is signed and sent for `key` ("": the bucket itself).
  RequestToSign request(std::string method, const std::string& key, const QueryParameters& query) const;
  std::string url(const RequestToSign& request) const;
  bool encrypted() const { return scheme == "https"; }
  std::string place() const;  // "bucket b at https://host"
};

}  // namespace server
