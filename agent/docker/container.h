// DockerContainer: what the daemon says about a container (`GET /containers/ID/json`), and its labels for relabelling:
// those of Prometheus' Docker discovery (agent.md 1.13).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/docker/docker_options.h"
#include "pipeline/base/result.h"
#include "pipeline/model/label_set.h"

namespace agent {

// One of `GET /networks`.
struct DockerNetwork {
  std::string id, name, scope;
  bool internal = false, ingress = false;
  std::map<std::string, std::string> labels;
};

struct DockerContainer {
  struct Port {
    uint32_t inside = 0, outside = 0;  // outside 0: not published
    std::string outside_ip;
  };
  struct Attached {
    std::string network_id, name, ip;
  };
  std::string id, name, image, image_id, network_mode;
  std::map<std::string, std::string> labels;
  std::vector<Attached> networks;  // by name
  std::vector<Port> ports;         // TCP, by number
  bool running = false;
  bool terminal = false;  // its log has no frames

  // kInvalid: not what a daemon answers.
  static pipeline::Result<DockerContainer> parse(std::string_view json);
};

// One of `GET /containers/json`: which there are, and whether they run.
struct DockerListed {
  std::string id;
  bool running = false;
};
pipeline::Result<std::vector<DockerListed>> parse_container_list(std::string_view json);
pipeline::Result<std::map<std::string, DockerNetwork>> parse_networks(std::string_view json);  // by id

// Of its first network and port; `stream`: stdout or stderr.
pipeline::LabelSet docker_labels(const DockerContainer& container, const std::map<std::string, DockerNetwork>& networks,
                                 const DockerOptions& options, std::string_view stream);

}  // namespace agent
