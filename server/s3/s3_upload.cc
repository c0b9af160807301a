#include "server/s3/s3_upload.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>

#include "pipeline/base/concat.h"
#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "pipeline/base/text_encoding.h"
#include "server/s3/xml.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::HttpClientResponse;

namespace {

constexpr size_t kPartsUnderway = 2;
constexpr size_t kMostParts = 10'000;  // of one object, as S3 has it
constexpr std::string_view kPutIdHeader = "x-amz-meta-skidway-put";

std::string make_put_id() {
  std::random_device random;
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes.push_back(static_cast<char>(random() & 0xff));
  std::string text;
  pipeline::append_hex(text, bytes);
  return text;
}

// An error that came with status 200, after white space that kept the connection alive.
HttpClientResponse with_true_status(HttpClientResponse answer) {
  if (answer.status != 200 || answer.body.find("<Error") == answer.body.npos) return answer;
  const std::string code = s3_code_of(answer);
  answer.status = code == "InternalError" || code == "SlowDown" || code == "ServiceUnavailable" ? 503 : 400;
  return answer;
}

}  // namespace

struct S3Upload::Parts {
  std::mutex mutex;
  std::condition_variable answered;
  size_t sent = 0;
  size_t underway = 0;                  // under mutex
  std::map<size_t, std::string> etags;  // under mutex; by part number
  std::optional<Error> trouble;         // under mutex; the first
};

S3Upload::S3Upload(S3Client& client, std::string key, bool conditional)
    : client_(client), key_(std::move(key)), conditional_(conditional), put_id_(make_put_id()) {}

S3Upload::~S3Upload() {
  if (finished_ || upload_id_.empty()) return;
  S3Request abort{S3Operation::kMultipart, "DELETE", key_};
  abort.query = {{"uploadId", upload_id_}};
  abort.hedge = false;
  client_.send(std::move(abort), [key = key_](Result<HttpClientResponse> answer) {
    if (answer && answer->status < 300) return;
    pipeline::log_warn("an upload could not be aborted; a start more than a day later removes its parts",
                       {{"object", key}});
  });
}

Error S3Upload::failed(const HttpClientResponse& answer) const { return s3_error(answer, client_.place()); }

Result<HttpClientResponse> S3Upload::call(S3Request request) {
  auto answer = client_.call(std::move(request));
  if (!answer) return fail(answer.error().within(concat("write object ", key_)));
  return with_true_status(*std::move(answer));
}

void S3Upload::add_object_headers(pipeline::HttpHeaders& headers) const {
  const S3Options& options = client_.options();
  headers.set(kPutIdHeader, put_id_);
  if (!options.sse.empty()) headers.set("x-amz-server-side-encryption", options.sse);
  if (!options.sse_kms_key.empty()) headers.set("x-amz-server-side-encryption-aws-kms-key-id", options.sse_kms_key);
  if (!options.storage_class.empty()) headers.set("x-amz-storage-class", options.storage_class);
}

Result<void> S3Upload::append(std::string_view bytes) {
  const uint64_t part_bytes = client_.options().part_bytes;
  while (!bytes.empty()) {
    const size_t taken = std::min<size_t>(bytes.size(), part_bytes - buffer_.size());
    buffer_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (bytes.empty()) break;  // a full buffer may be the whole object
    if (upload_id_.empty()) TRY(begin_parts());
    TRY(send_part());
  }
  return {};
}

Result<void> S3Upload::commit() {
  TRY(upload_id_.empty() ? put_whole() : complete_parts());
  finished_ = true;
  return {};
}

Result<void> S3Upload::check_absent() {
  TRY_LET(auto answer, call({S3Operation::kHead, "HEAD", key_}));
  if (answer.status == 404) return {};
  if (answer.status / 100 == 2) return fail(Errc::kInvalid, concat("write object ", key_, ": it exists already"));
  return fail(failed(answer).within(concat("write object ", key_)));
}

