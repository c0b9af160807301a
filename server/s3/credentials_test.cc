#include "server/s3/credentials.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/http/test_server.h"

using namespace server;
using pipeline::concat;
using pipeline::Errc;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::TestServer;

namespace {

struct Machine {
  std::map<std::string, std::string> variables{{"AWS_EC2_METADATA_DISABLED", "true"}, {"HOME", "/root"}};
  pipeline::ForgetfulFiles files;
  pipeline::FakeClock clock;
  S3KeyOptions options;

  void write(const std::string& path, std::string_view text) {
    REQUIRE(files.make_folders(path.substr(0, path.rfind('/'))));
    REQUIRE((*files.create(path))->append(text));
  }
  pipeline::Result<AwsKeys> fetch() {
    return CredentialChain(options, "eu-west-1", files, clock,
                           [this](const char* name) {
                             auto at = variables.find(name);
                             return at == variables.end() ? std::string() : at->second;
                           })
        .fetch();
  }
};

constexpr std::string_view kJsonKeys = R"({"Code":"Success","AccessKeyId":"JA","SecretAccessKey":"JS","Token":"JT",)"
                                       R"("Expiration":"2030-01-02T03:04:05Z"})";

}  // namespace

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("credentials: without any source the error says what may be set") {
  Machine machine;
  auto keys = machine.fetch();
  REQUIRE_FALSE(keys.has_value());
  CHECK(keys.error().code == Errc::kNotFound);
  CHECK(keys.error().message.find("AWS_ACCESS_KEY_ID") != std::string::npos);
}

TEST_CASE("credentials: configuration wins over environment, environment over the shared file") {
  Machine machine;
  machine.write("/root/.aws/credentials",
                "# mine\n[other]\naws_access_key_id=OA\naws_secret_access_key=OS\n[default]\n aws_access_key_id = FA \n"
                "aws_secret_access_key = F/S+=\naws_session_token=FT\n");
  auto keys = machine.fetch();
  REQUIRE(keys);
  CHECK(keys->access_key_id == "FA");
  CHECK(keys->secret_access_key == "F/S+=");
  CHECK(keys->session_token == "FT");
  CHECK_FALSE(keys->expires_at.has_value());
  machine.variables["AWS_PROFILE"] = "other";
  CHECK(machine.fetch()->access_key_id == "OA");
  machine.variables["AWS_ACCESS_KEY_ID"] = "EA";
  CHECK(machine.fetch().error().message ==
        "S3 keys of the environment: one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing; set both");
  machine.variables["AWS_SECRET_ACCESS_KEY"] = "ES";
  machine.variables["AWS_SESSION_TOKEN"] = "ET";
  CHECK(machine.fetch()->session_token == "ET");
  machine.options.access_key_id = "CA";
  CHECK(machine.fetch().error().code == Errc::kInvalid);
  machine.write("/run/secret", "CS\n");
  machine.options.secret_access_key_file = "/run/secret";
  CHECK(machine.fetch()->secret_access_key == "CS");
}

TEST_CASE("credentials: a profile or file that was asked for must be there") {
  Machine machine;
  machine.options.profile = "hub";
  CHECK(machine.fetch().error().message.find("/root/.aws/credentials") != std::string::npos);
  machine.write("/root/.aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=B\n");
  CHECK(machine.fetch().error().message == "S3 keys of /root/.aws/credentials: no aws_access_key_id in profile [hub]");
}

TEST_CASE("credentials: a web identity token becomes keys at STS, read anew each time") {
  std::vector<std::string> bodies;
  int status = 200;
  TestServer sts([&](HttpRequest request, HttpResponder responder) {
    bodies.push_back(request.body);
    if (status != 200) return responder.send(HttpResponse::text(status, "<ErrorResponse>ExpiredToken</ErrorResponse>"));
    responder.send(HttpResponse::text(
        200,
        "<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
        "<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>WT</SessionToken><SecretAccessKey>WS"
        "</SecretAccessKey><Expiration>2030-01-02T03:04:05Z</Expiration><AccessKeyId>WA</AccessKeyId></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"));
  });
  Machine machine;
  machine.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  machine.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/var/run/token";
  machine.variables["AWS_ENDPOINT_URL_STS"] = sts.url("");
  CHECK(machine.fetch().error().message.find("/var/run/token") != std::string::npos);
  machine.write("/var/run/token", "ey.J\n");
  auto keys = machine.fetch();
  REQUIRE(keys);
  CHECK(keys->access_key_id == "WA");
  CHECK(keys->secret_access_key == "WS");
  CHECK(keys->session_token == "WT");
  CHECK(keys->expires_at == 1'893'553'445'000'000'000);
  REQUIRE(bodies.size() == 1);
  CHECK(bodies[0] ==
        "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=skidway"
        "&Version=2011-06-15&WebIdentityToken=ey.J");
  status = 400;
  auto refused = machine.fetch();
  CHECK(refused.error().code == Errc::kUnavailable);
  CHECK(refused.error().message.find("ExpiredToken") != std::string::npos);
  machine.clock.jump_wall(std::chrono::hours(24 * 365 * 20));
  status = 200;
  CHECK(machine.fetch().error().message.find("expired already") != std::string::npos);
}

TEST_CASE("credentials: a container's service is asked with its token") {
  std::string authorization;
  TestServer service([&](HttpRequest request, HttpResponder responder) {
    authorization = request.headers.get("Authorization");
    responder.send(HttpResponse::json(request.path == "/keys" ? std::string(kJsonKeys) : "{}"));
  });
  Machine machine;
  machine.write("/var/run/pod-token", "pod\n");
  machine.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = service.url("/keys");
  machine.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/var/run/pod-token";
  auto keys = machine.fetch();
  REQUIRE(keys);
  CHECK(authorization == "pod");
  CHECK(keys->access_key_id == "JA");
  CHECK(keys->session_token == "JT");
  CHECK(keys->expires_at == 1'893'553'445'000'000'000);
  machine.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = service.url("/other");
  CHECK(machine.fetch().error().message.find("no AccessKeyId") != std::string::npos);
}

TEST_CASE("credentials: an instance's keys are fetched with a session token of the metadata service") {
  std::vector<std::string> asked;
  TestServer metadata([&](HttpRequest request, HttpResponder responder) {
    asked.push_back(concat(request.method, " ", request.path));
    if (request.method == "PUT") return responder.send(HttpResponse::text(200, "session"));
    if (request.headers.get("X-aws-ec2-metadata-token") != "session")
      return responder.send(HttpResponse::text(401, "unauthorised"));
    responder.send(HttpResponse::text(200, request.path.ends_with("/") ? "my role" : std::string(kJsonKeys)));
  });
  Machine machine;
  machine.variables.erase("AWS_EC2_METADATA_DISABLED");
  machine.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.url("/");
  auto keys = machine.fetch();
  REQUIRE(keys);
  CHECK(keys->secret_access_key == "JS");
  CHECK(asked == std::vector<std::string>{"PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/",
                                          "GET /latest/meta-data/iam/security-credentials/my role"});
}

TEST_SUITE_END();
