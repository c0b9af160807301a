#include "server/s3/credentials.h"

#include <array>
#include <cstdlib>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/http/http_client.h"
#include "pipeline/http/http_form.h"
#include "pipeline/parse/json.h"
#include "server/s3/xml.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpClientRequest;
using pipeline::HttpClientResponse;
using pipeline::Result;

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kServiceTimeout = 5s;   // STS and containers' services
constexpr std::chrono::milliseconds kInstanceTimeout = 1s;  // one hop away, or this is no EC2
constexpr std::string_view kRemedy =
    "set access_key_id and secret_access_key in [store], or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write "
    "~/.aws/credentials";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// A 200 with its body, or why not.
Result<std::string> ask(HttpClientRequest request, std::string_view source) {
  pipeline::HttpClientOptions options;
  options.connect_timeout = request.timeout;
  options.max_response_bytes = 1 << 20;
  const std::string url = request.url.substr(0, request.url.find('?'));
  auto answer = pipeline::http_fetch(std::move(request), std::move(options));
  if (!answer) return fail(Errc::kUnavailable, concat("S3 keys of ", source, ": ", answer.error().message));
  if (answer->status == 200) return std::move(answer->body);
  return fail(Errc::kUnavailable, concat("S3 keys of ", source, ": ", url, " answered ", answer->status, ": ",
                                         trim(std::string_view(answer->body).substr(0, 300))));
}

Result<std::optional<AwsKeys>> checked_pair(AwsKeys keys, std::string_view source, std::string_view names) {
  if (keys.access_key_id.empty() && keys.secret_access_key.empty()) return std::nullopt;
  if (keys.access_key_id.empty() || keys.secret_access_key.empty())
    return fail(Errc::kInvalid, concat("S3 keys of ", source, ": one of ", names, " is missing; set both"));
  return keys;
}

}  // namespace

