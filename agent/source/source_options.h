// SourceOptions: one [[source]] of the configuration, ready to run.
#pragma once

#include <chrono>
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

struct KubernetesOptions;  // agent/kubernetes/kubernetes_options.h

enum class SourceType { kKubernetes, kFile, kStream };
enum class StartAt { kBeginning, kEnd };

// Loki's own default limit for a line; longer lines would be refused there.
constexpr size_t kDefaultMaxLineBytes = 256 * 1024;

// What one type of stream source (agent/stream/stream_source.h) is told: its room derives from this.
struct StreamOptions {
  virtual ~StreamOptions() = default;
  virtual std::string place() const = 0;  // where its entries come from, for /targets: "tcp://127.0.0.1:1514"
};

// kubernetes: which pods are the source's, as far as their metadata decides.
struct PodChoice {
  std::string pipeline = {};                       // not empty: only pods whose annotation skidway.io/pipeline says so
  std::vector<std::string> other_pipelines = {};   // of other sources: pods that choose one of these are theirs
  bool annotated_only = false;                     // only pods with the annotation skidway.io/include
  std::chrono::milliseconds metadata_wait{5'000};  // a new file is read without its pod's metadata after that time
  bool operator==(const PodChoice&) const = default;
};

struct SourceOptions {
  std::string name;
  SourceType type = SourceType::kFile;
  std::vector<std::string> paths;     // kubernetes: one folder like /var/log/pods; file: doublestar globs, absolute
  std::vector<std::string> excludes;  // globs; also for kubernetes
  // For files never seen before that are there at the first scan; files that appear later are read from the beginning.
  StartAt start_at = StartAt::kBeginning;
  std::string node;     // kubernetes: __meta_kubernetes_pod_node_name, where not empty
  PodChoice pods = {};  // kubernetes
  std::shared_ptr<const KubernetesOptions> kubernetes = {};  // who knows the pods; null: their paths say all
  std::map<std::string, std::string> labels;                 // added to every target, after relabelling
  std::shared_ptr<const pipeline::RelabelRules> relabel;     // may be absent
  std::shared_ptr<const pipeline::StageList> stages;         // may be absent
  std::string relabel_text, stages_text;                     // as configured; equal texts do the same
  std::vector<size_t> sinks;                                 // indices into the program's list of sinks
  // kStream
  std::string stream_type;                      // "journal", "stdin", ...: agent/stream_types.h
  std::shared_ptr<const StreamOptions> stream;  // null where the configuration has errors
  std::string stream_text;                      // as configured; equal texts do the same
  // What was read stays where it was, and each sink is given it by a reader of its own (stream_shares.h).
  bool can_be_read_again = false;
  std::vector<std::shared_ptr<const pipeline::StageList>> more_stages;  // `stages` once more for each further sink
  std::string counted_as;  // the label `source` of what its reader counts; empty: `name`

  const std::string& metric_name() const { return counted_as.empty() ? name : counted_as; }
  size_t max_line_bytes = kDefaultMaxLineBytes;  // 1 KiB .. 16 MiB; the rest of a longer line is cut, counted
};

}  // namespace agent
