// The labels of recorded objects against those that Prometheus' own discovery made of them, every line of them.
#include "agent/kubernetes/pod_labels.h"

#include <doctest/doctest.h>
#include <fstream>
#include <sstream>

#include "agent/kubernetes/pod_store.h"
#include "pipeline/base/concat.h"

using namespace agent;
using pipeline::concat;
using pipeline::JsonKind;
using pipeline::JsonValue;

namespace {
std::string recorded(const std::string& name) {
  std::ifstream file(concat(CONFORMANCE_FOLDER, "/recorded/", name), std::ios::binary);
  REQUIRE_MESSAGE(file.good(), name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines(const std::string& name) {
  std::istringstream text(recorded(name));
  std::vector<std::string> all;
  for (std::string line; std::getline(text, line);) all.push_back(line);
  return all;
}

void feed(ObjectHandler& handler, const std::vector<std::string>& lists) {
  handler.begin_list();
  for (const std::string& name : lists) {
    const std::string body = recorded(name);
    auto list = ObjectReader::parse(body);
    REQUIRE(list.has_value());
    std::vector<JsonValue> items;
    pipeline::json_elements(list->get("items"), items);
    for (const JsonValue& item : items) handler.add(item);
  }
  handler.end_list();
}

const std::vector<std::string> kAllPods = {"007-pods-all-page1.body", "008-pods-all-page2.body",
                                           "009-pods-all-page3.body"};

// "source {labels}", sorted; the labels of a target over those of its group.
using Lines = std::vector<std::string>;
std::string line_of(const std::string& source, const MetaLabels& labels) {
  std::string out = source;
  for (const auto& [name, value] : labels) out += concat("\n  ", name, "=", value);
  return out;
}
Lines lines_of(const std::vector<TargetGroup>& groups) {
  Lines all;
  for (const TargetGroup& group : groups)
    for (MetaLabels labels : group.targets) {
      labels.insert(group.labels.begin(), group.labels.end());
      all.push_back(line_of(group.source, labels));
    }
  std::sort(all.begin(), all.end());
  return all;
}
Lines expected(const std::string& name) {
  Lines all;
  for (const std::string& line : lines(name)) {
    auto object = ObjectReader::parse(line);
    REQUIRE(object.has_value());
    all.push_back(line_of(object->text("source"), object->texts("labels")));
  }
  std::sort(all.begin(), all.end());
  return all;
}
std::string group_line(const std::string& source, const MetaLabels& labels, const std::vector<MetaLabels>& targets) {
  std::string out = line_of(source, labels);
  for (const MetaLabels& target : targets) out += line_of("\n target", target);
  return out;
}
std::string group_line(const ObjectReader& group) {
  std::vector<MetaLabels> targets;
  std::vector<JsonValue> elements;
  if (group.has("targets")) pipeline::json_elements(group.get("targets"), elements);
  for (const JsonValue& element : elements) {
    const std::string text = concat("{\"labels\":", element.raw, "}");
    targets.push_back(ObjectReader::parse(text)->texts("labels"));
  }
  return group_line(group.text("source"), group.texts("group_labels"), targets);
}

struct Fixture {
  explicit Fixture(KubernetesOptions options)
      : store(
            std::move(options), [](const auto&) {}, metrics) {}
  pipeline::Registry metrics;
  PodStore store;
  std::string group(const std::string& source) const {
    for (const TargetGroup& group : store.targets())
      if (group.source == source) return group_line(group.source, group.labels, group.targets);
    return group_line(source, {}, {});
  }
};
KubernetesOptions attaching() {
  KubernetesOptions options;
  options.attach_node = options.attach_namespace = true;
  return options;
}
}  // namespace

TEST_SUITE("agent/kubernetes") {
  TEST_CASE("labels: of every recorded pod they are those that Prometheus makes") {
    Fixture f({});
    feed(f.store.pods(), kAllPods);
    CHECK(lines_of(f.store.targets()) == expected("expected-targets-plain.jsonl"));
  }

  TEST_CASE("labels: with nodes and namespaces too") {
    Fixture f(attaching());
    feed(f.store.pods(), kAllPods);
    feed(f.store.nodes(), {"023-nodes.body"});
    feed(f.store.namespaces(), {"021-namespaces.body"});
    CHECK(lines_of(f.store.targets()) == expected("expected-targets.jsonl"));
    Lines groups, wanted;
    for (const TargetGroup& group : f.store.targets())
      groups.push_back(group_line(group.source, group.labels, group.targets));
    for (const std::string& line : lines("expected-groups.jsonl")) {
      auto object = ObjectReader::parse(line);
      wanted.push_back(group_line(*object));
    }
    std::sort(groups.begin(), groups.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(groups == wanted);
  }

  TEST_CASE("labels: owners behind the owner come from its name") {
    KubernetesOptions options;
    options.attach_deployment = options.attach_job = options.attach_cronjob = true;
    Fixture f(options);
    feed(f.store.pods(), kAllPods);
    auto targets = f.store.targets();
    std::erase_if(targets, [](const TargetGroup& group) {
      return !group.source.starts_with("pod/shop/") && !group.source.starts_with("pod/batch/");
    });
    CHECK(lines_of(targets) == expected("expected-targets-owners.jsonl"));
  }

  TEST_CASE("labels: of nodes") {
    const std::string body = recorded("023-nodes.body");
    Lines all;
    std::vector<JsonValue> items;
    pipeline::json_elements(ObjectReader::parse(body)->get("items"), items);
    for (const JsonValue& item : items) {
      const Node node = Node::read(ObjectReader(item));
      if (MetaLabels labels = node_labels(node); !labels.empty())
        all.push_back(line_of(concat("node/", node.meta.name), labels));
    }
    std::sort(all.begin(), all.end());
    CHECK(all == expected("expected-nodes.jsonl"));
  }

  TEST_CASE("labels: after each recorded event the groups are those that Prometheus sent") {
    Fixture f(attaching());
    feed(f.store.pods(), {"058-pods-node-a-before-watch.body"});
    feed(f.store.nodes(), {"023-nodes.body"});
    feed(f.store.namespaces(), {"021-namespaces.body"});
    Lines made;  // one for each event that changed the pod's group, and the deletions
    for (const std::string& line : lines("060-watch-pods-node-a.events.jsonl")) {
      const ObjectReader event = ObjectReader::parse(line)->object("event");
      const JsonValue object = event.get("object");
      const ObjectMeta meta = ObjectMeta::read(ObjectReader(object));
      const std::string type = event.text("type");
      if (type == "BOOKMARK") continue;
      type == "DELETED" ? f.store.pods().removed(object) : f.store.pods().changed(object);
      made.push_back(f.group(concat("pod/", meta.namespace_name, "/", meta.name)));
    }
    Lines wanted;
    for (const std::string& line : lines("expected-updates.jsonl"))
      wanted.push_back(group_line(ObjectReader::parse(line)->object("group")));
    CHECK(made == wanted);
  }

  TEST_CASE("labels: annotations of ours say which containers they are for") {
    Pod pod;
    pod.containers.resize(2);
    pod.containers[0].name = "app";
    pod.containers[1].name = "proxy";
    pod.meta.annotations = {{"skidway.io/exclude", "proxy, other"},
                            {"skidway.io/include", "true"},
                            {"skidway.io/pipeline", "nginx"},
                            {"skidway.io/pipeline.proxy", "envoy"}};
    auto app = container_metadata(pod, pod.containers[0], {}), proxy = container_metadata(pod, pod.containers[1], {});
    CHECK_FALSE(app->excluded);
    CHECK(proxy->excluded);
    CHECK(app->included);
    CHECK(app->pipeline == "nginx");
    CHECK(proxy->pipeline == "envoy");
    pod.meta.annotations = {{"skidway.io/exclude", "false"}, {"skidway.io/include", ""}};
    app = container_metadata(pod, pod.containers[0], {});
    CHECK_FALSE(app->excluded);
    CHECK_FALSE(app->included);
    CHECK(app->pipeline == "");
  }

  TEST_CASE("pods: a static pod is found by the hash in its folder's name") {
    Fixture f({});
    feed(f.store.pods(), kAllPods);
    bool seen = false;
    for (const std::string& name : kAllPods) {
      const std::string body = recorded(name);
      auto list = ObjectReader::parse(body);
      for (const ObjectReader& item : list->objects("items")) {
        const Pod pod = Pod::read(item);
        const auto hash = pod.meta.annotations.find("kubernetes.io/config.hash");
        if (hash == pod.meta.annotations.end()) continue;
        seen = true;
        REQUIRE_FALSE(pod.containers.empty());
        auto found = f.store.find({pod.meta.namespace_name, pod.meta.name, hash->second}, pod.containers[0].name);
        REQUIRE(found != nullptr);
        CHECK(found->labels.get("__meta_kubernetes_pod_uid") == pod.meta.uid);
      }
    }
    CHECK(seen);
  }

  TEST_CASE("pods: a deleted pod stays known while its files are there, and for a minute") {
    Fixture f({});
    feed(f.store.pods(), kAllPods);
    const size_t all = f.store.size();
    feed(f.store.pods(), {kAllPods[0], kAllPods[1]});
    CHECK(f.store.size() == all);
    bool files = true;
    auto has_files = [&](const PodId&) { return files; };
    using namespace std::chrono_literals;
    f.store.sweep(0s, has_files);
    f.store.sweep(1h, has_files);
    CHECK(f.store.size() == all);
    files = false;
    f.store.sweep(1h, has_files);
    CHECK(f.store.size() < all);
    Fixture g({});
    feed(g.store.pods(), kAllPods);
    feed(g.store.pods(), {});
    g.store.sweep(0s, has_files);
    g.store.sweep(59s, has_files);
    CHECK(g.store.size() == all);
    g.store.sweep(60s, has_files);
    CHECK(g.store.size() == 0);
  }

  TEST_CASE("pods: what one run knew the next one knows at once, with the same labels") {
    struct Memory final : PodMemory {
      std::map<std::string, std::string> texts;
      size_t saves = 0;
      std::map<std::string, std::string> load() override { return texts; }
      void save(const std::string& key, std::string text) override {
        ++saves;
        if (text.empty()) texts.erase(key);
        if (!text.empty()) texts[key] = std::move(text);
      }
    };
    Memory memory;
    Lines before;
    {
      Fixture f(attaching());
      f.store.remember(memory);
      feed(f.store.pods(), kAllPods);
      feed(f.store.nodes(), {"023-nodes.body"});
      feed(f.store.namespaces(), {"021-namespaces.body"});
      before = lines_of(f.store.targets());
      f.store.save();
      const size_t saves = memory.saves;
      feed(f.store.pods(), kAllPods);
      f.store.save();
      CHECK(memory.saves == saves);  // nothing is another
    }
    memory.texts["pod/broken"] = "{";
    Fixture g(attaching());
    g.store.remember(memory);
    CHECK(lines_of(g.store.targets()) == before);
    CHECK(before == expected("expected-targets.jsonl"));
    const size_t all = g.store.size();
    feed(g.store.pods(), {kAllPods[0]});  // the others were deleted meanwhile
    using namespace std::chrono_literals;
    auto no_files = [](const PodId&) { return false; };
    g.store.sweep(0s, no_files);
    g.store.sweep(1h, no_files);
    CHECK(g.store.size() == 15);
    CHECK(all > 15);
    CHECK(std::count_if(memory.texts.begin(), memory.texts.end(),
                        [](const auto& entry) { return entry.first.starts_with("pod/"); }) == 16);
  }

  TEST_CASE("pods: nothing is known before nodes and namespaces are, unless these cannot be listed") {
    pipeline::Registry metrics;
    size_t told = 0;
    PodStore store(
        attaching(), [&](const std::vector<PodId>& pods) { told += pods.size(); }, metrics);
    feed(store.pods(), kAllPods);
    CHECK(told == 0);
    SUBCASE("listed") {
      feed(store.nodes(), {"023-nodes.body"});
      CHECK(told == 0);
      feed(store.namespaces(), {"021-namespaces.body"});
    }
    SUBCASE("refused") { store.give_up_attaching(); }
    CHECK(told == store.size());
  }
}
