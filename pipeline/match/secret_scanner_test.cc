#include "pipeline/match/secret_scanner.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <set>

#include "pipeline/base/concat.h"

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {

std::vector<std::string> all_types() { return {secret_type_names().begin(), secret_type_names().end()}; }

SecretScanner scanner(const std::vector<std::string>& types, const SecretScanner::Patterns& patterns = {}) {
  auto created = SecretScanner::create(types, patterns);
  REQUIRE_MESSAGE(created.has_value(), created.error().message);
  return *std::move(created);
}

// The line with each secret as <type>, and "..." where a key stays open.
std::string shown(const SecretScanner& scanner, std::string_view line) {
  std::vector<SecretSpan> spans;
  bool open = scanner.find(line, spans);
  std::string out;
  size_t at = 0;
  for (const SecretSpan& span : spans) {
    out += concat(line.substr(at, span.begin - at), "<", scanner.names()[span.type], ">");
    at = span.end;
  }
  return concat(out, line.substr(at), open ? "..." : "");
}
std::string shown(std::string_view line) { return shown(scanner(all_types()), line); }
bool is_clean(std::string_view line) { return shown(line) == line; }

// A card number of the brand that begins with `begin`: its last digit fits.
std::string card(std::string begin) {
  for (char last = '0'; last <= '9'; ++last) {
    int sum = 0;
    std::string number = begin + last;
    for (size_t i = 0; i < number.size(); ++i) {
      int digit = number[number.size() - 1 - i] - '0';
      sum += i % 2 == 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9;
    }
    if (sum % 10 == 0) return number;
  }
  return "";
}

constexpr std::string_view kJwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
constexpr std::string_view kAwsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

}  // namespace

TEST_CASE("secrets: e-mail addresses") {
  CHECK(shown("from Bob.Smith+x@mail.example.co.uk: hi") == "from <email>: hi");
  CHECK(shown("<a@b.cc>,c_d%e@f-g.museum.") == "<<email>>,<email>.");
  CHECK(shown("{\"user\":\"bob@x.io\"}") == "{\"user\":\"<email>\"}");
  CHECK(shown("user=o'brien@x.io") == "user=<email>");
  CHECK(is_clean("user@host, @decorator, a@b, a@.b.cc, a@b.c, x@1.2, git@github: @ x@"));
  CHECK(is_clean("image repo/app@sha256:abcdef"));
}

TEST_CASE("secrets: IPv4 addresses") {
  CHECK(shown("10.0.0.1 to 255.255.255.255:8080, (192.168.1.77/24).") == "<ipv4> to <ipv4>:8080, (<ipv4>/24).");
  CHECK(shown("peer 10.1.2.3.") == "peer <ipv4>.");
  CHECK(shown("ip=010.001.002.003;") == "ip=<ipv4>;");
  CHECK(is_clean("v1.2.3.4 1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.4a 1..2.3.4 12.5.2026 0.1.2. 1.2.3.4.in-addr.arpa"));
}

TEST_CASE("secrets: IPv6 addresses") {
  CHECK(shown("2001:db8::1 [fe80::a:b]:80 ::1 ::ffff:10.0.0.1, fe80::1%eth0") ==
        "<ipv6> [<ipv6>]:80 <ipv6> <ipv6>, <ipv6>%eth0");
  CHECK(shown("at 2001:0db8:85a3:0000:0000:8a2e:0370:7334.") == "at <ipv6>.");
  CHECK(shown("2001:db8:1:2:3:4:10.0.0.1") == "<ipv6>");
  CHECK(is_clean("13:32:36 std::string a::b ::x dead::beef 00:1a:2b:3c:4d:5e :: \"a\":1 12:34:56:78 fn::<u8>"));
}

