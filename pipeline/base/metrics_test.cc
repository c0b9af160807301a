#include "pipeline/base/metrics.h"

#include <doctest/doctest.h>

using namespace pipeline;

TEST_SUITE("base") {
  TEST_CASE("base: metrics are rendered with help, type, sorted labels and escapes") {
    Registry registry;
    registry.counter("skidway_x_total", "Things.", {{"reason", "a\"b"}, {"from", "here"}}).add(3);
    registry.gauge("skidway_a_bytes", "Size.").set(-2);
    registry.gauge_callback("skidway_b_seconds", "Age.", [] { return 1.5; });
    Histogram& histogram = registry.histogram("skidway_h_seconds", "Latency.", {0.1, 1});
    histogram.observe(0.1);
    histogram.observe(0.5);
    histogram.observe(7);
    CHECK(registry.render() ==
          "# HELP skidway_a_bytes Size.\n# TYPE skidway_a_bytes gauge\nskidway_a_bytes -2\n"
          "# HELP skidway_b_seconds Age.\n# TYPE skidway_b_seconds gauge\nskidway_b_seconds 1.5\n"
          "# HELP skidway_h_seconds Latency.\n# TYPE skidway_h_seconds histogram\n"
          "skidway_h_seconds_bucket{le=\"0.1\"} 1\nskidway_h_seconds_bucket{le=\"1\"} "
          "2\nskidway_h_seconds_bucket{le=\"+Inf\"} 3\n"
          "skidway_h_seconds_sum 7.6\nskidway_h_seconds_count 3\n"
          "# HELP skidway_x_total Things.\n# TYPE skidway_x_total "
          "counter\nskidway_x_total{from=\"here\",reason=\"a\\\"b\"} 3\n");
  }

  TEST_CASE("base: the same name and labels are the same counter") {
    Registry registry;
    registry.counter("skidway_x_total", "Things.", {{"a", "1"}, {"b", "2"}}).add();
    CHECK(registry.counter("skidway_x_total", "Things.", {{"b", "2"}, {"a", "1"}}).value() == 1);
  }
}
