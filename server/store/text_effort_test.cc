#include "server/store/text_effort.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/concat.h"

using pipeline::concat;
using server::PageEffort;
using server::TextEffort;

namespace {

constexpr size_t kPage = 256 << 10;

// Fields come and go from line to line.
std::string service_page(std::mt19937_64& random) {
  std::string text;
  while (text.size() < kPage) {
    auto field = [&](unsigned percent, std::string_view name, auto value) {
      if (random() % 100 < percent) text += concat(",\"", name, "\":\"", value, "\"");
    };
    const char* const levels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    const char* const parts[] = {"auth-service", "payment-service", "user-service", "notification-service"};
    text += concat("{\"sequence\":", random() % 100'000);
    field(80, "level", levels[random() % 4]);
    field(90, "component", parts[random() % 4]);
    field(70, "status_code", 200 + random() % 8);
    field(60, "user", random() % 10'000);
    field(65, "bytes_sent", random() % 10'000);
    field(25, "trace_id", random() % 4);
    text += '}';
  }
  text.resize(kPage);
  return text;
}

// Each line is like the one before but for its numbers.
std::string daemon_page(std::mt19937_64& random) {
  std::string text;
  while (text.size() < kPage)
    text += concat("Nov 21 10:11:", 10 + random() % 50, " host sshd[", random() % 30'000,
                   "]: Failed password for root from 10.0.0.", random() % 256, " port ", random() % 65'536, " ssh2");
  text.resize(kPage);
  return text;
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("text effort: pages are compressed hard where that takes off a share of them, and fast where it does not") {
    std::mt19937_64 random(7);
    std::string noise(kPage, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    const std::string service = service_page(random), daemon = daemon_page(random);
    CHECK(TextEffort().of(service, 0) == PageEffort::kSmall);
    CHECK(TextEffort().of(daemon, 0) == PageEffort::kFast);
    CHECK(TextEffort().of(noise, 0) == PageEffort::kFast);
    CHECK(TextEffort().of(std::string_view(daemon).substr(0, 1000), 0) == PageEffort::kSmall);
    CHECK(TextEffort().of("", 0) == PageEffort::kSmall);
  }

  TEST_CASE("text effort: a stream that writes other lines from some moment on is compressed as they deserve, soon") {
    std::mt19937_64 random(8);
    const std::string service = service_page(random), daemon = daemon_page(random);
    TextEffort effort;
    CHECK(effort.of(daemon, 3) == PageEffort::kFast);
    int fast = 0;
    for (int page = 1; page < 40; ++page) fast += effort.of(service, 3) == PageEffort::kFast;
    CHECK(fast < 16);
  }

  TEST_CASE("text effort: another stream is looked at anew, but not page by page where each page is of another") {
    std::mt19937_64 random(9);
    const std::string service = service_page(random), daemon = daemon_page(random);
    TextEffort effort;
    for (int page = 0; page < 8; ++page) CHECK(effort.of(daemon, 1) == PageEffort::kFast);
    CHECK(effort.of(service, 2) == PageEffort::kSmall);
    CHECK(effort.of(daemon, 3) == PageEffort::kSmall);  // as the one before
    CHECK(effort.of(daemon, 4) == PageEffort::kSmall);
    CHECK(effort.of(daemon, 5) == PageEffort::kSmall);
    CHECK(effort.of(daemon, 6) == PageEffort::kFast);
  }
}
