// Files that wait for what is known of their pods, and what annotations do.
#include <doctest/doctest.h>

#include "agent/discovery/file_table.h"
#include "agent/discovery/folder_tree.h"
#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
using Told = std::vector<std::string>;

// Discovery without a loop, with a clock and pods that the test sets.
class Pods final : public FileReceiver, public PodMetadata {
 public:
  Pods() {
    disk.sinks.resize(1);
    sinks.push_back(std::make_unique<ModelSink>(disk, 0, server));
    folder.make("shop_web_u1/app");
    folder.append("shop_web_u1/app/0.log", "x\n");
  }
  SourceOptions& add_source(const std::string& name) {
    auto options = std::make_shared<SourceOptions>();
    options->name = name;
    options->type = SourceType::kKubernetes;
    options->paths = {folder.path()};
    options->sinks = {0};
    options_.push_back(options);
    return *options;
  }
  void forget() { known_ = nullptr; }
  void start() {
    tree.reset(), table.reset(), rules_.clear();
    for (const auto& options : options_) rules_.push_back({options, *PathRules::compile(*options), this});
    ledger = std::make_unique<ModelLedger>(disk, sinks);
    table = std::make_unique<FileTable>(rules_, *ledger, metrics);
    table->add_reader(*this);
    table->set_clock([this] { return now; });
    tree = std::make_unique<FolderTree>(rules_, *table);
    scan();
    table->first_scan_done();
    told.clear();
  }
  void scan() { tree->scan(), table->settle(); }
  void know(const std::string& label, std::string pipeline = "", bool excluded = false, bool included = false) {
    auto metadata = std::make_shared<ContainerMetadata>();
    metadata->labels = pipeline::LabelSet::from({{"app", label}, {"__meta_kubernetes_pod_phase", "Running"}});
    metadata->pipeline = std::move(pipeline);
    metadata->excluded = excluded;
    metadata->included = included;
    known_ = metadata;
    table->pods_changed({{"shop", "web", "u1"}});
  }
  void expect(const Told& wanted) { CHECK(std::exchange(told, {}) == wanted); }
  std::string state(size_t i = 0) const {
    auto targets = table->targets();
    return i < targets.size() ? targets[i].source + " " + targets[i].state : "";
  }

  std::shared_ptr<const ContainerMetadata> find(const PodId& pod, std::string_view container) const override {
    return pod.uid == "u1" && container == "app" ? known_ : nullptr;
  }
  void offer(OfferedFile file) override {
    told.push_back("offer to " + rules_[file.source].options->name + " " +
                   std::string(file.labels.get("app").value_or("-")) + (file.rotated ? " rotated" : "") +
                   (file.position > 0 ? " from " + std::to_string(file.position) : ""));
    offered.push_back(std::move(file));
  }
  void scan_done(std::shared_ptr<const FoundFiles> found) override { found_before = found->size(); }
  void rotated(InodeKey) override { told.push_back("rotated"); }
  void replaced(InodeKey, size_t) override {}
  void gone(InodeKey) override { told.push_back("gone"); }
  void withdraw(InodeKey key, size_t source) override {
    told.push_back("withdraw from " + rules_[source].options->name);
    for (const auto& file : offered)
      if (file.identity.key == key && file.source == source) ledger->release(file.id, 2, std::nullopt);
  }
  void relabel(InodeKey, size_t, pipeline::LabelSet labels) override {
    told.push_back("relabel " + std::string(labels.get("app").value_or("-")));
  }

  TempFolder folder;
  pipeline::Registry metrics;
  ModelDisk disk;
  ModelServer server;
  std::vector<std::unique_ptr<ModelSink>> sinks;
  std::unique_ptr<ModelLedger> ledger;
  std::unique_ptr<FileTable> table;
  std::unique_ptr<FolderTree> tree;
  std::chrono::milliseconds now{1'000};
  Told told;
  std::vector<OfferedFile> offered;
  size_t found_before = 0;

 private:
  std::vector<std::shared_ptr<SourceOptions>> options_;
  std::vector<SourceRules> rules_;
  std::shared_ptr<const ContainerMetadata> known_;
};
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("pods: a file waits for its pod's metadata, open, and gets its labels with the first line") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.expect({});
    CHECK(f.state() == "pods waiting");
    REQUIRE(f.table->next_deadline().has_value());
    CHECK(*f.table->next_deadline() == 6'000ms);
    f.folder.remove("shop_web_u1/app/0.log");  // deleted before anything was known: not lost
    f.scan();
    f.expect({});
    f.know("web");
    f.expect({"offer to pods web rotated"});
    CHECK(f.offered[0].handle->head().value_or("") == "x\n");
    CHECK_FALSE(f.table->next_deadline().has_value());
  }

