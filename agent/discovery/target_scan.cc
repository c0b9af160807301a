#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <tuple>
#include <unistd.h>

#include "agent/discovery/discovery.h"
#include "agent/discovery/path_rules.h"
#include "agent/discovery/succession.h"
#include "agent/source/gzip_file.h"
#include "pipeline/base/concat.h"

namespace agent {

namespace {
void scan_folder(const SourceOptions& options, const PathRules& rules, const PodMetadata* pods,
                 const std::string& folder, std::vector<Target>& targets) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string path = it->path().string();
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      if (rules.may_match_below(path) && !it->is_symlink(ignored)) scan_folder(options, rules, pods, path, targets);
    } else if (it->is_regular_file(ignored) && rules.matches(path)) {
      std::shared_ptr<const ContainerMetadata> metadata;
      if (auto name = pods ? container_of(options, path) : std::nullopt)
        metadata = pods->find(name->pod, name->container);
      Target target = make_target(options, path, metadata.get());
      if (target.state == "active" && ::access(path.c_str(), R_OK) != 0) {
        target.state = "failed";
        target.reason = pipeline::system_error(pipeline::concat("open ", path), errno).message;
      }
      if (target.state == "active" && is_gzip_name(path))
        target.state = "dropped", target.reason = kReadOnlyAsHeir;
      else if (target.state == "active" && rules.is_rotated_name(path))
        target.state = "rotated";
      targets.push_back(std::move(target));
    }
  }
}
}  // namespace

std::vector<Target> scan_targets(const std::vector<std::shared_ptr<const SourceOptions>>& sources,
                                 const FindPodMetadata& find_metadata) {
  std::vector<Target> targets;
  for (const auto& source : sources) {
    auto rules = PathRules::compile(*source);
    if (!rules) continue;
    const PodMetadata* pods = find_metadata ? find_metadata(*source) : nullptr;
    for (const std::string& folder : rules->folders()) scan_folder(*source, *rules, pods, folder, targets);
  }
  std::sort(targets.begin(), targets.end(),
            [](const Target& a, const Target& b) { return std::tie(a.source, a.path) < std::tie(b.source, b.path); });
  return targets;
}

}  // namespace agent
