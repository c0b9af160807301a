// What the entries of a window come to, for every range aggregation that can be put together from parts: add() takes an
// entry, join() what later entries came to. Starting values join() as nothing.
//
// The arithmetic is Loki's: a running mean that an infinity keeps, population variance by Welford (joined by Chan's
// formula), extremes that go around what is no number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "pipeline/base/clock.h"

namespace server {

using pipeline::UnixNanos;

inline constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// Entries, or bytes: whole numbers.
struct WindowTally {
  uint64_t sum = 0;
  void add(UnixNanos, double value) { sum += static_cast<uint64_t>(value); }
  void join(const WindowTally& later) { sum += later.sum; }
  double value() const { return static_cast<double>(sum); }
};

struct WindowSum {
  double sum = 0;
  void add(UnixNanos, double value) { sum += value; }
  void join(const WindowSum& later) { sum += later.sum; }
  double value() const { return sum; }
};

struct WindowMean {
  double mean = 0;
  uint64_t count = 0;
  void add(UnixNanos, double value) { join({value, 1}); }
  void join(const WindowMean& later) {
    if (later.count == 0) return;
    if (count == 0) {
      *this = later;
      return;
    }
    count += later.count;
    const bool keeps =
        std::isinf(mean) && !std::isnan(later.mean) && (!std::isinf(later.mean) || (mean > 0) == (later.mean > 0));
    if (keeps) return;
    const double share = static_cast<double>(later.count) / static_cast<double>(count);
    mean += later.mean * share - mean * share;
  }
  double value() const { return mean; }
};

// The variance; an infinite value has none, even if it is alone.
struct WindowVariance {
  double mean = 0, squares = 0;
  uint64_t count = 0;
  void add(UnixNanos, double value) {
    ++count;
    const double delta = value - mean;
    mean += delta / static_cast<double>(count);
    squares += delta * (value - mean);
  }
  void join(const WindowVariance& later) {
    if (later.count == 0) return;
    if (count == 0) {
      *this = later;
      return;
    }
    const auto mine = static_cast<double>(count), other = static_cast<double>(later.count);
    const double delta = later.mean - mean;
    mean += delta * (other / (mine + other));
    squares += later.squares + delta * delta * (mine * other / (mine + other));
    count += later.count;
  }
  double value() const { return squares / static_cast<double>(count); }
};

struct WindowDeviation : WindowVariance {
  double value() const { return std::sqrt(WindowVariance::value()); }
};

struct WindowMax {
  double max = kNotANumber;
  void add(UnixNanos, double value) {
    if (value > max || std::isnan(max)) max = value;
  }
  void join(const WindowMax& later) { add(0, later.max); }
  double value() const { return max; }
};

struct WindowMin {
  double min = kNotANumber;
  void add(UnixNanos, double value) {
    if (value < min || std::isnan(min)) min = value;
  }
  void join(const WindowMin& later) { add(0, later.min); }
  double value() const { return min; }
};

// The value with the lowest time; of equal times the one that came first.
struct WindowFirst {
  UnixNanos time = std::numeric_limits<UnixNanos>::max();
  double first = kNotANumber;
  bool any = false;
  void add(UnixNanos at, double value) {
    if (any && at >= time) return;
    *this = {at, value, true};
  }
  void join(const WindowFirst& later) {
    if (later.any) add(later.time, later.first);
  }
  double value() const { return first; }
};

// The value with the highest time; of equal times the one that came last.
struct WindowLast {
  UnixNanos time = std::numeric_limits<UnixNanos>::min();
  double last = kNotANumber;
  bool any = false;
  void add(UnixNanos at, double value) {
    if (any && at < time) return;
    *this = {at, value, true};
  }
  void join(const WindowLast& later) {
    if (later.any) add(later.time, later.last);
  }
  double value() const { return last; }
};

// A counter that may start again at zero; entries come in order of time.
struct WindowCounter {
  UnixNanos first_time = 0, last_time = 0;
  double first = 0, last = 0, lost = 0;  // lost: by starting again
  uint64_t count = 0;
  void add(UnixNanos time, double value) { join({time, time, value, value, 0, 1}); }
  void join(const WindowCounter& later) {
    if (later.count == 0) return;
    if (count == 0) {
      *this = later;
      return;
    }
    if (later.first < last) lost += last;
    lost += later.lost;
    last = later.last, last_time = later.last_time;
    count += later.count;
  }
  // Per second in a window of this length. Continued towards the window's start, and not to its end, by as many
  // nanoseconds as the window has milliseconds: that is what Loki does, and its answers are what ours are compared
  // with.
  double rate(int64_t range_ns) const {
    if (count < 2) return 0;
    constexpr double kNear = 1.1;  // times the usual distance between entries
    const double gained = last - first + lost;
    const auto sampled = static_cast<double>(last_time - first_time);
    const double usual = sampled / static_cast<double>(count - 1);
    auto to_start = static_cast<double>(range_ns / 1'000'000);
    if (to_start >= usual * kNear) to_start = usual / 2;
    if (gained > 0 && first >= 0) to_start = std::min(to_start, sampled * (first / gained));
    return gained * ((sampled + to_start) / sampled) / (static_cast<double>(range_ns) / 1e9);
  }
};

}  // namespace server
