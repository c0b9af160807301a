#include "server/s3/s3_target.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

std::string amazon_endpoint(const std::string& region) {
  return concat("https://s3.", region, ".amazonaws.com", region.starts_with("cn-") ? ".cn" : "");
}

}  // namespace

Result<S3Target> S3Target::of(const S3Options& options) {
  std::string endpoint = options.endpoint.empty() ? amazon_endpoint(options.region) : options.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const size_t mark = endpoint.find("://");
  S3Target target;
  if (mark != endpoint.npos) target.scheme = endpoint.substr(0, mark);
  std::string host = mark == endpoint.npos ? "" : endpoint.substr(mark + 3);
  if ((target.scheme != "http" && target.scheme != "https") || host.empty() || host.find_first_of("/?#@") != host.npos)
    return fail(Errc::kInvalid, concat("store.endpoint \"", options.endpoint, "\": write http(s)://HOST[:PORT]"));
  // A port that is the scheme's own does not stand in the Host header.
  const std::string_view own_port = target.scheme == "http" ? ":80" : ":443";
  if (host.ends_with(own_port)) host.resize(host.size() - own_port.size());
  target.bucket = options.bucket;
  target.host = options.path_style ? host : concat(options.bucket, ".", host);
  if (options.path_style) target.path = concat("/", canonical_path(options.bucket));
  return target;
}

RequestToSign S3Target::request(std::string method, const std::string& key, const QueryParameters& query) const {
  std::string whole = path;
  if (!key.empty() || path.empty()) whole += concat("/", canonical_path(key));
  return {std::move(method), std::move(whole), canonical_query(query), host};
}

std::string S3Target::url(const RequestToSign& request) const {
  return concat(scheme, "://", host, request.path, request.query.empty() ? "" : "?", request.query);
}

std::string S3Target::place() const { return concat("bucket ", bucket, " at ", scheme, "://", host); }

}  // namespace server
