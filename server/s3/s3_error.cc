#include "server/s3/s3_error.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/s3/xml.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::HttpClientResponse;

namespace {

constexpr size_t kLongestMessage = 300;  // of a body that is no XML: enough to recognise a proxy's page

struct Remedy {
  std::string_view code, text;
};
constexpr Remedy kRemedies[] = {
    {"NoSuchBucket", "make the bucket, or name another one in store.url"},
    {"AccessDenied",
     "allow these keys s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject, "
     "s3:AbortMultipartUpload, s3:ListBucketMultipartUploads below the prefix"},
    {"InvalidAccessKeyId", "check the access key"},
    {"SignatureDoesNotMatch", "check the secret key and store.region"},
    {"ExpiredToken", "renew the keys"},
    {"RequestTimeTooSkewed", "set the machine's clock"},
    {"KMS.DisabledException", "enable the key of store.sse_kms_key"},
};

std::string_view code_of_status(int status) {
  switch (status) {
    case 301:
    case 307: return "Redirect";
    case 400: return "BadRequest";
    case 403: return "AccessDenied";
    case 404: return "NoSuchKey";
    case 412: return "PreconditionFailed";
    case 416: return "InvalidRange";
    case 501: return "NotImplemented";
    case 503: return "ServiceUnavailable";
    default: return status >= 500 ? "InternalError" : "UnexpectedAnswer";
  }
}

Errc errc_of(int status, std::string_view code) {
  if (code == "NoSuchBucket") return Errc::kUnavailable;
  if (status == 404) return Errc::kNotFound;
  if (status == 412 || (status >= 400 && status < 500 && status != 403)) return Errc::kInvalid;
  return Errc::kUnavailable;
}

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), code) != list.end();
}

}  // namespace

std::string s3_code_of(const HttpClientResponse& answer) {
  if (auto root = XmlElement::parse(answer.body)) {
    const XmlElement* error = root->find("Error");
    if (error && !error->text_of("Code").empty()) return std::string(error->text_of("Code"));
  }
  return std::string(code_of_status(answer.status));
}

Error s3_error(const HttpClientResponse& answer, std::string_view place) {
  const std::string code = s3_code_of(answer);
  std::string message(std::string_view(answer.body).substr(0, kLongestMessage));
  if (auto root = XmlElement::parse(answer.body)) {
    const XmlElement* error = root->find("Error");
    if (error) message = error->text_of("Message");
  }
  std::string text = concat(place, " answered ", answer.status, " ", code);
  if (!message.empty()) text += concat(": ", message);
  std::string_view region = answer.headers.get("x-amz-bucket-region");
  if (answer.status / 100 == 3 || code == "AuthorizationHeaderMalformed") {
    text +=
        region.empty() ? "; check store.region and store.endpoint" : concat("; set store.region = \"", region, "\"");
  }
  for (const Remedy& remedy : kRemedies) {
    if (remedy.code == code) text += concat("; ", remedy.text);
  }
  return {errc_of(answer.status, code), std::move(text)};
}

S3Verdict s3_verdict(const pipeline::Result<HttpClientResponse>& answer) {
  if (!answer) return answer.error().code == Errc::kUnavailable ? S3Verdict::kRetry : S3Verdict::kFinal;
  switch (answer->status) {
    case 429:
    case 503: return S3Verdict::kSlowDown;
    case 408:
    case 500:
    case 502:
    case 504: return S3Verdict::kRetry;
    case 400:
    case 403:
    case 409: break;
    default: return S3Verdict::kFinal;
  }
  const std::string code = s3_code_of(*answer);
  if (is_one_of(code, {"RequestTimeout", "ConditionalRequestConflict", "OperationAborted"})) return S3Verdict::kRetry;
  if (is_one_of(code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"}))
    return S3Verdict::kNewKeys;
  if (code == "SignatureDoesNotMatch" || (answer->status == 403 && answer->body.empty())) return S3Verdict::kNewKeys;
  if (code == "RequestTimeTooSkewed") return S3Verdict::kOtherTime;
  return S3Verdict::kFinal;
}

}  // namespace server
