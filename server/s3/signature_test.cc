#include "server/s3/signature.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"

using namespace server;
using pipeline::HttpHeaders;

namespace {

// The keys, the time and the bucket of the examples in Amazon's documentation of S3.
const AwsKeys kExampleKeys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
constexpr pipeline::UnixNanos kExampleTime = 1'369'353'600'000'000'000;  // 2013-05-24 00:00 UTC
const std::string kExampleHost = "examplebucket.s3.amazonaws.com";

std::string signature_of(const HttpHeaders& headers) {
  std::string text(headers.get("Authorization"));
  return text.substr(text.rfind('=') + 1);
}

std::string example_signature(std::string method, std::string path, const QueryParameters& query, HttpHeaders headers,
                              std::string_view body = "") {
  const std::string hash = payload_hash(body);
  headers.set("x-amz-content-sha256", hash);
  sign({std::move(method), std::move(path), canonical_query(query), kExampleHost}, headers, hash, kExampleKeys,
       {"us-east-1", "s3"}, kExampleTime);
  return signature_of(headers);
}

}  // namespace

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("signature: the examples of Amazon's documentation of S3 come out") {
  CHECK(example_signature("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}) ==
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  CHECK(example_signature("PUT", canonical_path("/test$file.text"), {},
                          {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                          "Welcome to Amazon S3.") ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  CHECK(example_signature("GET", "/", {{"lifecycle", ""}}, {}) ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK(example_signature("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("signature: the plain example of Amazon's test suite comes out") {
  HttpHeaders headers;
  const AwsKeys keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  sign({"GET", "/", "", "example.amazonaws.com"}, headers, payload_hash(""), keys, {"us-east-1", "service"},
       1'440'938'160'000'000'000);
  CHECK(headers.get("x-amz-date") == "20150830T123600Z");
  CHECK(signature_of(headers) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK(headers.get("Authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
                         "aws4_request,SignedHeaders=host;x-amz-date,Signature="));
}

TEST_CASE("signature: paths and queries are encoded as they are signed, values of headers are tidied") {
  CHECK(canonical_path("/a b/c+d/é~-._") == "/a%20b/c%2Bd/%C3%A9~-._");
  CHECK(canonical_query({{"prefix", "a/b c"}, {"list-type", "2"}, {"delimiter", "/"}, {"uploads", ""}}) ==
        "delimiter=%2F&list-type=2&prefix=a%2Fb%20c&uploads=");
  HttpHeaders wide{{"X-Amz-Meta-A", "  a   b  "}}, narrow{{"x-amz-meta-a", "a b"}};
  for (HttpHeaders* headers : {&wide, &narrow}) {
    sign({"GET", "/", "", "h"}, *headers, kUnsignedPayload, kExampleKeys, {"r", "s3"}, kExampleTime);
  }
  CHECK(signature_of(wide) == signature_of(narrow));
}

TEST_CASE("signature: the token of temporary keys travels along and is signed") {
  HttpHeaders with;
  AwsKeys keys = kExampleKeys;
  keys.session_token = "token";
  sign({"GET", "/", "", "h"}, with, kUnsignedPayload, keys, {"r", "s3"}, kExampleTime);
  CHECK(with.get("x-amz-security-token") == "token");
  CHECK(with.get("Authorization").find("SignedHeaders=host;x-amz-date;x-amz-security-token,") != std::string::npos);
}

TEST_SUITE_END();
