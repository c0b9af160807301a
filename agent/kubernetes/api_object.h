// Pod, Node, Namespace: what discovery needs of the objects of the Kubernetes API, read from their JSON.
//
// Absent, null and empty are the same here, as they are for the API ("containers": null in a bookmark).
// Thread: any (values).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/parse/json.h"

namespace agent {

// One JSON object. Views the text it was read from.
class ObjectReader {
 public:
  explicit ObjectReader(const pipeline::JsonValue& value);  // of a checked document; what is no object has no members
  static std::optional<ObjectReader> parse(std::string_view text);  // nothing: no JSON object

  std::string text(std::string_view name) const;    // of a string, else ""
  std::string number(std::string_view name) const;  // of a number as written, else ""
  ObjectReader object(std::string_view name) const;
  std::vector<ObjectReader> objects(std::string_view name) const;  // of an array
  std::map<std::string, std::string> texts(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).kind != pipeline::JsonKind::kNull; }
  bool flag(std::string_view name) const { return get(name).kind == pipeline::JsonKind::kTrue; }
  pipeline::JsonValue get(std::string_view name) const;

 private:
  ObjectReader() = default;
  std::vector<pipeline::JsonMember> members_;
};

struct ObjectMeta {
  std::string name, namespace_name, uid, version;
  std::map<std::string, std::string> labels, annotations;
  std::string controller_kind, controller_name;  // of the owner that controls it

  static ObjectMeta read(const ObjectReader& object);
  std::string text() const;  // the value of "metadata", as JSON
};

struct ContainerPort {
  std::string name, number, protocol;
};

struct Container {
  enum class Kind { kNormal, kInit, kEphemeral };
  Kind kind = Kind::kNormal;
  std::string name, image;
  std::string id;  // containerd://...; empty while there is no status
  std::vector<ContainerPort> ports;
};

struct Pod {
  ObjectMeta meta;
  std::string node_name, ip, host_ip, phase;
  std::string ready = "unknown";      // true, false, unknown
  std::vector<Container> containers;  // normal, init, ephemeral, each in the order of the spec

  static Pod read(const ObjectReader& object);
  std::string text() const;  // JSON of what stands here, which read() reads
};

struct Node {
  ObjectMeta meta;
  std::string provider_id, kubelet_port;
  std::vector<std::pair<std::string, std::string>> addresses;   // type, address
  std::vector<std::pair<std::string, std::string>> conditions;  // type, status

  static Node read(const ObjectReader& object);
};

// What the server says of a request that it refuses, also inside a stream. Not every answer has one.
struct ApiStatus {
  int code = 0;
  std::string reason, message;

  static ApiStatus read(const ObjectReader& object);
};

}  // namespace agent
