// Matrix: the values of a metric expression at the instants of a query, series by series.
//
// Thread: any. Sizes: 16 bytes a point; only points that exist are kept, there is no staleness and no look-back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/label_set.h"

namespace server {

using pipeline::LabelSet;
using pipeline::UnixNanos;

// The instants start, start + step, ...; an instant query has one (any step).
struct StepGrid {
  UnixNanos start = 0;
  int64_t step_ns = 1;  // > 0
  uint32_t count = 1;   // > 0
  UnixNanos at(uint32_t step) const { return start + int64_t{step} * step_ns; }
  bool operator==(const StepGrid&) const = default;
};

struct Point {
  uint32_t step = 0;
  double value = 0;
};

struct Series {
  LabelSet labels;
  std::vector<Point> points;  // ascending steps, each at most once
};

struct Matrix {
  std::vector<Series> series;  // in no particular order; labels differ
  bool is_scalar = false;      // of a literal: one series without labels and a point at every step

  void sort();  // by labels, as results are shown
};

// A value as results show it: "2", "0.1", "-0.00000015", "NaN", "+Inf": shortest digits that read back the same, never
// an exponent.
std::string value_text(double value);

}  // namespace server
