#include "server/logql/matrix.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace server {

void Matrix::sort() {
  std::sort(series.begin(), series.end(), [](const Series& a, const Series& b) { return a.labels < b.labels; });
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char digits[400];
  const auto written = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed);
  return std::string(digits, written.ptr);
}

}  // namespace server