Environment system_environment() {
  return [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
}

std::optional<AwsKeys> keys_of_profile(std::string_view file, std::string_view profile) {
  std::optional<AwsKeys> keys;
  bool inside = false;
  while (!file.empty()) {
    const size_t end = file.find('\n');
    std::string_view line = trim(file.substr(0, end));
    file.remove_prefix(end == file.npos ? file.size() : end + 1);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      std::string_view name = trim(line.substr(1, line.find(']') - 1));
      if (name.starts_with("profile ")) name = trim(name.substr(8));
      inside = name == profile;
      if (inside && !keys) keys.emplace();
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == line.npos) continue;
    const std::string_view name = trim(line.substr(0, equals));
    const std::string value(trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") keys->access_key_id = value;
    if (name == "aws_secret_access_key") keys->secret_access_key = value;
    if (name == "aws_session_token") keys->session_token = value;
  }
  return keys;
}

CredentialChain::CredentialChain(S3KeyOptions options, std::string region, pipeline::FileSystem& files,
                                 const pipeline::Clock& clock, Environment environment)
    : options_(std::move(options)),
      region_(std::move(region)),
      files_(files),
      clock_(clock),
      environment_(std::move(environment)) {}

Result<AwsKeys> CredentialChain::fetch() const {
  using Source = Found (CredentialChain::*)() const;
  static constexpr Source kSources[] = {&CredentialChain::from_configuration, &CredentialChain::from_environment,
                                        &CredentialChain::from_web_identity,  &CredentialChain::from_shared_file,
                                        &CredentialChain::from_container,     &CredentialChain::from_instance};
  for (Source source : kSources) {
    TRY_LET(auto keys, (this->*source)());
    if (!keys) continue;
    if (keys->expires_at && *keys->expires_at <= clock_.wall())
      return fail(Errc::kUnavailable, "S3 keys: the ones offered have expired already; check the machine's clock");
    return *std::move(keys);
  }
  return fail(Errc::kNotFound, concat("no keys for S3 in configuration, environment, web identity, shared credentials "
                                      "file, container or instance metadata; ",
                                      kRemedy));
}

std::string CredentialChain::variable_or(const std::string& configured, const char* name) const {
  return configured.empty() ? environment_(name) : configured;
}

Result<std::string> CredentialChain::read_text(const std::string& path) const {
  TRY_LET(auto file, files_.open_to_read(path));
  TRY_LET(uint64_t size, file->size());
  TRY_LET(std::string text, file->read(0, std::min<uint64_t>(size, 1 << 20)));
  return text;
}

CredentialChain::Found CredentialChain::from_configuration() const {
  AwsKeys keys{options_.access_key_id, options_.secret_access_key, options_.session_token};
  if (!options_.secret_access_key_file.empty()) {
    TRY_LET(std::string text, read_text(options_.secret_access_key_file));
    keys.secret_access_key = trim(text);
  }
  return checked_pair(std::move(keys), "the configuration", "access_key_id and secret_access_key");
}

CredentialChain::Found CredentialChain::from_environment() const {
  return checked_pair(
      {environment_("AWS_ACCESS_KEY_ID"), environment_("AWS_SECRET_ACCESS_KEY"), environment_("AWS_SESSION_TOKEN")},
      "the environment", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}

CredentialChain::Found CredentialChain::from_web_identity() const {
  const std::string role = variable_or(options_.role_arn, "AWS_ROLE_ARN");
  const std::string token_file = variable_or(options_.web_identity_token_file, "AWS_WEB_IDENTITY_TOKEN_FILE");
  if (role.empty() || token_file.empty()) return std::nullopt;
  TRY_LET(std::string token, read_text(token_file));
  std::string session = environment_("AWS_ROLE_SESSION_NAME");
  if (session.empty()) session = "skidway";
  std::string endpoint = environment_("AWS_ENDPOINT_URL_STS");
  if (endpoint.empty()) {
    endpoint = concat("https://sts.", region_, ".amazonaws.com", region_.starts_with("cn-") ? ".cn" : "");
  }
  HttpClientRequest request;
  request.method = "POST";
  request.url = concat(endpoint, "/");
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.set("Accept", "application/xml");
  request.timeout = kServiceTimeout;
  request.body = std::make_shared<std::string>(canonical_query({{"Action", "AssumeRoleWithWebIdentity"},
                                                                {"Version", "2011-06-15"},
                                                                {"RoleArn", role},
                                                                {"RoleSessionName", session},
                                                                {"WebIdentityToken", std::string(trim(token))}}));
  const std::string source = concat("web identity (role ", role, ")");
  TRY_LET(std::string body, ask(std::move(request), source));
  TRY_LET(XmlElement root, XmlElement::parse(body));
  const XmlElement* found = root.find("Credentials");
  if (!found || found->text_of("AccessKeyId").empty() || found->text_of("SecretAccessKey").empty())
    return fail(Errc::kUnavailable, concat("S3 keys of ", source, ": the answer has no Credentials"));
  return AwsKeys{std::string(found->text_of("AccessKeyId")), std::string(found->text_of("SecretAccessKey")),
                 std::string(found->text_of("SessionToken")), pipeline::parse_rfc3339(found->text_of("Expiration"))};
}

CredentialChain::Found CredentialChain::from_shared_file() const {
  const bool asked_for = !options_.credentials_file.empty() || !options_.profile.empty();
  std::string path = variable_or(options_.credentials_file, "AWS_SHARED_CREDENTIALS_FILE");
  if (path.empty()) {
    const std::string home = environment_("HOME");
    if (home.empty()) return std::nullopt;
    path = concat(home, "/.aws/credentials");
  }
  std::string profile = variable_or(options_.profile, "AWS_PROFILE");
  if (profile.empty()) profile = "default";
  auto text = read_text(path);
  if (!text && text.error().code == Errc::kNotFound && !asked_for) return std::nullopt;
  TRY(text);
  auto keys = keys_of_profile(*text, profile);
  if (!keys && !asked_for) return std::nullopt;
  if (!keys || keys->access_key_id.empty())
    return fail(Errc::kInvalid, concat("S3 keys of ", path, ": no aws_access_key_id in profile [", profile, "]"));
  return checked_pair(*std::move(keys), path, "aws_access_key_id and aws_secret_access_key");
}

CredentialChain::Found CredentialChain::from_container() const {
  std::string url = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (std::string path = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); url.empty() && !path.empty())
    url = concat("http://169.254.170.2", path);
  if (url.empty()) return std::nullopt;
  HttpClientRequest request;
  request.url = url;
  request.timeout = kServiceTimeout;
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (std::string file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    TRY_LET(std::string text, read_text(file));
    token = trim(text);
  }
  if (!token.empty()) request.headers.set("Authorization", token);
  TRY_LET(std::string body, ask(std::move(request), "the container"));
  TRY_LET(AwsKeys keys, parse_json_keys(body, "the container"));
  return keys;
}

CredentialChain::Found CredentialChain::from_instance() const {
  if (environment_("AWS_EC2_METADATA_DISABLED") == "true") return std::nullopt;
  std::string endpoint = environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) endpoint = "http://169.254.169.254";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  HttpClientRequest token_request;
  token_request.method = "PUT";
  token_request.url = concat(endpoint, "/latest/api/token");
  token_request.headers.set("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  token_request.timeout = kInstanceTimeout;
  auto token = ask(std::move(token_request), "the instance");
  if (!token) return std::nullopt;  // this is no EC2
  auto get = [&](std::string_view path) {
    HttpClientRequest request;
    request.url = concat(endpoint, "/latest/meta-data/iam/security-credentials/", path);
    request.headers.set("X-aws-ec2-metadata-token", *token);
    request.timeout = kServiceTimeout;
    return ask(std::move(request), "the instance");
  };
  TRY_LET(std::string roles, get(""));
  const std::string_view role = trim(std::string_view(roles).substr(0, roles.find('\n')));
  if (role.empty()) return std::nullopt;
  TRY_LET(std::string body, get(pipeline::percent_encode(role)));
  TRY_LET(AwsKeys keys, parse_json_keys(body, "the instance"));
  return keys;
}

Result<AwsKeys> CredentialChain::parse_json_keys(const std::string& body, const std::string& source) const {
  static const std::vector<std::string> kNames = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"};
  std::array<pipeline::JsonValue, 4> found;
  auto document = pipeline::pick_json(body, kNames, found);
  pipeline::Arena arena;
  auto text = [&](size_t i) {
    auto value = found[i].kind == pipeline::JsonKind::kString ? pipeline::json_text(found[i], arena) : std::nullopt;
    return std::string(value.value_or(""));
  };
  AwsKeys keys{document ? text(0) : "", document ? text(1) : "", document ? text(2) : "",
               document ? pipeline::parse_rfc3339(text(3)) : std::nullopt};
  if (keys.access_key_id.empty() || keys.secret_access_key.empty())
    return fail(Errc::kUnavailable,
                concat("S3 keys of ", source, ": no AccessKeyId and SecretAccessKey in the answer"));
  return keys;
}

}  // namespace server
