// SourceOptions: one [[source]] of the configuration, ready to run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pipeline {
class RelabelRules;
class StageList;
}  // namespace pipeline

namespace agent {

enum class SourceType { kKubernetes, kFile, kStdin, kStream };
enum class StartAt { kBeginning, kEnd };

// Loki's own default limit for a line; longer lines would be refused there.
constexpr size_t kDefaultMaxLineBytes = 256 * 1024;

// What one type of stream source (agent/stream/stream_source.h) is told: its room derives from this.
struct StreamOptions {
  virtual ~StreamOptions() = default;
  virtual std::string place() const = 0;  // where its entries come from, for /targets: "tcp://127.0.0.1:1514"
};

struct SourceOptions {
  std::string name;
  SourceType type = SourceType::kFile;
  std::vector<std::string> paths;     // kubernetes: one folder like /var/log/pods; file: doublestar globs, absolute
  std::vector<std::string> excludes;  // globs; also for kubernetes
  // For files never seen before that are there at the first scan; files that appear later are read from the beginning.
  StartAt start_at = StartAt::kBeginning;
  std::string node;                           // kubernetes: __meta_kubernetes_pod_node_name, where not empty
  std::map<std::string, std::string> labels;  // added to every target, after relabelling
  std::shared_ptr<const pipeline::RelabelRules> relabel;  // may be absent
  std::shared_ptr<const pipeline::StageList> stages;      // may be absent
  std::string relabel_text, stages_text;                  // as configured; equal texts do the same
  std::vector<size_t> sinks;                              // indices into the program's list of sinks
  // kStream
  std::string stream_type;                      // "journal", "syslog", ...: agent/stream_types.h
  std::shared_ptr<const StreamOptions> stream;  // null where the configuration has errors
  std::string stream_text;                      // as configured; equal texts do the same
  size_t max_line_bytes = kDefaultMaxLineBytes;           // 1 KiB .. 16 MiB; the rest of a longer line is cut, counted
};

}  // namespace agent