Result<void> S3Upload::put_whole() {
  if (!conditional_) TRY(check_absent());
  S3Request put{S3Operation::kPut, "PUT", key_};
  put.body = std::make_shared<std::string>(std::move(buffer_));
  add_object_headers(put.headers);
  if (conditional_) put.headers.set("If-None-Match", "*");
  TRY(failpoint("s3.before_put"));
  TRY_LET(auto answer, call(std::move(put)));
  TRY(failpoint("s3.after_put"));
  if (answer.status / 100 == 2) return {};
  if (answer.status == 412) return accept_own({Errc::kInvalid, concat("write object ", key_, ": it exists already")});
  return fail(failed(answer).within(concat("write object ", key_)));
}

// A try whose answer got lost may have written the object: then its metadata has our number.
Result<void> S3Upload::accept_own(Error otherwise) {
  TRY_LET(auto answer, call({S3Operation::kHead, "HEAD", key_}));
  if (answer.status / 100 != 2 || answer.headers.get(kPutIdHeader) != put_id_) return fail(std::move(otherwise));
  client_.metrics().own_writes_found.add();
  return {};
}

Result<void> S3Upload::begin_parts() {
  TRY(check_absent());
  TRY(failpoint("s3.before_multipart"));
  S3Request begin{S3Operation::kMultipart, "POST", key_};
  begin.query = {{"uploads", ""}};
  begin.hedge = false;
  add_object_headers(begin.headers);
  TRY_LET(auto answer, call(std::move(begin)));
  if (answer.status / 100 != 2) return fail(failed(answer).within(concat("write object ", key_)));
  auto root = XmlElement::parse(answer.body);
  if (root) upload_id_ = root->text_of("UploadId");
  if (upload_id_.empty())
    return fail(Errc::kUnavailable, concat("write object ", key_, ": ", client_.place(), " gave no UploadId"));
  parts_ = std::make_shared<Parts>();
  return {};
}

Result<void> S3Upload::send_part() {
  TRY(wait_for_parts(kPartsUnderway - 1));
  if (parts_->sent == kMostParts) {
    return fail(Errc::kInvalid, concat("write object ", key_, ": more than ", kMostParts, " parts; raise part_bytes"));
  }
  S3Request put{S3Operation::kPut, "PUT", key_};
  const size_t number = ++parts_->sent;
  put.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}};
  put.body = std::make_shared<std::string>(std::move(buffer_));
  buffer_.clear();
  {
    std::lock_guard lock(parts_->mutex);
    ++parts_->underway;
  }
  client_.send(std::move(put), [parts = parts_, number, place = client_.place()](Result<HttpClientResponse> answer) {
    std::lock_guard lock(parts->mutex);
    --parts->underway;
    parts->answered.notify_one();
    if (answer && answer->status / 100 == 2) {
      parts->etags[number] = answer->headers.get("ETag");
    } else if (!parts->trouble) {
      parts->trouble = answer ? s3_error(*answer, place) : answer.error();
    }
  });
  return {};
}

Result<void> S3Upload::wait_for_parts(size_t at_most_underway) {
  std::unique_lock lock(parts_->mutex);
  parts_->answered.wait(lock, [&] { return parts_->underway <= at_most_underway || parts_->trouble; });
  if (parts_->trouble) return fail(parts_->trouble->within(concat("write object ", key_)));
  return {};
}

Result<void> S3Upload::complete_parts() {
  TRY(send_part());
  TRY(wait_for_parts(0));
  std::string list = "<CompleteMultipartUpload>";
  for (const auto& [number, etag] : parts_->etags) {
    list += concat("<Part><PartNumber>", number, "</PartNumber><ETag>", xml_escape(etag), "</ETag></Part>");
  }
  list += "</CompleteMultipartUpload>";
  S3Request complete{S3Operation::kMultipart, "POST", key_};
  complete.query = {{"uploadId", upload_id_}};
  complete.body = std::make_shared<std::string>(std::move(list));
  complete.hedge = false;
  TRY(failpoint("s3.before_complete"));
  TRY_LET(auto answer, call(std::move(complete)));
  TRY(failpoint("s3.after_complete"));
  if (answer.status / 100 == 2) return {};
  // After a lost answer the upload is no more, but the object is.
  return accept_own(failed(answer).within(concat("write object ", key_)));
}

}  // namespace server