TEST_CASE("secrets: card numbers") {
  for (std::string begin : {"411111111111111", "555555555555444", "222300313333333", "37828224631000", "3056930902590",
                            "601111111111111", "353011133330000", "620000000000000", "422222222222", "676100000000"}) {
    INFO(card(begin));
    CHECK(shown(concat("card ", card(begin), ", paid")) == "card <card>, paid");
    std::string wrong = card(begin);
    wrong.back() = wrong.back() == '9' ? '0' : static_cast<char>(wrong.back() + 1);
    CHECK(is_clean(concat("card ", wrong, ", paid")));
  }
  CHECK(shown("4111 1111 1111 1111") == "<card>");
  CHECK(shown("4111-1111-1111-1111.") == "<card>.");
  CHECK(shown("3782 822463 10005 12/29") == "<card> 12/29");
  CHECK(shown("3056 930902 5904") == "<card>");
  CHECK(shown("4111 1111 1111 1111 123") == "<card> 123");
  CHECK(shown("\"pan\":\"4111111111111111\"") == "\"pan\":\"<card>\"");
}

TEST_CASE("secrets: numbers that are no cards") {
  CHECK(is_clean("1795253939948633208 17952539399486 2026112113323600"));  // times
  CHECK(is_clean("id4111111111111111 4111111111111111x 0.4111111111111111 4111111111111111.5"));
  CHECK(is_clean("4111 1111-1111 1111, 41111111 11111111, 4 111111111111111"));
  CHECK(is_clean("12345678-4111-1111-1111-111111111111 4111-1111-1111-1111-1111"));
  CHECK(is_clean("41111111111111111111111111111"));
}

TEST_CASE("secrets: tokens and keys") {
  CHECK(shown(concat("token=", kJwt, "; next")) == "token=<jwt>; next");
  CHECK(shown("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0. end") == "<jwt> end");
  CHECK(is_clean("eyJhbGciOiJIUzI1NiJ9 eyJ.a.b theyJust eyJhbGciOiJIUzI1NiJ9.a.b"));

  CHECK(shown("key AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE") == "key <aws_access_key>, <aws_access_key>");
  CHECK(is_clean("AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX xAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7exaMPLE MEDIA IA"));

  for (std::string_view name :
       {"aws_secret_access_key = ", "\"SecretAccessKey\":\"", "AWS_SECRET_KEY=", "secretKey: '"}) {
    CHECK(shown(concat(name, kAwsSecret, "\"")) == concat(name, "<aws_secret_key>\""));
  }
  CHECK(is_clean(concat("secret ", kAwsSecret)));
  CHECK(is_clean(concat("secret_key=", kAwsSecret, "X")));
  CHECK(is_clean("secret_key_sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709 secret"));

  CHECK(shown("Authorization: Bearer abc123-._~+/== x") == "Authorization: Bearer <bearer_token> x");
  CHECK(shown("\"bearer\":\"s3cr3tt0ken\"") == "\"bearer\":\"<bearer_token>\"");
  CHECK(shown(concat("BEARER ", kJwt)) == "BEARER <jwt>");
  CHECK(is_clean("Bearer authentication failed, bearer of news, forbearer 12345678, Bearer abc1, bearer"));
}

TEST_CASE("secrets: private keys in one line, and those that go on") {
  CHECK(shown("k=\"-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\nab/+==\\n-----END RSA PRIVATE KEY-----\\n\" ok") ==
        "k=\"<private_key>\\n\" ok");
  CHECK(shown("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----") == "<private_key>");
  CHECK(shown("x -----BEGIN PRIVATE KEY-----") == "x <private_key>...");
  CHECK(shown("x -----BEGIN EC PRIVATE KEY-----\\nMHcCAQ bob@x.io") == "x <private_key>...");
  CHECK(shown("-----BEGIN PGP PRIVATE KEY BLOCK-----\\nx\\n-----END PGP PRIVATE KEY BLOCK-----") == "<private_key>");
  CHECK(is_clean("-----BEGIN CERTIFICATE-----\\nMIIE\\n-----END CERTIFICATE-----"));
  CHECK(is_clean("-----BEGIN PUBLIC KEY----- ----BEGIN PRIVATE KEY----- ------ --B"));
}

TEST_CASE("secrets: behind an escaped line break, as in the texts of JSON") {
  CHECK(shown("{\"m\":\"a\\nbob@x.io\\n10.0.0.1\\tfe80::1\\r4111111111111111\\nAKIAIOSFODNN7EXAMPLE\\nbearer "
              "abc12345\"}") ==
        "{\"m\":\"a\\n<email>\\n<ipv4>\\t<ipv6>\\r<card>\\n<aws_access_key>\\nbearer <bearer_token>\"}");
  CHECK(shown("CORP\\bob@x.io") == "CORP\\<email>");
}

