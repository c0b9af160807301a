// check_same: compares two answers of metric queries, for tests: equal labels and steps in equal order, values that
// differ by no more than the order of additions explains.
#pragma once

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "server/logql/matrix.h"

namespace server {

inline bool is_near(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= 1e-9 * std::max({std::abs(a), std::abs(b), 1.0});
}

inline void check_same(const Matrix& fast, const Matrix& slow) {
  REQUIRE(fast.series.size() == slow.series.size());
  for (size_t i = 0; i < fast.series.size(); ++i) {
    CHECK(fast.series[i].labels.text() == slow.series[i].labels.text());
    REQUIRE(fast.series[i].points.size() == slow.series[i].points.size());
    for (size_t k = 0; k < fast.series[i].points.size(); ++k) {
      CHECK(fast.series[i].points[k].step == slow.series[i].points[k].step);
      CHECK(is_near(fast.series[i].points[k].value, slow.series[i].points[k].value));
    }
  }
}

}  // namespace server
