#include <cstdio>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

#include "pipeline/stage/geoip_database.h"
#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

// Values of the MaxMind DB format, version 2.0 (maxmind.github.io/MaxMind-DB): a control byte with type and size.
std::string control(int type, size_t size) {
  std::string out;
  const int high = type < 8 ? type << 5 : 0;
  out += static_cast<char>(high | (size < 29 ? static_cast<int>(size) : 29));
  if (type >= 8) out += static_cast<char>(type - 7);
  if (size >= 29) out += static_cast<char>(size - 29);
  return out;
}
std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string text(std::string_view value) { return control(2, value.size()) + std::string(value); }
std::string number(uint64_t value) { return control(6, 4) + big_endian(value, 4); }
std::string decimal(double value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, 8);
  return control(3, 8) + big_endian(bits, 8);
}
std::string map(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out = control(7, members.size());
  for (const auto& [key, value] : members) out += text(key) + value;
  return out;
}
std::string array(const std::vector<std::string>& elements) {
  std::string out = control(11, elements.size());
  for (const std::string& element : elements) out += element;
  return out;
}

// A database of one record for 1.2.3.4: a path of 32 nodes, all else has none.
std::string database(const std::string& record) {
  constexpr uint32_t kAddress = 0x01020304, kNodes = 32;
  std::string out;
  for (uint32_t depth = 0; depth < kNodes; ++depth) {
    const bool right = ((kAddress >> (31 - depth)) & 1) != 0;
    const uint32_t next = depth == kNodes - 1 ? kNodes + 16 : depth + 1;  // the first byte of the data, or a node
    out += big_endian(right ? kNodes : next, 3) + big_endian(right ? next : kNodes, 3);
  }
  out += std::string(16, '\0') + record;
  return out + "\xab\xcd\xefMaxMind.com" +
         map({{"binary_format_major_version", control(5, 2) + big_endian(2, 2)},
              {"binary_format_minor_version", control(5, 0)},
              {"build_epoch", control(9, 4) + big_endian(1'700'000'000, 4)},
              {"database_type", text("Test")},
              {"description", map({})},
              {"ip_version", control(5, 2) + big_endian(4, 2)},
              {"languages", array({})},
              {"node_count", number(kNodes)},
              {"record_size", control(5, 2) + big_endian(24, 2)}});
}

class DatabaseFile {
 public:
  explicit DatabaseFile(const std::string& bytes) : path_(concat("/tmp/geoip_test.", ::getpid(), ".mmdb")) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~DatabaseFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

const std::string kRecord =
    map({{"city", map({{"names", map({{"de", text("Genf")}, {"en", text("Geneva")}})}})},
         {"country", map({{"iso_code", text("CH")}, {"names", map({{"en", text("Switzerland")}})}})},
         {"location", map({{"latitude", decimal(46.25)}, {"longitude", decimal(6.5)}, {"time_zone", text("")}})},
         {"subdivisions", array({map({{"iso_code", text("XX")}}), map({{"iso_code", text("GE")}})})},
         {"autonomous_system_number", number(64500)}});

std::string geoip(const DatabaseFile& file, std::string_view rest) {
  return stage("geoip", concat("source = 'ip'\ndb = '", file.path(), "'\n", rest)) +
         stage("structured_metadata", "regex = '^(geoip|my)_'");
}
Texts of_address(const std::string& toml, const std::string& address) {
  return TestPipeline(toml).run({"x"}, LabelSet::from({{"ip", address}}));
}

}  // namespace

TEST_CASE("geoip: a database's record is had as JSON") {
  DatabaseFile file(database(map({{"a", text("\"\n")}, {"n", number(7)}, {"l", array({decimal(1.5)})}})));
  auto opened = GeoipDatabase::open(file.path());
  REQUIRE(opened);
  CHECK((*opened)->find("1.2.3.4") == R"({"a":"\"\n","n":7,"l":[1.5]})");
  CHECK_FALSE((*opened)->find("1.2.3.5").has_value());
  CHECK_FALSE((*opened)->find("::1").has_value());
  CHECK_FALSE((*opened)->find("nonsense").has_value());
  CHECK_FALSE((*opened)->find(std::string_view("1.2.3.4\0x", 9)).has_value());
  CHECK(GeoipDatabase::is_address("2001:db8::1"));
  CHECK_FALSE(GeoipDatabase::is_address("1.2.3"));
}

TEST_CASE("geoip: a damaged database is refused or has no record, and never more") {
  CHECK(GeoipDatabase::open("/nonexistent.mmdb").error().code == Errc::kNotFound);
  CHECK(GeoipDatabase::open("/nonexistent.mmdb").error().message ==
        "open /nonexistent.mmdb: no such file or directory");
  const std::string whole = database(kRecord);
  for (size_t size = 0; size < whole.size(); size += 7) {
    DatabaseFile file(whole.substr(0, size));
    auto opened = GeoipDatabase::open(file.path());
    if (opened) (*opened)->find("1.2.3.4");
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    DatabaseFile file(damaged);
    auto opened = GeoipDatabase::open(file.path());
    if (opened) (*opened)->find("1.2.3.4");
  }
}

TEST_CASE("geoip: extracts what the kind of database has, but for what is empty") {
  DatabaseFile file(database(kRecord));
  CHECK(of_address(geoip(file, "db_type = 'city'"), "1.2.3.4") ==
        Texts{"{ip=\"1.2.3.4\"} x geoip_city_name=Geneva geoip_country_code=CH geoip_country_name=Switzerland "
              "geoip_location_latitude=46.25 geoip_location_longitude=6.5 geoip_subdivision_code=GE"});
  CHECK(of_address(geoip(file, "db_type = 'asn'"), "1.2.3.4") ==
        Texts{"{ip=\"1.2.3.4\"} x geoip_autonomous_system_number=64500"});
  CHECK(of_address(geoip(file, "db_type = 'country'\ncustom_lookups = { my_de = 'city.names.de', my_no = 'nope' }"),
                   "1.2.3.4") ==
        Texts{"{ip=\"1.2.3.4\"} x geoip_country_code=CH geoip_country_name=Switzerland my_de=Genf"});
  CHECK(of_address(geoip(file, "custom_lookups = { my_n = 'length(subdivisions)' }"), "1.2.3.4") ==
        Texts{"{ip=\"1.2.3.4\"} x my_n=2"});
  CHECK(of_address(geoip(file, "db_type = 'city'"), "9.9.9.9") == Texts{"{ip=\"9.9.9.9\"} x"});
  CHECK(of_address(geoip(file, "db_type = 'city'"), "no address") == Texts{"{ip=\"no address\"} x"});
}

TEST_CASE("geoip: wrong arguments are refused") {
  CHECK(error_of("geoip", "db = ''\nsource = 'ip'") == "t.toml:1:1: db path cannot be empty");
  CHECK(error_of("geoip", "db = 'x'\nsource = ''") == "t.toml:1:1: source cannot be empty");
  CHECK(error_of("geoip", "db = 'x'\nsource = 'ip'") == "t.toml:1:1: db type or values need to be set");
  CHECK(error_of("geoip", "db = 'x'\nsource = 'ip'\ndb_type = 'town'") ==
        "t.toml:1:1: db type should be either city or asn");
  CHECK(error_of("geoip", "db = '/nonexistent.mmdb'\nsource = 'ip'\ndb_type = 'asn'") ==
        "t.toml:1:1: open /nonexistent.mmdb: no such file or directory");
}

TEST_SUITE_END();
