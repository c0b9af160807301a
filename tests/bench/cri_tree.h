// CriTree: a folder like /var/log/pods, written as a container runtime writes it, with sums of everything in it.
//
// Thread:  one at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/entry_sums.h"
#include "tests/bench/log_lines.h"

namespace bench {

class CriTree {
 public:
  // POD folders pods/NAMESPACE_POD_UID/CONTAINER/0.log under `root`, with `files` of them, still empty.
  CriTree(std::string root, size_t files);
  ~CriTree();
  CriTree(const CriTree&) = delete;
  CriTree& operator=(const CriTree&) = delete;

  std::string pods_path() const { return root_ + "/pods"; }
  // Fills all files to `bytes` together.
  void fill(uint64_t bytes);
  // The same number of lines to each file, by one write per line.
  void write_lines(size_t per_file);
  // Writes lines at a rate, file by file in turn, in bursts ten times a second, each line with its own write; a file of
  // 512 KiB is renamed and a new one opened.
  void write_live(uint64_t lines_per_second, double seconds);

  const EntrySums& sums() const { return sums_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t rotations() const { return rotations_; }

 private:
  struct Container {
    std::string path = {};
    uint64_t pod_hash = 0;
    int fd = -1;
    uint64_t size = 0;
    std::vector<std::string> rotated = {};  // oldest first
  };
  void append_line(std::string& out, const Container& container, pipeline::UnixNanos time);
  void write_line(Container& container);
  void rotate(Container& container);

  std::string root_;
  std::vector<Container> containers_;
  Random random_{1};
  EntrySums sums_;
  uint64_t bytes_ = 0, rotations_ = 0, sequence_ = 0;
  std::string line_;
};

}  // namespace bench
