// Blocks of made-up log lines (seeded) as the agent reads them, for benchmarks within one process.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace bench {

using Blocks = std::vector<std::string>;  // 256 KiB each of whole lines, 16 MiB in all: more than a second-level cache

class BlockCorpus {
 public:
  Blocks make(const std::function<std::string()>& line);

  // With their newline.
  std::string text_line();    // 138 bytes
  std::string json_line();    // 219 bytes
  std::string logfmt_line();  // 151 bytes
  std::string access_line();  // nginx, combined format: eleven fields
  std::string stack_trace();  // an entry of a Java program: one line, or (one in four) that and 12 of a trace
  std::string quiet_line();   // text without an address or anything like a secret
  std::string cri(const std::string& line);
  std::string cri_trace();  // a stack_trace(), each of its lines as a container runtime writes it

 private:
  std::string number(size_t digits);  // the first is not 0
  std::string second();
  std::string time();

  std::mt19937 random_{42};
};

}  // namespace bench
