#include "agent/docker/container.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/parse/json.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::JsonKind;
using pipeline::JsonMember;
using pipeline::JsonValue;
using pipeline::Label;
using pipeline::Result;

namespace {

std::string text_of(const JsonValue& value) {
  if (value.kind != JsonKind::kString) return {};
  pipeline::Arena arena;
  auto text = pipeline::json_text(value, arena);
  return text ? std::string(*text) : std::string();
}

// An object's members; none for anything else.
class Object {
 public:
  explicit Object(const JsonValue& value) {
    if (value.kind == JsonKind::kObject) pipeline::json_members(value, members_);
  }
  JsonValue at(std::string_view name) const {
    for (const JsonMember& member : members_)
      if (pipeline::json_equals(member.name, name)) return member.value;
    return {};
  }
  std::string text(std::string_view name) const { return text_of(at(name)); }
  bool truth(std::string_view name) const { return at(name).kind == JsonKind::kTrue; }
  Object object(std::string_view name) const { return Object(at(name)); }
  std::map<std::string, std::string> texts(std::string_view name) const {
    std::map<std::string, std::string> out;
    for (const JsonMember& member : object(name).members_) out[text_of(member.name)] = text_of(member.value);
    return out;
  }
  const std::vector<JsonMember>& members() const { return members_; }

 private:
  std::vector<JsonMember> members_;
};

Result<std::vector<Object>> objects_of(std::string_view json, std::string_view what) {
  auto document = pipeline::check_json(json);
  if (!document || document->kind != JsonKind::kArray) return fail(Errc::kInvalid, concat(what, ": not a list"));
  std::vector<JsonValue> elements;
  pipeline::json_elements(*document, elements);
  std::vector<Object> out;
  for (const JsonValue& element : elements) out.emplace_back(element);
  return out;
}

uint32_t number_of(std::string_view text) {
  uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null}
std::vector<DockerContainer::Port> ports_of(const Object& ports) {
  std::vector<DockerContainer::Port> out;
  for (const JsonMember& member : ports.members()) {
    std::string name = text_of(member.name);
    if (!name.ends_with("/tcp")) continue;
    DockerContainer::Port port{number_of(name), 0, {}};
    std::vector<JsonValue> bindings;
    if (member.value.kind == JsonKind::kArray) pipeline::json_elements(member.value, bindings);
    if (!bindings.empty()) {
      Object binding(bindings[0]);
      port.outside = number_of(binding.text("HostPort"));
      port.outside_ip = binding.text("HostIp");
    }
    out.push_back(std::move(port));
  }
  std::sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.inside < b.inside; });
  return out;
}

std::vector<DockerContainer::Attached> networks_of(const Object& networks) {
  std::vector<DockerContainer::Attached> out;
  for (const JsonMember& member : networks.members()) {
    Object network(member.value);
    out.push_back({network.text("NetworkID"), text_of(member.name), network.text("IPAddress")});
  }
  std::sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.name < b.name; });
  return out;
}

std::string label_name(std::string_view prefix, std::string_view key) {
  std::string name = concat(prefix, key);
  for (char& c : name) {
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fine) c = '_';
  }
  return name;
}

void add_network_labels(std::vector<Label>& labels, const DockerContainer::Attached& attached,
                        const std::map<std::string, DockerNetwork>& networks) {
  labels.emplace_back("__meta_docker_network_id", attached.network_id);
  labels.emplace_back("__meta_docker_network_name", attached.name);
  labels.emplace_back("__meta_docker_network_ip", attached.ip);
  auto at = networks.find(attached.network_id);
  if (at == networks.end()) return;
  labels.emplace_back("__meta_docker_network_scope", at->second.scope);
  labels.emplace_back("__meta_docker_network_internal", at->second.internal ? "true" : "false");
  labels.emplace_back("__meta_docker_network_ingress", at->second.ingress ? "true" : "false");
  for (auto& [key, value] : at->second.labels)
    labels.emplace_back(label_name("__meta_docker_network_label_", key), value);
}

void add_port_labels(std::vector<Label>& labels, const DockerContainer::Port& port) {
  labels.emplace_back("__meta_docker_port_private", std::to_string(port.inside));
  if (port.outside == 0) return;
  labels.emplace_back("__meta_docker_port_public", std::to_string(port.outside));
  labels.emplace_back("__meta_docker_port_public_ip", port.outside_ip);
}

}  // namespace

Result<DockerContainer> DockerContainer::parse(std::string_view json) {
  auto document = pipeline::check_json(json);
  if (!document || document->kind != JsonKind::kObject) return fail(Errc::kInvalid, "container: not an object");
  Object root(*document), config = root.object("Config"), network = root.object("NetworkSettings");
  DockerContainer out;
  out.id = root.text("Id");
  if (out.id.empty()) return fail(Errc::kInvalid, "container: no Id");
  out.name = root.text("Name");
  out.image = config.text("Image");
  out.image_id = root.text("Image");
  out.network_mode = root.object("HostConfig").text("NetworkMode");
  out.labels = config.texts("Labels");
  out.networks = networks_of(network.object("Networks"));
  out.ports = ports_of(network.object("Ports"));
  out.running = root.object("State").truth("Running");
  out.terminal = config.truth("Tty");
  return out;
}

Result<std::vector<DockerListed>> parse_container_list(std::string_view json) {
  TRY_LET(auto objects, objects_of(json, "list of containers"));
  std::vector<DockerListed> out;
  for (const Object& object : objects) out.push_back({object.text("Id"), object.text("State") == "running"});
  std::erase_if(out, [](const DockerListed& one) { return one.id.empty(); });
  return out;
}

Result<std::map<std::string, DockerNetwork>> parse_networks(std::string_view json) {
  TRY_LET(auto objects, objects_of(json, "list of networks"));
  std::map<std::string, DockerNetwork> out;
  for (const Object& object : objects) {
    DockerNetwork network{object.text("Id"),        object.text("Name"),     object.text("Scope"),
                          object.truth("Internal"), object.truth("Ingress"), object.texts("Labels")};
    out[network.id] = network;
  }
  return out;
}

pipeline::LabelSet docker_labels(const DockerContainer& container, const std::map<std::string, DockerNetwork>& networks,
                                 const DockerOptions& options, std::string_view stream) {
  std::vector<Label> labels{{"__meta_docker_container_id", container.id},
                            {"__meta_docker_container_name", container.name},
                            {"__meta_docker_container_image", container.image},
                            {"__meta_docker_container_image_id", container.image_id},
                            {"__meta_docker_container_network_mode", container.network_mode},
                            {"__meta_docker_container_log_stream", std::string(stream)}};
  for (auto& [key, value] : container.labels)
    labels.emplace_back(label_name("__meta_docker_container_label_", key), value);
  bool host_network = container.network_mode == "host";
  std::string address = host_network ? options.host_networking_host : "";
  if (!container.networks.empty()) {
    const auto& first = container.networks.front();
    add_network_labels(labels, first, networks);
    if (!host_network) address = first.ip;
  }
  if (!container.ports.empty()) add_port_labels(labels, container.ports.front());
  std::string port = container.ports.empty() ? options.port : std::to_string(container.ports.front().inside);
  labels.emplace_back("__address__", host_network && container.ports.empty() ? address : concat(address, ":", port));
  std::erase_if(labels, [](const Label& label) { return label.second.empty(); });
  return pipeline::LabelSet::from(std::move(labels));
}

}  // namespace agent
