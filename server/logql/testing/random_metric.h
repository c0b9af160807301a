// RandomMetric: random metric queries of the whole language, and random entries that they say something about.
//
// Numbers are multiples of 1/4, so that sums come out the same in any order. What comes out a little different in
// another order (means, deviations, sums of rates) is never compared with anything, divided by, nor divided by zero or
// for a remainder. Times differ, so that first and last are one entry; topk only stands where ties do not show.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "server/logql/testing/naive_query.h"

namespace server {

class RandomMetric {
 public:
  explicit RandomMetric(uint64_t seed) : random_(seed) {}

  // Times in [begin, begin + span), all different.
  std::vector<NaiveEntry> entries(size_t count, UnixNanos begin, int64_t span);
  // Ranges and offsets are some multiples of `unit`.
  std::string query(int64_t unit) { return expression(3, unit).text; }
  int64_t pick(int64_t count) { return std::uniform_int_distribution<int64_t>(0, count - 1)(random_); }

 private:
  // What the values do not depend on.
  enum class Exact {
    kNo,    // the order of additions shows in their last digits
    kSelf,  // the same in any order; but divided or multiplied, so that their sums are not
    kSums,  // so few binary digits that their sums are the same in any order as well
  };
  struct Made {
    std::string text;
    Exact exact = Exact::kSums;
  };
  template <size_t N>
  std::string one_of(const char* const (&list)[N]) {
    return list[pick(static_cast<int64_t>(N))];
  }
  static Exact of_sum(Exact exact) { return exact == Exact::kSums ? exact : Exact::kNo; }
  static Exact of_quotient(Exact exact) { return std::min(exact, Exact::kSelf); }
  std::string duration(int64_t unit);
  std::string selection();
  std::string line();
  Made expression(int depth, int64_t unit);
  Made range(int64_t unit);
  Made unwrapped(int64_t unit);
  Made aggregation(int depth, int64_t unit);
  Made with_scalar(int depth, int64_t unit);
  Made of_two(int depth, int64_t unit);

  std::mt19937_64 random_;
};

}  // namespace server
