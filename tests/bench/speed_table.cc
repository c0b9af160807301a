#include "tests/bench/speed_table.h"

#include <cstdio>
#include <time.h>

namespace bench {

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

void SpeedTable::row(const std::string& name, const Blocks& blocks,
                     const std::function<size_t(const std::string&)>& work) {
  size_t check = 0, bytes = 0;
  for (const std::string& block : blocks) check += work(block);  // warm
  double begin = cpu_seconds(), end = begin;
  do {
    for (const std::string& block : blocks) check += work(block), bytes += block.size();
    end = cpu_seconds();
  } while (end - begin < seconds_);
  double speed = static_cast<double>(bytes) / (end - begin) / 1e6;
  std::printf("%-50s %8.0f MB/s   (check %zx)\n", name.c_str(), speed, check);
  char text[160];
  std::snprintf(text, sizeof text, "%s\"%s\":%.1f", json_.empty() ? "" : ",", name.c_str(), speed);
  json_ += text;
}

void SpeedTable::finish() const {
  std::printf("{\"bench\":\"%s\",\"unit\":\"MB/s\",%s}\n", name_.c_str(), json_.c_str());
}

}  // namespace bench
