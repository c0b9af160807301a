#include "agent/discovery/path_rules.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Glob;
using pipeline::Result;

namespace {
bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Takes what stands before `separator`; nothing where there is none.
std::optional<std::string_view> take_until(std::string_view& text, char separator) {
  size_t at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return taken;
}

bool is_rotation_time(std::string_view text) {  // 20260101-120000
  return text.size() == 15 && text[8] == '-' && all_digits(text.substr(0, 8)) && all_digits(text.substr(9));
}

bool is_below(std::string_view path, std::string_view folder) {
  return folder == "/" || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}
}  // namespace

std::optional<PodLogPath> PodLogPath::parse(std::string_view root, std::string_view path) {
  if (!is_below(path, root) || path.size() == root.size()) return std::nullopt;
  path.remove_prefix(root == "/" ? 1 : root.size() + 1);
  auto pod_folder = take_until(path, '/');
  auto container = take_until(path, '/');
  if (!pod_folder || !container || container->empty() || path.find('/') != std::string_view::npos) return std::nullopt;
  PodLogPath log{.container_name = *container, .file_name = path};
  auto namespace_name = take_until(*pod_folder, '_');
  auto pod_name = take_until(*pod_folder, '_');
  if (!namespace_name || !pod_name || pod_folder->empty()) return std::nullopt;
  log.namespace_name = *namespace_name;
  log.pod_name = *pod_name;
  log.pod_uid = *pod_folder;
  size_t suffix = path.find(".log");
  if (suffix == std::string_view::npos || !all_digits(path.substr(0, suffix))) return std::nullopt;
  log.live_file_name = path.substr(0, suffix + 4);
  std::string_view rest = path.substr(suffix + 4);
  log.rotated = !rest.empty();
  if (log.rotated && (rest[0] != '.' || !is_rotation_time(rest.substr(1)))) return std::nullopt;
  return log;
}

Result<PathRules> PathRules::compile(const SourceOptions& options) {
  PathRules rules;
  rules.type_ = options.type;
  for (const std::string& path : options.paths) {
    if (options.type == SourceType::kKubernetes) {
      rules.folders_.push_back(pipeline::clean_path(path));
      continue;
    }
    TRY_LET(Glob glob, Glob::compile(path));
    rules.folders_.push_back(glob.folder());
    rules.globs_.push_back(std::move(glob));
  }
  for (const std::string& path : options.excludes) {
    TRY_LET(Glob glob, Glob::compile(path));
    rules.excludes_.push_back(std::move(glob));
  }
  std::sort(rules.folders_.begin(), rules.folders_.end());
  rules.folders_.erase(std::unique(rules.folders_.begin(), rules.folders_.end()), rules.folders_.end());
  return rules;
}

bool PathRules::may_match_below(std::string_view folder) const {
  if (type_ == SourceType::kFile) {
    return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) { return glob.may_match_below(folder); });
  }
  return std::any_of(folders_.begin(), folders_.end(), [&](const std::string& root) {  // the root, pods, containers
    return is_below(folder, root) && std::count(folder.begin() + root.size(), folder.end(), '/') <= 2;
  });
}

bool PathRules::excluded(std::string_view path) const {
  return std::any_of(excludes_.begin(), excludes_.end(), [&](const Glob& glob) { return glob.fits(path); });
}

bool PathRules::matches(std::string_view path) const {
  if (excluded(path)) return false;
  if (type_ == SourceType::kFile) {
    return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) { return glob.matches(path); });
  }
  return std::any_of(folders_.begin(), folders_.end(),
                     [&](const std::string& root) { return PodLogPath::parse(root, path).has_value(); });
}

std::string PathRules::lineage(std::string_view path) const {
  if (type_ == SourceType::kKubernetes) {
    for (const std::string& root : folders_) {
      auto log = PodLogPath::parse(root, path);
      if (log) return concat(path.substr(0, path.size() - log->file_name.size()), log->live_file_name);
    }
  }
  return std::string(path);
}

bool PathRules::is_rotated_name(std::string_view path) const {
  if (type_ != SourceType::kKubernetes) return false;
  return std::any_of(folders_.begin(), folders_.end(), [&](const std::string& root) {
    auto log = PodLogPath::parse(root, path);
    return log && log->rotated;
  });
}

}  // namespace agent
