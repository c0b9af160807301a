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

  TEST_CASE("base: a page has one heading for a family that several places add to") {
    MetricPage page;
    page.set_labels({{"source", "web"}, {"reason", "not this"}});
    page.add("x_total", "Things\nand \\.", MetricType::kCounter, {{"reason", "old"}}, 3u);
    page.set_labels({{"source", "db"}});
    page.add("x_total", "Other words.", MetricType::kCounter, {}, 0.5);
    page.add("x_total", "Another type.", MetricType::kGauge, {}, 7);
    CHECK(page.text() ==
          "# HELP x_total Things\\nand \\\\.\n# TYPE x_total counter\n"
          "x_total{reason=\"old\",source=\"web\"} 3\nx_total{source=\"db\"} 0.5\n");
    CHECK(MetricPage().text().empty());
  }

  TEST_CASE("base: a series that two places count is one on the page, their sum") {
    MetricPage page;
    for (int place = 0; place < 2; ++place) {
      page.add("n", "N.", MetricType::kCounter, {{"a", "b"}}, uint64_t{1'000'000});
      page.add("x", "X.", MetricType::kCounter, {}, 0.5);
      page.add("g", "G.", MetricType::kGauge, {}, place);
      page.add_histogram("h", "H.", {}, {1}, {2, 1}, 3.5);
    }
    CHECK(page.text() ==
          "# HELP g G.\n# TYPE g gauge\ng 1\n"
          "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 4\nh_bucket{le=\"+Inf\"} 6\nh_sum 7\nh_count 6\n"
          "# HELP n N.\n# TYPE n counter\nn{a=\"b\"} 2000000\n"
          "# HELP x X.\n# TYPE x counter\nx 1\n");
  }

  TEST_CASE("base: a collector adds to every render until it ends") {
    Registry registry;
    registry.counter("a_total", "A.", {{"k", "1"}}).add();
    auto collector = registry.collect([](MetricPage& page) {
      page.set_labels({{"from", "collector"}});
      page.add("a_total", "A.", MetricType::kCounter, {}, 2);
      page.add_histogram("h", "H.", {}, {1}, {1, 1}, 7.5);
    });
    auto second = registry.collect([](MetricPage& page) { page.add("z", "Z.", MetricType::kGauge, {}, -1); });
    CHECK(registry.render() ==
          "# HELP a_total A.\n# TYPE a_total counter\na_total{k=\"1\"} 1\na_total{from=\"collector\"} 2\n"
          "# HELP h H.\n# TYPE h histogram\nh_bucket{from=\"collector\",le=\"1\"} 1\n"
          "h_bucket{from=\"collector\",le=\"+Inf\"} 2\nh_sum{from=\"collector\"} 7.5\nh_count{from=\"collector\"} 2\n"
          "# HELP z Z.\n# TYPE z gauge\nz -1\n");
    collector.reset();
    second.reset();
    CHECK(registry.render() == "# HELP a_total A.\n# TYPE a_total counter\na_total{k=\"1\"} 1\n");
  }
}
