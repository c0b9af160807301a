// The stage `geoip` (agent.md 5.20): what a MaxMind database knows about an IP address becomes extracted values.
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/parse/jmespath.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/geoip_database.h"
#include "pipeline/stage/json_field.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr size_t kValueBytes = 8 << 20;  // of the values that an expression makes of a record
constexpr size_t kMaxCached = 4096;      // addresses; most lines of a log come from few

struct Lookup {
  std::string name;
  JmesPath path;
  bool keeps_empty = false;  // also "" and 0
};

// What each kind of database gives, and where it stands in a record.
struct KnownLookup {
  std::string_view name, expression;
};
constexpr KnownLookup kCountryLookups[] = {{"geoip_country_name", "country.names.en"},
                                           {"geoip_country_code", "country.iso_code"},
                                           {"geoip_continent_name", "continent.names.en"},
                                           {"geoip_continent_code", "continent.code"}};
constexpr KnownLookup kCityLookups[] = {{"geoip_city_name", "city.names.en"},
                                        {"geoip_postal_code", "postal.code"},
                                        {"geoip_timezone", "location.time_zone"},
                                        {"geoip_subdivision_name", "subdivisions[-1].names.en"},
                                        {"geoip_subdivision_code", "subdivisions[-1].iso_code"}};
constexpr KnownLookup kAsnLookups[] = {{"geoip_autonomous_system_number", "autonomous_system_number"},
                                       {"geoip_autonomous_system_organization", "autonomous_system_organization"}};
constexpr std::string_view kLatitude = "geoip_location_latitude", kLongitude = "geoip_location_longitude";

struct GeoipMemory final : StageMemory {
  std::unordered_map<std::string, std::string> records;  // by address; "": none
  std::string address;                                   // scratch
  TemplateMemory values;                                 // scratch
};

bool is_empty(const FieldValue& value) {
  using enum FieldValue::Kind;
  if (value.kind == kText) return value.text.empty();
  return value.kind == kNull || value.kind == kAbsent || (value.kind == kNumber && value.number == 0);
}

class GeoipStage final : public Stage {
 public:
  GeoipStage(std::unique_ptr<GeoipDatabase> database, std::string source, std::vector<Lookup> lookups,
             bool has_location)
      : database_(std::move(database)),
        source_(std::move(source)),
        lookups_(std::move(lookups)),
        has_location_(has_location) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<GeoipMemory>(); }
  void add_reads(FieldNames& reads) const override { reads.names.insert(source_); }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<GeoipMemory&>(stage_memory);
    for (const Lookup& lookup : lookups_) batch.field(lookup.name);
    FieldReader source(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      auto address = batch.active(i) ? field_text(source.at(i), batch.arena) : std::nullopt;
      if (!address) continue;
      const std::string& record = record_of(*address, memory);
      if (!record.empty()) put(batch, i, batch.arena.copy(record), memory.values);
    }
  }

 private:
  const std::string& record_of(std::string_view address, GeoipMemory& memory) const {
    memory.address = address;
    if (auto known = memory.records.find(memory.address); known != memory.records.end()) return known->second;
    if (memory.records.size() >= kMaxCached) memory.records.clear();
    return memory.records.emplace(memory.address, database_->find(address).value_or("")).first->second;
  }

  static FieldValue look_up(const JmesPath& path, const JsonValue& record, TemplateMemory& values, Arena& arena) {
    if (path.is_path()) return json_field(path.search(record), arena);
    values.clear(kValueBytes);
    auto root = value_of_json(record, values);
    if (!root) return {};
    auto found = path.run(*root, values);
    return found ? json_field(*found, arena) : FieldValue{};
  }

  void put(Batch& batch, size_t row, std::string_view record, TemplateMemory& values) const {
    auto document = check_json(record);
    if (!document) return;
    bool is_somewhere = false;
    for (const Lookup& lookup : lookups_) {
      const FieldValue value = look_up(lookup.path, *document, values, batch.arena);
      const bool is_place = has_location_ && (lookup.name == kLatitude || lookup.name == kLongitude);
      is_somewhere = is_somewhere || (is_place && !is_empty(value));
      if (value.kind == FieldValue::Kind::kNull || value.kind == FieldValue::Kind::kAbsent ||
          (!is_place && !lookup.keeps_empty && is_empty(value)))
        continue;
      batch.field(lookup.name).values[row] = value;
    }
    if (!has_location_ || is_somewhere) return;
    batch.field(kLatitude).values[row] = batch.field(kLongitude).values[row] = FieldValue{};  // 0, 0 is nowhere
  }

  const std::unique_ptr<GeoipDatabase> database_;
  const std::string source_;
  const std::vector<Lookup> lookups_;
  const bool has_location_;
};

constexpr StageArgument kArguments[] = {
    {"db", ArgumentType::kText, "", true, "path of the database, for example /var/lib/GeoIP/GeoLite2-City.mmdb"},
    {"source", ArgumentType::kText, "", true, "extracted value that is an IP address"},
    {"db_type", ArgumentType::kText, "", false,
     "city, country or asn: sets extracted values such as geoip_country_code"},
    {"custom_lookups", ArgumentType::kTextMap, "", false,
     "name of the extracted value = JMESPath into the record; \"\": the name itself"}};

Result<void> add_lookups(std::vector<Lookup>& out, std::span<const KnownLookup> known) {
  for (const KnownLookup& each : known) {
    TRY_LET(JmesPath path, JmesPath::compile(each.expression));
    out.push_back({std::string(each.name), std::move(path)});
  }
  return {};
}

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const std::string& type = arguments.text("db_type");
  if (arguments.text("db").empty()) return fail(Errc::kInvalid, "db path cannot be empty");
  if (arguments.text("source").empty()) return fail(Errc::kInvalid, "source cannot be empty");
  if (type.empty() && !arguments.given("custom_lookups")) {
    return fail(Errc::kInvalid, "db type or values need to be set");
  }
  std::vector<Lookup> lookups;
  if (type == "city" || type == "country") TRY(add_lookups(lookups, kCountryLookups));
  if (type == "city") {
    constexpr KnownLookup kPlace[] = {{kLatitude, "location.latitude"}, {kLongitude, "location.longitude"}};
    TRY(add_lookups(lookups, kCityLookups));
    TRY(add_lookups(lookups, kPlace));
  }
  if (type == "asn") TRY(add_lookups(lookups, kAsnLookups));
  if (!type.empty() && lookups.empty()) return fail(Errc::kInvalid, "db type should be either city or asn");
  for (const auto& [name, expression] : arguments.text_map("custom_lookups")) {
    TRY_LET(JmesPath path, JmesPath::compile(expression.empty() ? name : expression));
    lookups.push_back({name, std::move(path), true});
  }
  TRY_LET(auto database, GeoipDatabase::open(arguments.text("db")));
  return std::make_unique<GeoipStage>(std::move(database), arguments.text("source"), std::move(lookups),
                                      type == "city");
}

}  // namespace

const StageKind kGeoipStage = {"geoip", "looks IP addresses up in a MaxMind database", kArguments, build};

}  // namespace pipeline
