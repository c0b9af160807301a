// S3Upload: one object on its way into the bucket: in one PUT, or in parts where it is large. Two parts travel while
// the third is being filled.
//
// Thread:  one at a time.
// Limits:  memory: three parts (S3Options::part_bytes).
// Errors:  kInvalid: the key exists. kUnavailable: the store cannot be reached, or says no.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/s3/s3_client.h"
#include "server/store/object_store.h"

namespace server {

class S3Upload final : public ObjectUpload {
 public:
  // `conditional`: the store refuses a second PUT of a key itself.
  S3Upload(S3Client& client, std::string key, bool conditional);
  ~S3Upload() override;  // aborts what was not committed

  Result<void> append(std::string_view bytes) override;
  Result<void> commit() override;

 private:
  struct Parts;  // shared with answers on their way

  Result<void> check_absent();
  Result<void> put_whole();
  Result<void> begin_parts();
  Result<void> send_part();
  Result<void> wait_for_parts(size_t at_most_underway);
  Result<void> complete_parts();
  // Well, if the object at the key was written by this upload.
  Result<void> accept_own(pipeline::Error otherwise);
  void add_object_headers(pipeline::HttpHeaders& headers) const;
  pipeline::Error failed(const pipeline::HttpClientResponse& answer) const;
  Result<pipeline::HttpClientResponse> call(S3Request request);

  S3Client& client_;
  const std::string key_;
  const bool conditional_;
  const std::string put_id_;  // in the object's metadata: how a write whose answer got lost is known again
  std::string buffer_;
  std::string upload_id_;  // empty: no parts yet
  std::shared_ptr<Parts> parts_;
  bool finished_ = false;
};

}  // namespace server
