// The kubelet's rotation in single steps, and an agent that is killed and started between any two of them, with
// checkpoints that are older than what it had seen: at the end the server has each line exactly once. On real files,
// whose inodes the file system gives out again. Prints its seed; EXACTLY_ONCE_SEED and EXACTLY_ONCE_ROUNDS choose
// others.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <doctest/doctest.h>
#include <filesystem>
#include <functional>
#include <random>
#include <sys/stat.h>
#include <unordered_set>

#include "agent/discovery/testing/model_agent.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;
using Random = ModelAgent::Random;

namespace {
// The log of one container. The kubelet compresses all rotated files but the latest through a .tmp, renames the live
// one, and lets the container open a new one.
class Container {
 public:
  Container(const TempFolder& folder, std::string in, std::string name)
      : folder_(folder), name_(std::move(name)), live_(std::move(in) + "/0.log"), file_(live_) {
    folder_.append(live_, "");
  }

  void write(Random& random) {
    std::string text;
    for (uint64_t count = random() % 3 == 0 ? 61 : random() % 6 + 1; count > 0; --count) {
      written_.push_back(name_ + " " + std::to_string(written_.size()) + " " + std::string(random() % 40, 'x'));
      text += written_.back() + "\n";
      lines_in_[file_].push_back(written_.back());
    }
    folder_.append(file_, text);
  }

  // One step of a rotation; the first of the next, if none is under way.
  void rotate_on() {
    if (steps_.empty()) plan();
    auto step = std::move(steps_.front());
    steps_.pop_front();
    step.act();
  }
  bool removes_next() const { return !steps_.empty() && steps_.front().removes; }

  // The oldest file, if the server has all of it.
  void drop_oldest(const std::unordered_set<std::string>& arrived) {
    if (rotated_.size() < 2 || !steps_.empty()) return;
    const std::string oldest = rotated_.front();
    const auto& lines = lines_in_[oldest];
    if (!std::all_of(lines.begin(), lines.end(), [&](const std::string& line) { return arrived.contains(line); }))
      return;
    folder_.remove(std::filesystem::exists(folder_.at(oldest)) ? oldest : oldest + ".gz");
    rotated_.pop_front();
  }

  const std::vector<std::string>& written() const { return written_; }

 private:
  struct Step {
    std::function<void()> act;
    bool removes = false;
  };

  void plan() {
    for (const std::string& old : rotated_) {
      if (!std::filesystem::exists(folder_.at(old))) continue;
      const std::string packed = pipeline::gzip_compress(content_of(folder_.at(old)));
      const size_t half = packed.size() / 2;
      steps_.push_back({[this, old] { folder_.append(old + ".tmp", ""); }});
      steps_.push_back({[this, old, text = packed.substr(0, half)] { folder_.append(old + ".tmp", text); }});
      steps_.push_back({[this, old, text = packed.substr(half)] { folder_.append(old + ".tmp", text); }});
      steps_.push_back({[this, old] { folder_.rename(old + ".tmp", old + ".gz"); }});
      steps_.push_back({[this, old] { folder_.remove(old); }, true});
    }
    steps_.push_back({[this] {
      char time[32];
      std::snprintf(time, sizeof(time), ".20260101-%06d", rotations_++);
      file_ = live_ + time;  // the container writes on in it
      folder_.rename(live_, file_);
      lines_in_[file_] = std::exchange(lines_in_[live_], {});
      rotated_.push_back(file_);
    }});
    steps_.push_back({[this] { folder_.append(file_ = live_, ""); }});
  }

  const TempFolder& folder_;
  const std::string name_, live_;
  std::string file_;  // that the container writes to
  std::vector<std::string> written_;
  std::map<std::string, std::vector<std::string>> lines_in_;  // by file, without .gz
  std::deque<std::string> rotated_;                           // oldest first, without .gz
  std::deque<Step> steps_;
  int rotations_ = 0;
};

// What may be on disk when the agent dies: its checkpoints as of any moment since it last had to wait for them.
class CheckpointHistory {
 public:
  explicit CheckpointHistory(const TempFolder& folder) : clock_file_(folder.at("clock")) {}

  void begin(const ModelDisk& disk) { moments_ = {{disk, now(), now()}}; }
  void note(const ModelDisk& disk) {
    const Moment& last = moments_.back();
    if (has_new_records(disk, last.disk)) return begin(disk);
    if (same(disk, last.disk))
      moments_.back().until = now();
    else
      moments_.push_back({disk, now(), now()});
  }
  ModelDisk any(Random& random) const {
    const Moment& moment = random() % 3 == 0 ? moments_.back() : moments_[random() % moments_.size()];
    ModelDisk disk = moment.disk;
    disk.last_written = random() % 2 == 0 ? moment.from : moment.until;
    return disk;
  }
  // Until the file system's clock has gone on.
  void pass_time() {
    for (const pipeline::UnixNanos begin = now(); now() == begin;) ::usleep(500);
  }

 private:
  struct Moment {
    ModelDisk disk;
    pipeline::UnixNanos from = 0, until = 0;
  };

