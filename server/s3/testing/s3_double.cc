#include "server/s3/testing/s3_double.h"

#include "pipeline/base/concat.h"
#include "pipeline/http/http_form.h"
#include "server/s3/xml.h"

namespace server {

using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

namespace {

HttpResponse refusal(int status, std::string_view code) {
  return HttpResponse::text(
      status, concat("<?xml version='1.0'?><Error><Code>", code, "</Code><Message>as told", "</Message></Error>"));
}

HttpResponse etag_answer(std::string etag) { return {200, {{"ETag", std::move(etag)}}, ""}; }

}  // namespace

S3Double::S3Double()
    : server_(
          [this](HttpRequest request, HttpResponder responder) { handle(std::move(request), std::move(responder)); }) {}

S3Double::~S3Double() {
  server_.on_loop([this] { held_.clear(); });  // a responder does not outlive its server
}

void S3Double::set_fault(std::function<Fault(const HttpRequest&)> fault) {
  std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

void S3Double::fail_next(std::string method, std::vector<Fault> faults) {
  std::lock_guard lock(mutex_);
  next_[std::move(method)].assign(faults.begin(), faults.end());
}

std::map<std::string, std::string> S3Double::objects() {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  for (const auto& [key, object] : objects_) out[key] = object.body;
  return out;
}

void S3Double::set_uploads_begun(std::string time) {
  std::lock_guard lock(mutex_);
  uploads_begun_ = std::move(time);
}

size_t S3Double::unfinished_uploads() {
  std::lock_guard lock(mutex_);
  return uploads_.size();
}

std::vector<HttpRequest> S3Double::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

void S3Double::put_object(const std::string& key, std::string body) {
  std::lock_guard lock(mutex_);
  objects_[key] = {std::move(body), ""};
}

void S3Double::handle(HttpRequest request, HttpResponder responder) {
  std::lock_guard lock(mutex_);
  requests_.push_back(request);
  Fault fault = fault_ ? fault_(request) : Fault{};
  if (auto& queue = next_[request.method]; fault.act == Act::kPass && !queue.empty()) {
    fault = queue.front();
    queue.pop_front();
  }
  if (fault.act == Act::kHold) return held_.push_back(std::move(responder));
  HttpResponse answer = fault.act == Act::kAnswer ? HttpResponse() : serve(request);
  if (fault.act != Act::kPass) answer = refusal(fault.status, fault.code);
  if (request.method == "HEAD" && answer.status >= 300) answer.body.clear();
  responder.send(std::move(answer));
}

HttpResponse S3Double::serve(const HttpRequest& request) {
  const std::string root = "/bkt";
  if (!request.path.starts_with(root)) return refusal(404, "NoSuchBucket");
  const std::string key = request.path.size() > root.size() ? request.path.substr(root.size() + 1) : "";
  std::map<std::string, std::string> query;
  auto form = pipeline::HttpForm::parse(request.query);
  for (const auto& [name, value] : *form) query[name] = value;
  if (key.empty()) return list(query);
  if (request.method == "POST") return post(request, key, query);
  if (query.contains("uploadId")) {
    auto upload = uploads_.find(query["uploadId"]);
    if (upload == uploads_.end()) return refusal(404, "NoSuchUpload");
    if (request.method == "DELETE") return uploads_.erase(upload), HttpResponse::empty(204);
    upload->second.parts[std::stoi(query["partNumber"])] = request.body;
    return etag_answer(concat("\"part", query["partNumber"], "\""));
  }
  if (request.method == "PUT") return put(request, key);
  if (request.method == "DELETE") return objects_.erase(key), HttpResponse::empty(204);
  return get(request, key);
}

HttpResponse S3Double::list(const std::map<std::string, std::string>& query) {
  auto value = [&](const std::string& name) { return query.contains(name) ? query.at(name) : std::string(); };
  std::string out = "<ListBucketResult>";
  if (query.contains("uploads")) {
    out = "<ListMultipartUploadsResult>";
    for (const auto& [id, upload] : uploads_) {
      if (upload.key.starts_with(value("prefix")))
        out += concat("<Upload><Key>", xml_escape(upload.key), "</Key><UploadId>", id, "</UploadId><Initiated>",
                      uploads_begun_, "</Initiated></Upload>");
    }
    return HttpResponse::text(200, out + "</ListMultipartUploadsResult>");
  }
  const size_t most = value("max-keys").empty() ? 1000 : std::stoul(value("max-keys"));
  size_t n = 0;
  for (auto at = objects_.upper_bound(value("continuation-token")); at != objects_.end(); ++at) {
    const std::string& key = at->first;
    if (!key.starts_with(value("prefix"))) continue;
    if (!value("delimiter").empty() && key.find(value("delimiter"), value("prefix").size()) != key.npos) continue;
    if (n++ == most) {
      out += concat("<IsTruncated>true</IsTruncated><NextContinuationToken>", xml_escape(std::prev(at)->first),
                    "</NextContinuationToken>");
      break;
    }
    out += concat("<Contents><Key>", xml_escape(key), "</Key></Contents>");
  }
  return HttpResponse::text(200, out + "</ListBucketResult>");
}

HttpResponse S3Double::get(const HttpRequest& request, const std::string& key) {
  auto found = objects_.find(key);
  if (found == objects_.end()) return refusal(404, "NoSuchKey");
  const Object& object = found->second;
  HttpResponse answer{200, {{"x-amz-meta-skidway-put", object.put_id}}, object.body};
  if (std::string range(request.headers.get("Range")); !range.empty()) {
    const uint64_t first = std::stoull(range.substr(6)), last = std::stoull(range.substr(range.find('-') + 1));
    if (first >= object.body.size()) return refusal(416, "InvalidRange");
    answer.status = 206;
    answer.body = object.body.substr(first, last - first + 1);
  }
  return answer;
}

HttpResponse S3Double::put(const HttpRequest& request, const std::string& key) {
  if (conditional && request.headers.has("If-None-Match") && objects_.contains(key))
    return refusal(412, "PreconditionFailed");
  objects_[key] = {request.body, std::string(request.headers.get("x-amz-meta-skidway-put"))};
  return etag_answer("\"whole\"");
}

HttpResponse S3Double::post(const HttpRequest& request, const std::string& key,
                            const std::map<std::string, std::string>& query) {
  if (query.contains("uploads")) {
    const std::string id = concat("upload", uploads_.size() + objects_.size());
    uploads_[id] = {key, std::string(request.headers.get("x-amz-meta-skidway-put")), {}};
    return HttpResponse::text(
        200, concat("<InitiateMultipartUploadResult><UploadId>", id, "</UploadId></InitiateMultipartUploadResult>"));
  }
  auto upload = uploads_.find(query.at("uploadId"));
  if (upload == uploads_.end()) return refusal(404, "NoSuchUpload");
  Object whole{"", upload->second.put_id};
  for (const auto& [number, part] : upload->second.parts) whole.body += part;
  objects_[key] = std::move(whole);
  uploads_.erase(upload);
  return HttpResponse::text(200, "  <CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
}

}  // namespace server
