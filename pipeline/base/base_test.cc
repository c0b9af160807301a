#include <doctest/doctest.h>

#include "pipeline/base/checksum.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/quantity.h"
#include "pipeline/base/time_format.h"
#include "pipeline/base/varint.h"

using namespace pipeline;

TEST_SUITE("base") {
  TEST_CASE("base: rfc 3339 times survive a round trip, with any offset and fraction") {
    CHECK(format_rfc3339(0) == "1970-01-01T00:00:00Z");
    CHECK(format_rfc3339(-1) == "1969-12-31T23:59:59.999999999Z");
    CHECK(parse_rfc3339("2026-11-01T10:00:00.000000001Z") == 1'793'527'200'000'000'001);
    CHECK(parse_rfc3339("2026-11-01T12:00:00+02:00") == 1'793'527'200'000'000'000);
    CHECK(parse_rfc3339("2026-11-01T10:00:00.1234567891Z") == 1'793'527'200'123'456'789);
    for (UnixNanos t : {UnixNanos{0}, UnixNanos{1'793'527'200'000'000'001}, UnixNanos{-86'400'000'000'001},
                        UnixNanos{951'782'400'000'000'000}}) {
      CHECK(parse_rfc3339(format_rfc3339(t)) == t);
    }
    for (const char* bad : {"", "2026-11-01", "2026-02-30T00:00:00Z", "2026-11-01T10:00:00", "2026-11-01T10:00:00.Z",
                            "2026-11-01T24:00:00Z", "2026-11-01T10:00:00Zx", "3026-11-01T10:00:00Z"}) {
      CHECK_FALSE(parse_rfc3339(bad).has_value());
    }
  }

  TEST_CASE("base: durations are read and written as in Go, with days, weeks and years") {
    using namespace std::chrono_literals;
    CHECK(parse_duration("1h30m") == 90min);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("2d") == 48h);
    CHECK(parse_duration("0") == 0s);
    CHECK(parse_duration("-5ms") == -5ms);
    CHECK(parse_duration("5").error().message == "invalid duration \"5\": missing unit, as in \"5s\"");
    CHECK_FALSE(parse_duration("5x").has_value());
    CHECK_FALSE(parse_duration("").has_value());
    CHECK(format_duration(90min) == "1h30m0s");
    CHECK(format_duration(1500ms) == "1.5s");
    CHECK(format_duration(300us) == "300µs");
  }

  TEST_CASE("base: sizes have decimal and binary units") {
    CHECK(parse_size("64KiB") == 65536u);
    CHECK(parse_size("1MB") == 1'000'000u);
    CHECK(parse_size("1.5 Gi") == 1'610'612'736u);
    CHECK(parse_size("12") == 12u);
    CHECK_FALSE(parse_size("12 elephants").has_value());
    CHECK_FALSE(parse_size("").has_value());
  }

  TEST_CASE("base: crc-32c equals the published check values and continues") {
    CHECK(crc32c("123456789") == 0xE3069283u);
    CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
    CHECK(crc32c("6789", crc32c("12345")) == crc32c("123456789"));
  }

  TEST_CASE("base: a byte reader stays failed after the first missing byte") {
    std::string bytes;
    append_varint(bytes, 300);
    append_fixed<uint32_t>(bytes, 7);
    ByteReader reader(bytes);
    CHECK(reader.varint() == 300);
    CHECK(reader.fixed<uint32_t>() == 7);
    CHECK((reader.ok() && reader.at_end()));
    CHECK(reader.fixed<uint8_t>() == 0);
    CHECK_FALSE(reader.ok());
    CHECK(unzigzag(zigzag(INT64_MIN)) == INT64_MIN);
    ByteReader endless("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    endless.varint();
    CHECK_FALSE(endless.ok());
  }

  TEST_CASE("base: a missing file is kNotFound and says which") {
    auto files = system_files();
    auto opened = files->open("/nonexistent/file");
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error() == Error{Errc::kNotFound, "open /nonexistent/file: no such file or directory"});
  }
}
