#include "server/api/pattern_routes.h"

#include <algorithm>

#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"

namespace server {

using pipeline::concat;
using pipeline::Counter;
using pipeline::Result;

namespace {

class CatalogNotes final : public PatternNotes {
 public:
  CatalogNotes(Catalog& catalog, pipeline::Registry& registry)
      : catalog_(catalog), found_(counter(registry, "yes")), mined_(counter(registry, "no")) {}

  std::optional<std::string> find(const Ulid& object, std::string_view kind) override {
    auto note = catalog_.find_note(object, kind);
    const bool known = note && note->has_value();
    (known ? found_ : mined_).add();
    return known ? *std::move(note) : std::nullopt;
  }
  void keep(const Ulid& object, std::string_view kind, std::string_view bytes) override {
    (void)catalog_.keep_note(object, kind, bytes);  // without it the object is mined again
  }

 private:
  static Counter& counter(pipeline::Registry& registry, const char* noted) {
    return registry.counter("skidway_server_pattern_objects_total",
                            "Objects whose patterns were asked for; noted: known from before, else mined.",
                            {{"noted", noted}});
  }
  Catalog& catalog_;
  Counter& found_;
  Counter& mined_;
};

}  // namespace

std::string patterns_answer(const std::vector<PatternSeries>& patterns) {
  std::string out = R"({"status":"success","data":[)";
  for (const PatternSeries& one : patterns) {
    out += &one == patterns.data() ? "{\"pattern\":" : ",{\"pattern\":";
    append_json_text(out, one.text, JsonText::kLine);
    out += ",\"level\":";
    append_json_text(out, one.level);
    out += ",\"samples\":[";
    for (const auto& [time, count] : one.samples) {
      if (out.back() == ']') out += ',';
      out += concat("[", time / 1'000'000'000, ",", count, "]");
    }
    out += "]}";
  }
  return out += "]}\n";
}

void add_pattern_routes(ReadRoutes& routes, QueryEngine& engine, Catalog& catalog) {
  auto notes = std::make_shared<CatalogNotes>(catalog, routes.registry());
  routes.add_json("/loki/api/v1/patterns", [&engine, notes](const ReadCall& call) -> Result<std::string> {
    TRY_LET(SteppedRange stepped, parse_stepped_range(call.form, call.now));
    stepped.range = within_lookback(stepped.range, *engine.limits(call.tenant), call.now);
    constexpr pipeline::UnixNanos kFar = INT64_C(1) << 62;  // steps are rounded to, which must not overflow
    const PatternWindow window{std::clamp(stepped.range.start, -kFar, kFar), std::clamp(stepped.range.end, -kFar, kFar),
                               std::clamp<int64_t>(stepped.step.count(), kPatternResolution, kFar)};
    TRY_LET(auto patterns,
            engine.patterns(call.tenant, std::string(call.form.get("query")), window, *notes, *call.turn));
    return with_warnings(patterns_answer(patterns.found), patterns.warnings);
  });
}

}  // namespace server
