#include "tests/bench/cri_tree.h"

#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "tests/bench/program.h"

namespace bench {

using pipeline::concat;
using pipeline::UnixNanos;

namespace {

constexpr uint64_t kRotateAt = 512 << 10;
constexpr size_t kKeptRotated = 5;  // as the kubelet keeps
constexpr int kBursts = 10;         // a second
constexpr size_t kWriteAt = 1 << 20;

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n <= 0) fatal("writing the corpus failed");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

int open_log(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) fatal(concat("open ", path));
  return fd;
}

// "2026-11-21T10:00:00.123456789Z", always nine digits of fraction, as container runtimes write.
void append_cri_time(std::string& out, UnixNanos time) {
  thread_local int64_t second = -1;
  thread_local std::string head;
  if (time / 1'000'000'000 != second) {
    second = time / 1'000'000'000;
    head = pipeline::format_rfc3339(second * 1'000'000'000);
    head.back() = '.';
  }
  char fraction[9];
  int64_t rest = time % 1'000'000'000;
  for (int i = 8; i >= 0; --i) fraction[i] = static_cast<char>('0' + rest % 10), rest /= 10;
  out += head, out.append(fraction, sizeof fraction), out += 'Z';
}

}  // namespace

CriTree::CriTree(std::string root, size_t files) : root_(std::move(root)) {
  for (size_t i = 0; i < files; ++i) {
    std::string pod = concat("worker-", 10'000 + i * 7, "-x", i);
    std::string uid = concat("5f0c2a9e-1b7d-4e36-8a51-", 100'000'000'000 + i);
    std::string folder = concat(pods_path(), "/ns-", i % 5, "_", pod, "_", uid, "/app-", i % 3);
    std::filesystem::create_directories(folder);
    containers_.push_back({.path = folder + "/0.log", .pod_hash = pipeline::hash64(pod)});
    containers_.back().fd = open_log(containers_.back().path);
  }
}

CriTree::~CriTree() {
  for (Container& c : containers_) ::close(c.fd);
}

void CriTree::append_line(std::string& out, const Container& container, UnixNanos time) {
  append_cri_time(out, time);
  out += random_.percent(90) ? " stdout F " : " stderr F ";
  size_t begin = out.size();
  append_json_line(out, random_, time, ++sequence_);
  sums_.add(container.pod_hash, std::string_view(out).substr(begin));
  out += '\n';
}

void CriTree::fill(uint64_t bytes) {
  UnixNanos base = pipeline::SystemClock().wall() - 3'600'000'000'000;
  for (Container& container : containers_) {
    UnixNanos time = base;
    std::string out;
    for (uint64_t written = 0; written < bytes / containers_.size();) {
      size_t begin = out.size();
      append_line(out, container, time);
      written += out.size() - begin;
      time += 1000 + random_.below(2'000'000);
      if (out.size() > kWriteAt) write_all(container.fd, out), bytes_ += out.size(), out.clear();
    }
    write_all(container.fd, out), bytes_ += out.size();
  }
}

void CriTree::write_lines(size_t per_file) {
  for (size_t i = 0; i < per_file; ++i) {
    for (Container& container : containers_) write_line(container);
  }
}

void CriTree::write_line(Container& container) {
  line_.clear();
  append_line(line_, container, pipeline::SystemClock().wall());
  if (container.size + line_.size() > kRotateAt) rotate(container);
  write_all(container.fd, line_);
  container.size += line_.size(), bytes_ += line_.size();
}

void CriTree::rotate(Container& container) {
  std::string old = concat(container.path, ".20261121-", 100'000 + ++rotations_);
  if (std::rename(container.path.c_str(), old.c_str()) != 0) fatal("rename failed");
  ::close(container.fd);
  container.fd = open_log(container.path), container.size = 0;
  container.rotated.push_back(old);
  if (container.rotated.size() > kKeptRotated) {
    ::unlink(container.rotated.front().c_str());
    container.rotated.erase(container.rotated.begin());
  }
}

void CriTree::write_live(uint64_t lines_per_second, double seconds) {
  timespec next{};
  clock_gettime(CLOCK_MONOTONIC, &next);
  size_t turn = 0;
  for (int burst = 0; burst < static_cast<int>(seconds * kBursts); ++burst) {
    for (uint64_t i = 0; i < lines_per_second / kBursts; ++i) write_line(containers_[turn++ % containers_.size()]);
    next.tv_nsec += 1'000'000'000 / kBursts;
    if (next.tv_nsec >= 1'000'000'000) next.tv_nsec -= 1'000'000'000, ++next.tv_sec;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
  }
}

}  // namespace bench