TEST_CASE("secrets: own expressions") {
  SecretScanner own = scanner({}, {{"pin", "pin=(\\d+)"}, {"shoe", "(?i)shoe ?size \\d+"}, {"x", "x[0-9]"}});
  CHECK(shown(own, "pin=123 pin=4, Shoe size 44; bob@x.io x7x8") == "pin=<pin> pin=<pin>, <shoe>; bob@x.io <x><x>");
  CHECK_FALSE(own.suspects_all());
  CHECK(scanner({}, {{"n", "\\d{4}"}}).suspects_all());
  CHECK(shown(scanner({"email"}, {{"n", "n=\\S+"}}), "n=bob@x.io,5") == "<n>");
  CHECK(
      SecretScanner::create({"emails"}, {}).error().message.starts_with("unknown type \"emails\", there are email, "));
  CHECK(SecretScanner::create({}, {{"a", "("}}).error().message ==
        "pattern a: error parsing regexp: missing closing ): `(`");
  CHECK(SecretScanner::create({}, {{"a", "x*"}}).error().message == "pattern a: the expression matches the empty text");
}

TEST_CASE("secrets: only the types asked for") {
  CHECK(shown(scanner({"ipv4"}), "bob@x.io 10.0.0.1") == "bob@x.io <ipv4>");
  CHECK(shown(scanner({"bearer_token"}), concat("Bearer ", kJwt)) == "Bearer <bearer_token>");
}

TEST_CASE("secrets: are suspected where the line before ends like the beginning of one") {
  SecretScanner all = scanner(all_types());
  for (std::string_view block : {"1.2.3\n4.10.0.4", "x 1.4\n10.0.0.4", "1:2:3:4:5:6\n1:2:3:4:5:6:7:8"}) {
    std::vector<size_t> offsets;
    all.suspects(block, offsets);
    INFO(block);
    CHECK(std::any_of(offsets.begin(), offsets.end(), [&](size_t at) { return at > block.find('\n'); }));
  }
}

TEST_CASE("secrets: are found wherever in a line and a block they stand") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  SecretScanner all = scanner(all_types(), {{"pin", "pin=\\d+"}});
  const std::string secrets[] = {"bob@x.io",
                                 "10.0.0.1",
                                 "2001:db8:1:2:3:4:5:6",
                                 "fe80::1",
                                 "4111 1111 1111 1111",
                                 "4111111111111111",
                                 std::string(kJwt),
                                 "AKIAIOSFODNN7EXAMPLE",
                                 concat("secret_key=", kAwsSecret),
                                 "-----BEGIN PRIVATE KEY-----\\n-----END PRIVATE KEY-----",
                                 "bearer abc12345",
                                 "pin=77"};
  constexpr std::string_view kFiller[] = {
      " ", "a ", "12:30 ", "1.5 ", "--", "::", "eyJ ", "IA ", "create ", "= ", "\xc3\xa9 "};
  for (int round = 0; round < 300; ++round) {
    std::string block;
    std::vector<std::pair<size_t, size_t>> lines;
    std::set<size_t> with_secret;
    for (int i = 0; i < 20; ++i) {
      size_t begin = block.size();
      for (size_t n = random() % 60; n > 0; --n) block += kFiller[random() % std::size(kFiller)];
      if (random() % 3 == 0) {
        const std::string& secret = secrets[random() % std::size(secrets)];
        with_secret.insert(lines.size());
        block += concat(" ", secret, " ");
        CHECK(shown(all, std::string_view(block).substr(begin)).find(secret) == std::string::npos);
      }
      lines.emplace_back(begin, block.size());
      block += '\n';
    }
    std::vector<size_t> offsets;
    all.suspects(block, offsets);
    for (size_t line : with_secret) {
      bool suspected = false;
      for (size_t offset : offsets) {
        suspected = suspected || (offset >= lines[line].first && offset < lines[line].second);
      }
      CHECK(suspected);
    }
  }
}

TEST_SUITE_END();
