#include "agent/kubernetes_events/event_line.h"

#include <doctest/doctest.h>

#include "pipeline/base/time_format.h"

using namespace agent;

namespace {
constexpr std::string_view kEvent =
    R"({"metadata":{"name":"e","uid":"u","resourceVersion":"342","creationTimestamp":"2026-11-21T07:06:33Z"},)"
    R"("involvedObject":{"kind":"Pod","namespace":"shop","name":"p","apiVersion":"v1"},"reason":"BackOff",)"
    R"("message":"said \u003ca\u003e \"größe\"\n","source":{"component":"kubelet","host":"node-a"},)"
    R"("firstTimestamp":null,"lastTimestamp":"2026-11-21T05:41:07Z","count":212,"type":"Warning","eventTime":null,)"
    R"("reportingComponent":"kubelet","reportingInstance":""})";
}

TEST_SUITE("agent/kubernetes_events") {
  TEST_CASE("events: a line has what the event says, in Alloy's order and quotes") {
    const auto event = ObjectReader::parse(kEvent);
    auto line = EventLine::read(*event, EventFormat::kLogfmt);
    REQUIRE(line.has_value());
    CHECK(line->text ==
          "name=p kind=Pod objectAPIversion=v1 eventRV=342 reportingcontroller=kubelet sourcecomponent=kubelet "
          "sourcehost=node-a reason=BackOff type=Warning count=212 msg=\"said <a> \\\"größe\\\"\\n\" ");
    CHECK(line->time == pipeline::parse_rfc3339("2026-11-21T05:41:07Z"));
    CHECK(line->labels.get("namespace") == "shop");
    CHECK(line->labels.get("__meta_kubernetes_event_reason") == "BackOff");
    CHECK(line->uid == "u");
    CHECK(line->version == "342");
    auto json = EventLine::read(*event, EventFormat::kJson);
    CHECK(json->text ==
          R"({"count":212,"eventRV":"342","kind":"Pod","msg":"said \u003ca\u003e \"größe\"\n","name":"p",)"
          R"("objectAPIversion":"v1","reason":"BackOff","reportingcontroller":"kubelet","sourcecomponent":"kubelet",)"
          R"("sourcehost":"node-a","type":"Warning"})");
  }

  TEST_CASE("events: the time is eventTime where there is no lastTimestamp, and else that of the creation") {
    auto time = [](std::string_view text) {
      return EventLine::read(*ObjectReader::parse(text), EventFormat::kLogfmt)->time;
    };
    CHECK(time(R"({"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z"},"involvedObject":{"name":"a"},)"
               R"("lastTimestamp":null,"eventTime":"2026-11-21T05:30:01.123456Z"})") ==
          pipeline::parse_rfc3339("2026-11-21T05:30:01.123456Z"));
    CHECK(time(R"({"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z"},"involvedObject":{"name":"a"}})") ==
          pipeline::parse_rfc3339("2026-01-01T00:00:00Z"));
    CHECK(time(R"({"involvedObject":{"name":"a"}})") == 0);
  }

  TEST_CASE("events: one that is about nothing is refused") {
    auto line =
        EventLine::read(*ObjectReader::parse(R"({"metadata":{"name":"e"},"message":"m"})"), EventFormat::kLogfmt);
    REQUIRE_FALSE(line.has_value());
    CHECK(line.error().code == pipeline::Errc::kInvalid);
  }
}
