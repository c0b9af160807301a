// What a refusal of S3 means: its code, and what a person can do about it.
//
// Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace server {

// The code in an error's body ("NoSuchKey"); where there is none (an answer to HEAD) what the status stands for.
std::string s3_code_of(const pipeline::HttpClientResponse& answer);

// kNotFound: no such object. kInvalid: the request is wrong, or the object exists. kUnavailable: all else; a missing
// bucket and missing rights too, for both may come back. `place` as in S3Target::place().
pipeline::Error s3_error(const pipeline::HttpClientResponse& answer, std::string_view place);

enum class S3Verdict {
  kFinal,      // an answer to act on
  kRetry,      // the store or the network stumbled
  kSlowDown,   // too much at once
  kNewKeys,    // the keys are not taken (any more)
  kOtherTime,  // the store's clock says something else
};
S3Verdict s3_verdict(const pipeline::Result<pipeline::HttpClientResponse>& answer);

}  // namespace server