  // As the file system tells it, where it has a clock of its own.
  pipeline::UnixNanos now() {
    const int fd = ::open(clock_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct stat status {};
    REQUIRE(::write(fd, "x", 1) == 1);
    REQUIRE(::fstat(fd, &status) == 0);
    ::close(fd);
    return status.st_mtim.tv_sec * pipeline::UnixNanos{1'000'000'000} + status.st_mtim.tv_nsec;
  }
  static bool has_new_records(const ModelDisk& disk, const ModelDisk& before) {
    for (size_t i = 0; i < disk.sinks.size(); ++i)
      for (const auto& [number, record] : disk.sinks[i].records)
        if (!before.sinks[i].records.contains(number)) return true;
    return false;
  }
  static bool same(const ModelDisk& disk, const ModelDisk& before) {
    if (disk.files != before.files) return false;
    for (size_t i = 0; i < disk.sinks.size(); ++i) {
      const auto &a = disk.sinks[i], &b = before.sinks[i];
      if (a.positions != b.positions || a.records.size() != b.records.size()) return false;
      for (const auto& [number, record] : a.records)
        if (record.acked != b.records.at(number).acked) return false;
    }
    return true;
  }

  const std::string clock_file_;
  std::vector<Moment> moments_;
};

std::unordered_set<std::string> lines_at(const ModelServer& server) {
  std::unordered_set<std::string> lines;
  for (const auto& entry : server.entries()) lines.insert(entry.line);
  return lines;
}

std::string first_of(const std::vector<std::string>& lines) {
  return lines.empty() ? "" : std::to_string(lines.size()) + " lines, first " + lines[0];
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

std::vector<SourceRules> pods_in(const TempFolder& folder) {
  auto options = std::make_shared<SourceOptions>();
  options->name = "pods";
  options->type = SourceType::kKubernetes;
  options->paths = {folder.at("pods")};
  options->sinks = {0};
  return {{options, *PathRules::compile(*options)}};
}

void run_round(uint64_t seed) {
  Random random(seed);
  TempFolder folder;
  auto rules = pods_in(folder);
  std::deque<Container> containers;
  for (int i = 0; i < 3; ++i) {
    const std::string pod = "pod" + std::to_string(i), in = "pods/ns_" + pod + "_uid/c";
    folder.make(in);
    containers.emplace_back(folder, in, pod);
  }
  ModelDisk disk;
  disk.sinks.resize(1);
  std::vector<ModelServer> servers(1);
  pipeline::FakeClock clock;
  CheckpointHistory history(folder);
  std::unique_ptr<ModelAgent> agent;

  auto write_or_rotate = [&] {
    Container& container = containers[random() % containers.size()];
    if (random() % 3 == 0) return container.write(random);
    // A file that comes and goes before the running agent looks is lost by design.
    if (agent && container.removes_next()) agent->follow();
    container.rotate_on();
  };
  auto start = [&] {
    const uint64_t during_scan = random() % 3 == 0 ? random() % 12 : 0;
    agent = std::make_unique<ModelAgent>(rules, disk, servers, clock, random() % 4 == 0, FileReaderOptions(), [&] {
      for (uint64_t i = 0; i < during_scan; ++i) write_or_rotate();
    });
    history.begin(disk);
  };
  start();  // what was compressed before the agent first came is not read
  const int actions = static_cast<int>(random() % 400 + 100);
  for (int i = 0; i < actions; ++i) {
    const uint64_t action = random() % 100;
    if (action < 35) {
      write_or_rotate();
    } else if (action < 36) {
      containers[random() % containers.size()].drop_oldest(lines_at(servers[0]));
    } else if (action < 40) {
      history.pass_time();
    } else if (!agent) {
      clock.advance(std::chrono::milliseconds(10));
      if (action < 50) start();
    } else if (action < 42) {
      agent.reset();  // kill -9
      disk = history.any(random);
      history.pass_time();
    } else if (action < 60) {
      agent->follow();
    } else if (action < 80) {
      agent->turn();
    } else {
      agent->step(random);
    }
    if (agent) history.note(disk);
  }
  if (!agent) start();
  agent->drain();

  std::vector<std::string> want, got, lost, extra;
  for (const Container& container : containers)
    want.insert(want.end(), container.written().begin(), container.written().end());
  for (const auto& entry : servers[0].entries()) got.push_back(entry.line);
  std::sort(want.begin(), want.end());
  std::sort(got.begin(), got.end());
  std::set_difference(want.begin(), want.end(), got.begin(), got.end(), std::back_inserter(lost));
  std::set_difference(got.begin(), got.end(), want.begin(), want.end(), std::back_inserter(extra));
  CHECK(first_of(lost) == "");
  CHECK(first_of(extra) == "");
}
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: through the kubelet's rotation, crashes and old checkpoints each line arrives exactly once") {
    uint64_t seed = from_environment("EXACTLY_ONCE_SEED", std::random_device{}());
    uint64_t rounds = from_environment("EXACTLY_ONCE_ROUNDS", 20);
    for (uint64_t round = 0; round < rounds; ++round) {
      CAPTURE(seed + round);
      run_round(seed + round);
    }
  }
}
