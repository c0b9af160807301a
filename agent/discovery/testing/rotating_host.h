// RotatingHost: a folder with logs, one source, one sink, and an agent that is started, killed and driven by hand.
// Thread: one.
#pragma once

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>

#include "agent/discovery/testing/model_agent.h"
#include "agent/source/testing/temp_folder.h"

namespace agent::testing {

class RotatingHost {
 public:
  using Lines = std::vector<std::string>;

  explicit RotatingHost(SourceType type = SourceType::kFile, const std::string& path = "log/*.log") {
    folder.make("log");
    disk.sinks.resize(1);
    auto options = std::make_shared<SourceOptions>();
    options->name = "host";
    options->type = type;
    options->paths = {folder.at(path)};
    options->sinks = {0};
    options_ = options;
  }
  SourceOptions& options() { return *options_; }

  // `paused`: its sink takes nothing.
  void start(bool paused = false) {
    rules_ = {{options_, *PathRules::compile(*options_)}};
    agent = std::make_unique<ModelAgent>(rules_, disk, servers, clock, paused, reader_options);
  }
  void kill() { agent.reset(); }
  void pause() { agent->sinks[0]->full = true; }
  // Everything that is there arrives.
  void drain() { agent->drain(); }
  // Reads and hands on, but nothing is acknowledged: only records are written.
  void read_unacked() {
    agent->idle(std::chrono::milliseconds(500));
    agent->sinks[0]->close();
    agent->sinks[0]->write_record();
  }

  void write(const std::string& name, int count, const std::string& to = "log/app.log") {
    for (int i = 0; i < count; ++i) {
      written.push_back(name + " " + std::to_string(written.size()) + " " + std::string(40, 'x'));
      folder.append(to, written.back() + "\n");
    }
  }
  // logrotate's first step: log/app.log.1 to `count`, compressed or not, each become one older.
  void shift(int count) {
    for (int i = count; i > 0; --i)
      for (const char* end : {"", ".gz"}) {
        const std::string from = "log/app.log." + std::to_string(i) + end;
        if (std::filesystem::exists(folder.at(from))) folder.rename(from, "log/app.log." + std::to_string(i + 1) + end);
      }
  }
  Lines arrived() const {
    Lines lines;
    for (const auto& entry : servers[0].entries()) lines.push_back(entry.line);
    return lines;
  }
  // Exactly what was written, in the order in which it was written.
  void check() {
    CHECK(arrived().size() == written.size());
    CHECK((arrived() == written));
  }
  // The same, where files are read side by side.
  void check_in_any_order() const {
    Lines found = arrived(), wanted = written;
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK((found == wanted));
  }
  bool counts(const std::string& metric) { return agent->metrics().render().find(metric) != std::string::npos; }

  TempFolder folder;
  ModelDisk disk;
  std::vector<ModelServer> servers{1};
  pipeline::FakeClock clock;
  FileReaderOptions reader_options;
  std::unique_ptr<ModelAgent> agent;
  Lines written;

 private:
  std::shared_ptr<SourceOptions> options_;
  std::vector<SourceRules> rules_;
};

}  // namespace agent::testing
