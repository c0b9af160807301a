// Credentials: where the keys of S3 come from. The first of these that is there wins, as with Amazon's tools:
//
//   1 configuration     access_key_id and secret_access_key (or its file)
//   2 environment       AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//   3 web identity      role_arn and token file, of the configuration or AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE
//   (IRSA) 4 shared file       credentials_file, AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials; profile, AWS_PROFILE,
//   default 5 container         AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI (ECS, EKS pod identity) 6 instance
//   EC2's metadata service, version 2; not with AWS_EC2_METADATA_DISABLED=true
//
// Thread:  any; calls block (files and HTTP), so a worker makes them.
// Errors:  kInvalid: a source is there and wrong (a key without its secret); kNotFound: none is there, with the remedy;
//          kUnavailable: the service of a source gives no answer.
#pragma once

#include <functional>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/result.h"
#include "server/s3/s3_options.h"
#include "server/s3/signature.h"

namespace server {

// The value of an environment variable, "" where it is not set.
using Environment = std::function<std::string(const char* name)>;
Environment system_environment();

class CredentialChain {
 public:
  // The doors outlive it. `region`: of the STS endpoint.
  CredentialChain(S3KeyOptions options, std::string region, pipeline::FileSystem& files, const pipeline::Clock& clock,
                  Environment environment);

  pipeline::Result<AwsKeys> fetch() const;

 private:
  using Found = pipeline::Result<std::optional<AwsKeys>>;  // nothing: this source is not there
  Found from_configuration() const;
  Found from_environment() const;
  Found from_web_identity() const;
  Found from_shared_file() const;
  Found from_container() const;
  Found from_instance() const;

  std::string variable_or(const std::string& configured, const char* name) const;
  pipeline::Result<std::string> read_text(const std::string& path) const;
  pipeline::Result<AwsKeys> parse_json_keys(const std::string& body, const std::string& source) const;

  const S3KeyOptions options_;
  const std::string region_;
  pipeline::FileSystem& files_;
  const pipeline::Clock& clock_;
  const Environment environment_;
};

// One section of a shared credentials file ("[default]\naws_access_key_id = A\n..."); nothing where it has no such
// profile.
std::optional<AwsKeys> keys_of_profile(std::string_view file, std::string_view profile);

}  // namespace server
