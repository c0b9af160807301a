// PathRules: which folders and files belong to one source, by their path alone.
//
// kubernetes: ROOT/<namespace>_<pod>_<uid>/<container>/<n>.log, and <n>.log.<YYYYMMDD-HHMMSS> as the kubelet names what
// it rotated. Gzipped ones (.gz) are not read. file: doublestar globs.
// Thread: any (immutable).
// Errors: kInvalid for a pattern that is none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/source/source_options.h"
#include "pipeline/base/result.h"
#include "pipeline/match/glob.h"

namespace agent {

// What the path of a container's log says.
struct PodLogPath {
  std::string_view namespace_name = {}, pod_name = {}, pod_uid = {}, container_name = {};
  std::string_view file_name = {};       // 0.log.20260101-120000
  std::string_view live_file_name = {};  // 0.log
  bool rotated = false;

  // `path` below the folder `root`; nothing: not the path of a container's log.
  static std::optional<PodLogPath> parse(std::string_view root, std::string_view path);
};

class PathRules {
 public:
  static pipeline::Result<PathRules> compile(const SourceOptions& options);

  // Where to begin; every folder of the source is one of these or lies below one.
  const std::vector<std::string>& folders() const { return folders_; }
  bool may_match_below(std::string_view folder) const;
  bool matches(std::string_view path) const;

  // Files of one lineage follow one another under one name.
  std::string lineage(std::string_view path) const;
  bool is_rotated_name(std::string_view path) const;

 private:
  bool excluded(std::string_view path) const;

  SourceType type_ = SourceType::kFile;
  std::vector<std::string> folders_;
  std::vector<pipeline::Glob> globs_, excludes_;
};

}  // namespace agent
