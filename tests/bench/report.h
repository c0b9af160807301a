// Report: what a benchmark prints: one table while it runs, one line of JSON at its end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bench {

class Report {
 public:
  // One row: prints it at once. `row` names it ("a1"), `value` is what was measured, in `unit`.
  void add(std::string_view row, std::string_view what, double value, std::string_view unit);
  // A row that has no number: "not supported yet".
  void note(std::string_view row, std::string_view what, std::string_view why);
  void print_json() const;  // {"a1 lines per CPU second":2.1, ...}

 private:
  std::string json_;
};

double median(std::vector<double> values);
double quantile(std::vector<double> values, double q);

}  // namespace bench
