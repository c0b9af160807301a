// SpeedTable: how fast something does blocks of text, in bytes per second of this thread's CPU time. One line a row as
// it is measured, and one of JSON at the end.
#pragma once

#include <functional>
#include <string>

#include "tests/bench/block_corpus.h"

namespace bench {

class SpeedTable {
 public:
  SpeedTable(std::string name, double seconds_per_row) : name_(std::move(name)), seconds_(seconds_per_row) {}

  // `work` does one block and returns something that depends on all of it.
  void row(const std::string& name, const Blocks& blocks, const std::function<size_t(const std::string&)>& work);
  void finish() const;

 private:
  const std::string name_;
  const double seconds_;
  std::string json_;
};

}  // namespace bench
