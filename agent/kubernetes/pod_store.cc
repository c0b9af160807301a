#include "agent/kubernetes/pod_store.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/base/hash.h"

namespace agent {

using pipeline::concat;
using pipeline::JsonValue;

PodStore::PodStore(KubernetesOptions options, std::function<void(const std::vector<PodId>&)> changed,
                   pipeline::Registry& metrics)
    : options_(std::move(options)),
      changed_(std::move(changed)),
      metrics_(metrics),
      pods_gauge_(metrics.gauge("skidway_agent_kubernetes_pods", "Pods whose metadata is known.")) {}

void PodStore::count(std::string_view role, std::string_view event) {
  metrics_
      .counter("prometheus_sd_kubernetes_events_total", "The number of Kubernetes events handled.",
               {{"role", std::string(role)}, {"event", std::string(event)}})
      .add();
}

namespace {
std::string key_of(const PodId& id) { return concat("pod/", id.namespace_name, "/", id.name, "/", id.uid); }
}  // namespace

void PodStore::remember(PodMemory& memory) {
  memory_ = &memory;
  for (const auto& [key, text] : memory.load()) {
    auto object = ObjectReader::parse(text);
    if (!object) continue;
    if (key.starts_with("node/")) nodes_handler_.recall(ObjectMeta::read(*object));
    if (key.starts_with("namespace/")) namespaces_handler_.recall(ObjectMeta::read(*object));
    if (!key.starts_with("pod/")) continue;
    Pod pod = Pod::read(*object);
    const PodId id{pod.meta.namespace_name, pod.meta.name, folder_uid(pod)};
    by_name_[concat(id.namespace_name, "/", id.name)] = id;
    pods_[id] = {.pod = std::move(pod), .text_hash = 0, .saved_hash = pipeline::hash64(text)};
  }
}

void PodStore::save() {
  if (!memory_) return;
  for (const PodId& id : std::exchange(unsaved_, {})) {
    auto known = pods_.find(id);
    if (known == pods_.end()) continue;
    Pod pod = known->second.pod;
    pod.meta.version.clear();  // changes with every heartbeat
    std::string text = pod.text();
    const uint64_t hash = pipeline::hash64(text);
    if (std::exchange(known->second.saved_hash, hash) != hash) memory_->save(key_of(id), std::move(text));
  }
  if (options_.attach_node) nodes_handler_.save(*memory_);
  if (options_.attach_namespace) namespaces_handler_.save(*memory_);
}

bool PodStore::complete() const {
  return attaching_given_up_ || ((!options_.attach_node || nodes_handler_.listed()) &&
                                 (!options_.attach_namespace || namespaces_handler_.listed()));
}

void PodStore::give_up_attaching() {
  if (complete()) return;
  attaching_given_up_ = true;
  attached_changed("", "");
}

Attached PodStore::attached(const Pod& pod) const {
  Attached out{
      .deployment = options_.attach_deployment, .job = options_.attach_job, .cronjob = options_.attach_cronjob};
  if (options_.attach_node) out.node = nodes_handler_.find(pod.node_name);
  if (options_.attach_namespace) out.namespace_meta = namespaces_handler_.find(pod.meta.namespace_name);
  return out;
}

std::shared_ptr<const ContainerMetadata> PodStore::find(const PodId& id, std::string_view container) const {
  auto known = pods_.find(id);
  if (known == pods_.end() || !complete()) return nullptr;
  auto& made = known->second.containers;
  if (auto found = made.find(container); found != made.end()) return found->second;
  const Pod& pod = known->second.pod;
  auto spec = std::find_if(pod.containers.begin(), pod.containers.end(),
                           [&](const Container& c) { return c.name == container; });
  if (spec == pod.containers.end()) return nullptr;
  return made[std::string(container)] = container_metadata(pod, *spec, pod_labels(pod, attached(pod)));
}

std::vector<TargetGroup> PodStore::targets() const {
  std::vector<TargetGroup> all;
  for (const auto& [id, known] : pods_) {
    if (known.deleted) continue;
    const Attached with = attached(known.pod);
    TargetGroup group = pod_targets(known.pod, with);
    if (options_.attach_node && !with.node) group = {.source = group.source, .labels = {}, .targets = {}};
    all.push_back(std::move(group));
  }
  return all;
}

bool PodStore::take(const JsonValue& object, PodId& id) {
  Pod pod = Pod::read(ObjectReader(object));
  id = {pod.meta.namespace_name, pod.meta.name, folder_uid(pod)};
  const uint64_t hash = pipeline::hash64(object.raw);
  auto [it, fresh] = pods_.try_emplace(id);
  if (!fresh && !it->second.deleted && it->second.text_hash == hash) return false;
  it->second = {.pod = std::move(pod), .text_hash = hash, .saved_hash = it->second.saved_hash};
  unsaved_.insert(id);
  PodId& named = by_name_[concat(id.namespace_name, "/", id.name)];
  if (named != id) {
    if (!named.name.empty()) mark_deleted(named);  // another pod of the same name: a StatefulSet's next one
    named = id;
  }
  count("pod", fresh ? "add" : "update");
  pods_gauge_.set(static_cast<int64_t>(pods_.size()));
  return true;
}

bool PodStore::mark_deleted(const PodId& id) {
  auto known = pods_.find(id);
  if (known == pods_.end() || known->second.deleted) return false;
  known->second.deleted = true;
  known->second.text_hash = 0;
  count("pod", "delete");
  return true;
}

void PodStore::tell(const std::vector<PodId>& pods) {
  if (!pods.empty() && complete()) changed_(pods);
}

void PodStore::attached_changed(const std::string& role, const std::string& name) {
  std::vector<PodId> concerned;
  for (auto& [id, known] : pods_) {
    if (!name.empty() && name != (role == "node" ? known.pod.node_name : id.namespace_name)) continue;
    known.containers.clear();
    concerned.push_back(id);
  }
  tell(concerned);
}

void PodStore::sweep(std::chrono::milliseconds now, const std::function<bool(const PodId&)>& has_files) {
  size_t deleted = 0;
  for (const auto& [id, known] : pods_) deleted += known.deleted ? 1 : 0;
  for (auto it = pods_.begin(); it != pods_.end();) {
    Known& known = it->second;
    if (known.deleted && !known.deleted_at) known.deleted_at = now;
    const bool unused = known.deleted && now - *known.deleted_at >= kDeletedStay && !has_files(it->first);
    const bool too_many = known.deleted && deleted > kDeletedPods;
    if (unused || too_many) --deleted;
    if ((unused || too_many) && memory_) memory_->save(key_of(it->first), "");
    it = unused || too_many ? pods_.erase(it) : std::next(it);
  }
  pods_gauge_.set(static_cast<int64_t>(pods_.size()));
}

// --- pods

void PodStore::PodsHandler::begin_list() {
  in_list_ = true;
  listed_.clear();
  changed_.clear();
}

void PodStore::PodsHandler::add(const JsonValue& object) {
  PodId id;
  if (store_.take(object, id)) changed_.push_back(id);
  listed_.insert(std::move(id));
}

void PodStore::PodsHandler::end_list() {
  in_list_ = false;
  std::vector<PodId> gone;
  for (const auto& [name, id] : store_.by_name_)
    if (!listed_.contains(id)) gone.push_back(id);
  for (const PodId& id : gone) {
    store_.mark_deleted(id);
    store_.by_name_.erase(concat(id.namespace_name, "/", id.name));
  }
  listed_.clear();
  store_.tell(std::exchange(changed_, {}));
}

void PodStore::PodsHandler::changed(const JsonValue& object) {
  if (in_list_) return add(object);
  PodId id;
  if (store_.take(object, id)) store_.tell({id});
}

void PodStore::PodsHandler::removed(const JsonValue& object) {
  const Pod pod = Pod::read(ObjectReader(object));
  const PodId id{pod.meta.namespace_name, pod.meta.name, folder_uid(pod)};
  listed_.erase(id);
  if (!store_.mark_deleted(id)) return;
  auto named = store_.by_name_.find(concat(id.namespace_name, "/", id.name));
  if (named != store_.by_name_.end() && named->second == id) store_.by_name_.erase(named);
}

// --- nodes and namespaces

void PodStore::MetaHandler::begin_list() {
  in_list_ = true;
  coming_.clear();
}

void PodStore::MetaHandler::add(const JsonValue& object) {
  ObjectMeta meta = ObjectMeta::read(ObjectReader(object));
  std::string name = meta.name;
  coming_[std::move(name)] = std::move(meta);
}

void PodStore::MetaHandler::end_list() {
  in_list_ = false;
  const bool first = !listed_;
  listed_ = true;
  auto before = std::exchange(objects_, std::move(coming_));
  coming_.clear();
  for (const auto& [name, meta] : objects_) {
    auto old = before.find(name);
    if (old == before.end()) store_.count(role_, "add");
    if (old == before.end() || old->second.labels != meta.labels || old->second.annotations != meta.annotations)
      if (!first) store_.attached_changed(role_, name);
  }
  if (first) store_.attached_changed(role_, "");
}

void PodStore::MetaHandler::changed(const JsonValue& object) {
  if (in_list_) return add(object);
  ObjectMeta meta = ObjectMeta::read(ObjectReader(object));
  const std::string name = meta.name;
  auto [it, fresh] = objects_.try_emplace(name);
  store_.count(role_, fresh ? "add" : "update");
  const bool same = !fresh && it->second.labels == meta.labels && it->second.annotations == meta.annotations;
  it->second = std::move(meta);
  if (!same) store_.attached_changed(role_, name);
}

void PodStore::MetaHandler::removed(const JsonValue& object) {
  const std::string name = ObjectMeta::read(ObjectReader(object)).name;
  coming_.erase(name);
  if (!in_list_ && objects_.contains(name)) store_.count(role_, "delete");  // what pods had of it they keep until they
  if (!in_list_) objects_.erase(name);                                      // change
}

void PodStore::MetaHandler::recall(ObjectMeta meta) {
  listed_ = true;
  std::string name = meta.name;
  objects_[std::move(name)] = std::move(meta);
}

void PodStore::MetaHandler::save(PodMemory& memory) {
  std::map<std::string, std::string> now;
  for (auto [name, meta] : objects_) {
    meta.version.clear();
    now[concat(role_, "/", name)] = concat("{\"metadata\":", meta.text(), "}");
  }
  for (const auto& [key, text] : now)
    if (auto before = saved_.find(key); before == saved_.end() || before->second != text) memory.save(key, text);
  for (const auto& [key, text] : saved_)
    if (!now.contains(key)) memory.save(key, "");
  saved_ = std::move(now);
}

const ObjectMeta* PodStore::MetaHandler::find(const std::string& name) const {
  auto found = objects_.find(name);
  return found == objects_.end() ? nullptr : &found->second;
}

}  // namespace agent
