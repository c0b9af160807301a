// The commands of skidway-agent, one function each; main.cc reads the command line. They return the exit code: 0 well,
// 1 failed while running, 2 wrong configuration or usage.
#pragma once

#include <string>
#include <vector>

namespace agent {

struct CommonFlags {
  std::string config;    // --config
  std::string data_dir;  // --data-dir; empty: as configured
};

int run_agent(const CommonFlags& flags, bool dry_run);
int check_configuration(const CommonFlags& flags);
int list_targets(const CommonFlags& flags, bool json);

struct TestFlags {
  std::string source;  // --source; empty: the first
  std::string only;    // --only: stages, relabel or empty (both)
  bool raw = false;    // --raw: stdin has plain lines
  bool metrics = false;
  bool explain = false;
  std::string fixtures;  // --fixtures: a file of cases, instead of standard input
};
int test_pipeline(const CommonFlags& flags, const TestFlags& test);
enum class SpoolAction { kList, kPrint, kVerify, kRepair };
// `folder`: the spool of one sink, the folder of all, or a data_dir.
int look_at_spool(SpoolAction action, const std::string& folder);
// `name`: of one stage; empty: all.
int describe_stages(const std::string& name, bool markdown);
int test_glob(const std::vector<std::string>& patterns, const std::vector<std::string>& excludes);
int test_time(const std::string& layout, const std::string& location);
int test_template(const std::string& text, const std::string& functions);  // stage or logql

}  // namespace agent