  TEST_CASE("pods: without metadata a file is read after its wait, and relabelled when it comes") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.now += 4'999ms;
    f.table->settle();
    f.expect({});
    f.now += 1ms;
    f.table->settle();
    f.expect({"offer to pods -"});
    CHECK(f.offered[0].labels.get("namespace") == "shop");
    f.know("web");
    f.expect({"relabel web"});
    f.know("web");
    f.expect({});
    CHECK(f.table->has_files({"shop", "web", "u1"}));
    CHECK_FALSE(f.table->has_files({"shop", "web", "u"}));
  }

  TEST_CASE("pods: a first scan is kept when the files that it found, and that wait, are offered") {
    Pods f;
    auto wanted = [&](size_t n) { CHECK(f.ledger->kept == Told(n, "pods")); };
    f.add_source("pods");
    SUBCASE("after their wait") {
      f.start();
      wanted(0);
      f.now += 4'000ms;
      f.folder.append("shop_web_u1/app/1.log", "y\n");  // it waits longer
      f.scan();
      f.now += 1'000ms;
      f.table->settle();
      f.expect({"offer to pods -"});
      wanted(1);
      f.now += 4'000ms;
      f.table->settle();
      f.expect({"offer to pods -"});
    }
    SUBCASE("when their pod is known") {
      f.start();
      wanted(0);
      f.know("web");
    }
    SUBCASE("at once, if they may never be asked for") {
      f.forget();
      f.add_source("never").pods.annotated_only = true;
      f.start();
      CHECK(f.ledger->kept == Told{"never"});
      f.know("web");
      CHECK(f.ledger->kept == Told{"never", "pods"});
      return;
    }
    wanted(1);
    f.know("api");
    wanted(1);
  }

  TEST_CASE("pods: a pod whose folder is gone before anybody looked into it is counted") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.tree->follow({{FolderWatch::Event::Kind::kAppeared, true, 0, f.folder.path(), "shop_gone_u2"}});
    CHECK(f.metrics.render().find("skidway_agent_discovery_vanished_folders_total 1") != std::string::npos);
    f.scan();
    CHECK(f.metrics.render().find("skidway_agent_discovery_vanished_folders_total 1") != std::string::npos);
  }

  TEST_CASE("pods: a file of a former run that waits is there for rebuilding") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.know("web");
    f.told.clear();
    f.forget();
    f.start();
    f.expect({});
    CHECK(f.found_before == 1);
    f.know("web");
    f.expect({"offer to pods web"});
    CHECK_FALSE(f.offered.back().fresh);
  }

  TEST_CASE("pods: an excluded pod is not read, from the moment on that it says so, and again when it does no more") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.know("web");
    f.expect({"offer to pods web"});
    f.know("web", "", true);
    f.expect({"withdraw from pods"});
    CHECK(f.state() == "pods dropped");
    f.scan();
    f.know("web", "", true);
    f.expect({});
    f.know("web");
    f.expect({"offer to pods web from 2"});
    CHECK(f.state() == "pods active");
  }

  TEST_CASE("pods: a source of annotated pods never reads what did not ask for it, however long it takes to know") {
    Pods f;
    f.add_source("pods").pods.annotated_only = true;
    f.start();
    f.now += std::chrono::hours(5);
    f.table->settle();
    f.expect({});
    CHECK(f.state() == "pods waiting");
    f.know("web");
    f.expect({});
    CHECK(f.state() == "pods dropped");
    f.know("web", "", false, true);
    f.expect({"offer to pods web"});
  }

  TEST_CASE("pods: the annotation chooses the source, and none of several reads a file twice") {
    Pods f;
    f.add_source("pods").pods.other_pipelines = {"nginx"};
    f.add_source("web").pods.pipeline = "nginx";
    f.start();
    SUBCASE("in time") {
      f.know("web", "nginx");
      f.expect({"offer to web web"});
    }
    SUBCASE("none") {
      f.know("web");
      f.expect({"offer to pods web"});
    }
    SUBCASE("one that nobody has") {
      f.know("web", "tomcat");
      f.expect({"offer to pods web"});
    }
    SUBCASE("too late for this file, in time for its successor") {
      f.now += 5'000ms;
      f.table->settle();
      f.expect({"offer to pods -"});
      f.know("web", "nginx");
      f.expect({"relabel web"});
      f.scan();
      f.expect({});
      f.folder.rename("shop_web_u1/app/0.log", "shop_web_u1/app/0.log.20260101-120000");
      f.folder.append("shop_web_u1/app/0.log", "y\n");
      f.scan();
      f.expect({"offer to web web", "rotated"});
    }
  }

  TEST_CASE("pods: a file that waits is looked at anew when its source changes") {
    Pods f;
    f.add_source("pods");
    f.start();
    f.table->change_sources({0}, {});
    f.scan();
    f.table->changed_sources_scanned();
    f.expect({});
    CHECK(f.state() == "pods waiting");
    f.know("web");
    f.expect({"offer to pods web"});
  }
}
