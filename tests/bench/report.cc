#include "tests/bench/report.h"

#include <algorithm>
#include <cstdio>

#include "pipeline/base/concat.h"

namespace bench {

void Report::add(std::string_view row, std::string_view what, double value, std::string_view unit) {
  char number[40];
  std::snprintf(number, sizeof number, "%.4g", value);
  double size = value < 0 ? -value : value;
  std::printf("%-4.*s %-52.*s %12.*f %.*s\n", static_cast<int>(row.size()), row.data(), static_cast<int>(what.size()),
              what.data(),
              size >= 100 ? 0
              : size >= 1 ? 2
                          : 4,
              value, static_cast<int>(unit.size()), unit.data());
  std::fflush(stdout);
  json_ += pipeline::concat(json_.empty() ? "" : ",", "\"", row, " ", what, "\":", static_cast<const char*>(number));
}

void Report::note(std::string_view row, std::string_view what, std::string_view why) {
  std::printf("%-4.*s %-52.*s %12s %.*s\n", static_cast<int>(row.size()), row.data(), static_cast<int>(what.size()),
              what.data(), "-", static_cast<int>(why.size()), why.data());
  std::fflush(stdout);
}

void Report::print_json() const { std::printf("{%s}\n", json_.c_str()); }

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

}  // namespace bench
