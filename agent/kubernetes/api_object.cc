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

// --- what is read above, written

namespace {
class ObjectWriter {
 public:
  ObjectWriter& text(std::string_view name, std::string_view value) {
    if (!value.empty()) pipeline::append_compact_text(next(name), value);
    return *this;
  }
  ObjectWriter& raw(std::string_view name, std::string_view value) {
    if (!value.empty()) next(name) += value;
    return *this;
  }
  ObjectWriter& texts(std::string_view name, const std::map<std::string, std::string>& all) {
    ObjectWriter inner;
    for (const auto& [key, value] : all) pipeline::append_compact_text(inner.next(key), value);
    return all.empty() ? *this : raw(name, inner.done());
  }
  std::string done() const { return out_ + "}"; }

 private:
  std::string& next(std::string_view name) {
    if (out_.size() > 1) out_ += ',';
    pipeline::append_compact_text(out_, name);
    return out_ += ':';
  }
  std::string out_ = "{";
};

std::string array(const std::vector<std::string>& elements) {
  std::string out;
  for (const std::string& element : elements) out += (out.empty() ? "[" : ",") + element;
  return out.empty() ? out : out + "]";
}

constexpr std::string_view kLists[] = {"containers", "initContainers", "ephemeralContainers"};
constexpr std::string_view kStatusLists[] = {"containerStatuses", "initContainerStatuses",
                                             "ephemeralContainerStatuses"};
}  // namespace

std::string ObjectMeta::text() const {
  ObjectWriter out;
  out.text("name", name).text("namespace", namespace_name).text("uid", uid).text("resourceVersion", version);
  out.texts("labels", labels).texts("annotations", annotations);
  if (!controller_kind.empty()) {
    ObjectWriter owner;
    owner.raw("controller", "true").text("kind", controller_kind).text("name", controller_name);
    out.raw("ownerReferences", array({owner.done()}));
  }
  return out.done();
}

std::string Pod::text() const {
  std::vector<std::string> specs[3], statuses[3];
  for (const Container& container : containers) {
    const auto kind = static_cast<size_t>(container.kind);
    std::vector<std::string> ports;
    for (const ContainerPort& port : container.ports) {
      ObjectWriter out;
      ports.push_back(
          out.text("name", port.name).raw("containerPort", port.number).text("protocol", port.protocol).done());
    }
    ObjectWriter spec, status;
    specs[kind].push_back(
        spec.text("name", container.name).text("image", container.image).raw("ports", array(ports)).done());
    statuses[kind].push_back(status.text("name", container.name).text("containerID", container.id).done());
  }
  ObjectWriter spec, status, condition, out;
  spec.text("nodeName", node_name);
  status.text("podIP", ip).text("hostIP", host_ip).text("phase", phase);
  status.raw("conditions", array({condition.text("type", "Ready").text("status", ready).done()}));
  for (size_t kind = 0; kind < 3; ++kind) {
    spec.raw(kLists[kind], array(specs[kind]));
    status.raw(kStatusLists[kind], array(statuses[kind]));
  }
  return out.raw("metadata", meta.text()).raw("spec", spec.done()).raw("status", status.done()).done();
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
