#include "agent/kubernetes/api_object.h"

#include <algorithm>
#include <cstdlib>

namespace agent {

using pipeline::JsonKind;
using pipeline::JsonMember;
using pipeline::JsonValue;

namespace {
std::string decoded(const JsonValue& value) {
  if (value.kind != JsonKind::kString) return {};
  if (!value.escaped) return std::string(value.raw);
  pipeline::Arena arena;
  return std::string(pipeline::json_text(value, arena).value_or(""));
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}
}  // namespace

ObjectReader::ObjectReader(const JsonValue& value) {
  if (value.kind == JsonKind::kObject) pipeline::json_members(value, members_);
}

std::optional<ObjectReader> ObjectReader::parse(std::string_view text) {
  ObjectReader reader;
  auto value = pipeline::check_json(text, &reader.members_);
  if (!value || value->kind != JsonKind::kObject) return std::nullopt;
  return reader;
}

JsonValue ObjectReader::get(std::string_view name) const {
  for (const JsonMember& member : members_)
    if (pipeline::json_equals(member.name, name)) return member.value;
  return {};
}

std::string ObjectReader::text(std::string_view name) const { return decoded(get(name)); }

std::string ObjectReader::number(std::string_view name) const {
  const JsonValue value = get(name);
  return value.kind == JsonKind::kNumber ? std::string(value.raw) : std::string();
}

ObjectReader ObjectReader::object(std::string_view name) const { return ObjectReader(get(name)); }

std::vector<ObjectReader> ObjectReader::objects(std::string_view name) const {
  std::vector<JsonValue> elements;
  if (const JsonValue value = get(name); value.kind == JsonKind::kArray) pipeline::json_elements(value, elements);
  std::vector<ObjectReader> all;
  for (const JsonValue& element : elements) all.emplace_back(element);
  return all;
}

std::map<std::string, std::string> ObjectReader::texts(std::string_view name) const {
  std::map<std::string, std::string> all;
  const ObjectReader inner = object(name);
  for (const JsonMember& member : inner.members_) all[decoded(member.name)] = decoded(member.value);
  return all;
}

ObjectMeta ObjectMeta::read(const ObjectReader& object) {
  const ObjectReader metadata = object.object("metadata");
  ObjectMeta out{.name = metadata.text("name"),
                 .namespace_name = metadata.text("namespace"),
                 .uid = metadata.text("uid"),
                 .version = metadata.text("resourceVersion"),
                 .labels = metadata.texts("labels"),
                 .annotations = metadata.texts("annotations"),
                 .controller_kind = {},
                 .controller_name = {}};
  for (const ObjectReader& owner : metadata.objects("ownerReferences")) {
    if (!owner.flag("controller")) continue;
    out.controller_kind = owner.text("kind");
    out.controller_name = owner.text("name");
    break;
  }
  return out;
}

namespace {
void add_containers(std::vector<Container>& out, const ObjectReader& pod, Container::Kind kind, std::string_view list,
                    std::string_view status_list) {
  std::map<std::string, std::string> ids;
  for (const ObjectReader& status : pod.object("status").objects(status_list))
    ids[status.text("name")] = status.text("containerID");
  for (const ObjectReader& spec : pod.object("spec").objects(list)) {
    Container container{.kind = kind, .name = spec.text("name"), .image = spec.text("image"), .id = {}, .ports = {}};
    container.id = ids[container.name];
    for (const ObjectReader& port : spec.objects("ports"))
      container.ports.push_back({port.text("name"), port.number("containerPort"), port.text("protocol")});
    out.push_back(std::move(container));
  }
}
}  // namespace

Pod Pod::read(const ObjectReader& object) {
  const ObjectReader status = object.object("status");
  Pod pod;
  pod.meta = ObjectMeta::read(object);
  pod.node_name = object.object("spec").text("nodeName");
  pod.ip = status.text("podIP");
  pod.host_ip = status.text("hostIP");
  pod.phase = status.text("phase");
  for (const ObjectReader& condition : status.objects("conditions"))
    if (condition.text("type") == "Ready") pod.ready = lower(condition.text("status"));
  add_containers(pod.containers, object, Container::Kind::kNormal, "containers", "containerStatuses");
  add_containers(pod.containers, object, Container::Kind::kInit, "initContainers", "initContainerStatuses");
  add_containers(pod.containers, object, Container::Kind::kEphemeral, "ephemeralContainers",
                 "ephemeralContainerStatuses");
  return pod;
}

Node Node::read(const ObjectReader& object) {
  const ObjectReader status = object.object("status");
  Node node;
  node.meta = ObjectMeta::read(object);
  node.provider_id = object.object("spec").text("providerID");
  node.kubelet_port = status.object("daemonEndpoints").object("kubeletEndpoint").number("Port");
  for (const ObjectReader& address : status.objects("addresses"))
    node.addresses.emplace_back(address.text("type"), address.text("address"));
  for (const ObjectReader& condition : status.objects("conditions"))
    node.conditions.emplace_back(lower(condition.text("type")), lower(condition.text("status")));
  return node;
}

ApiStatus ApiStatus::read(const ObjectReader& object) {
  ApiStatus status;
  status.code = std::atoi(object.number("code").c_str());
  status.reason = object.text("reason");
  status.message = object.text("message");
  return status;
}

}  // namespace agent
