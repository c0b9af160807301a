#include "agent/discovery/file_table.h"

#include <algorithm>
#include <doctest/doctest.h>

#include "agent/discovery/folder_tree.h"
#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"
#include "pipeline/match/relabel.h"

using namespace agent;
using namespace agent::testing;

namespace {
// Discovery without a loop: events are followed when a test says so; what the reader is told is written down.
class Finder final : public FileReceiver {
 public:
  Finder() {
    disk.sinks.resize(1);
    sinks.push_back(std::make_unique<ModelSink>(disk, 0, server));
  }

  SourceOptions& add_source(const std::string& name, SourceType type, const std::string& path) {
    auto options = std::make_shared<SourceOptions>();
    options->name = name;
    options->type = type;
    options->paths = {path};
    options->sinks = {0};
    options_.push_back(options);
    return *options;
  }

  void start() {
    rules_.clear();
    for (const auto& options : options_) rules_.push_back({options, *PathRules::compile(*options)});
    ledger = std::make_unique<ModelLedger>(disk, sinks);
    table = std::make_unique<FileTable>(rules_, *ledger, metrics, open_files.get());
    table->add_reader(*this);
    tree = std::make_unique<FolderTree>(rules_, *table);
    scan();
    table->first_scan_done();
  }
  void scan() { tree->scan(), table->settle(); }
  // Sources were added behind, or the options of one replaced.
  void change(const std::set<size_t>& changed, const std::set<size_t>& fresh) {
    for (size_t i : changed) {
      if (i >= rules_.size()) rules_.resize(i + 1);
      rules_[i] = {options_[i], *PathRules::compile(*options_[i])};
    }
    table->change_sources(changed, fresh);
    scan();
    table->changed_sources_scanned();
  }
  SourceOptions& replace_source(size_t i) {
    auto options = std::make_shared<SourceOptions>(*options_[i]);
    options_[i] = options;
    return *options;
  }
  void follow() {
    std::vector<FolderWatch::Event> events;
    REQUIRE(tree->watch().take(events));
    tree->follow(events);
    table->settle();
  }

  // FileReceiver
  void offer(OfferedFile file) override {
    told.push_back("offer " + name(file.path) + (file.rotated ? " rotated" : "") +
                   (file.position > 0 ? " from " + std::to_string(file.position) : ""));
    offered.push_back(std::move(file));
  }
  void scan_done(std::shared_ptr<const FoundFiles> found) override {
    told.push_back("scanned " + std::to_string(found->size()));
  }
  void rotated(InodeKey key) override { told.push_back("rotated " + name_of(key)); }
  void gone(InodeKey key) override { told.push_back("gone " + name_of(key)); }
  void replaced(InodeKey key, size_t source) override {
    told.push_back("replaced " + name_of(key) + " of " + std::to_string(source));
  }
  void withdraw(InodeKey key, size_t source) override {
    told.push_back("withdraw " + name_of(key) + " from " + std::to_string(source));
    for (const auto& file : offered)
      if (file.identity.key == key && file.source == source) ledger->release(file.id, 3, std::nullopt);
  }
  void relabel(InodeKey key, size_t, pipeline::LabelSet labels) override {
    told.push_back("relabel " + name_of(key) + " " + labels.text());
  }

  std::vector<std::string> take() { return std::exchange(told, {}); }

  TempFolder folder;
  pipeline::Registry metrics;
  std::unique_ptr<OpenFiles> open_files;  // null: as many as there are
  ModelDisk disk;
  ModelServer server;
  std::vector<std::unique_ptr<ModelSink>> sinks;
  std::unique_ptr<ModelLedger> ledger;
  std::unique_ptr<FileTable> table;
  std::unique_ptr<FolderTree> tree;
  std::vector<std::string> told;
  std::vector<OfferedFile> offered;

 private:
  std::string name(std::string_view path) const { return std::string(path.substr(folder.path().size() + 1)); }
  std::string name_of(InodeKey key) const {
    for (const auto& file : offered) {
      if (file.identity.key == key) return name(file.path);
    }
    return "?";
  }

  std::vector<std::shared_ptr<const SourceOptions>> options_;
  std::vector<SourceRules> rules_;
};
using Told = std::vector<std::string>;
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: files are found at the start and when they appear, in folders that appear too") {
    Finder f;
    f.folder.make("a_b_c/d");
    f.folder.append("a_b_c/d/0.log", "x\n");
    f.add_source("pods", SourceType::kKubernetes, f.folder.path());
    f.start();
    CHECK(f.take() == Told{"offer a_b_c/d/0.log", "scanned 1"});
    f.folder.append("a_b_c/d/1.log", "x\n");
    f.folder.make("e_f_g/h");
    f.folder.append("e_f_g/h/0.log", "x\n");
    f.follow();
    f.follow();
    CHECK(f.take() == Told{"offer a_b_c/d/1.log", "offer e_f_g/h/0.log"});
    f.scan();
    CHECK(f.take().empty());
    CHECK(f.tree->polled_count() == 0);
    CHECK(f.tree->watched_count() == 5);
  }

  TEST_CASE("discovery: a renamed file is rotated, its successor is new, a deleted one is gone") {
    Finder f;
    f.folder.make("a_b_c/d");
    f.folder.append("a_b_c/d/0.log", "old\n");
    f.add_source("pods", SourceType::kKubernetes, f.folder.path());
    f.start();
    f.take();
    f.folder.rename("a_b_c/d/0.log", "a_b_c/d/0.log.20260101-120000");
    f.folder.append("a_b_c/d/0.log", "new\n");
    f.follow();
    CHECK(f.take() == Told{"offer a_b_c/d/0.log", "rotated a_b_c/d/0.log"});
    CHECK(f.offered[0].identity.key != f.offered[1].identity.key);
    CHECK(f.offered[0].lineage == f.offered[1].lineage);
    CHECK(f.offered[0].birth_order < f.offered[1].birth_order);
    f.folder.remove("a_b_c/d/0.log.20260101-120000");
    f.follow();
    CHECK(f.take() == Told{"gone a_b_c/d/0.log"});
  }

  TEST_CASE("discovery: a file renamed to a name that matches nothing stays the same file") {
    Finder f;
    f.folder.append("app.log", "x\n");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    f.take();
    f.folder.rename("app.log", "app.log.1");
    f.follow();
    CHECK(f.take() == Told{"rotated app.log"});
    f.folder.rename("app.log.1", "app.log.2");
    f.folder.append("app.log.1", "not ours\n");
    f.follow();
    CHECK(f.take().empty());
    f.folder.remove("app.log.2");
    f.follow();
    CHECK(f.take() == Told{"gone app.log"});
  }

  TEST_CASE("discovery: a file that was rotated before its first name was looked at is read all the same") {
    Finder f;
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    f.take();
    f.folder.append("app.log", "one\n");
    f.folder.rename("app.log", "app.log.1");
    f.folder.append("app.log", "two\n");
    f.folder.rename("app.log.1", "app.log.2");
    f.folder.rename("app.log", "app.log.1");
    f.folder.append("app.log", "three\n");
    f.follow();
    CHECK(f.take().size() == 3);
    for (const auto& file : f.offered) CHECK(file.labels.get("filename") == f.folder.at("app.log"));
  }

  TEST_CASE("discovery: a file that is replaced by a rename over it is gone, though nobody deleted it") {
    Finder f;
    f.folder.append("app.log", "x\n");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    f.take();
    f.folder.append("new.tmp", "y\n");
    f.folder.rename("new.tmp", "app.log");
    f.follow();
    CHECK(f.take() == Told{"offer app.log", "gone app.log"});
  }

  TEST_CASE("discovery: the periodic scan finds what events did not tell") {
    Finder f;
    f.folder.append("a.log", "x\n");
    f.folder.append("b.log", "x\n");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    f.take();
    f.folder.rename("a.log", "a.old");
    f.folder.append("a.log", "y\n");
    f.folder.remove("b.log");
    f.folder.append("c.log", "z\n");
    f.scan();
    auto told = f.take();
    std::sort(told.begin(), told.end());
    CHECK(told == Told{"gone b.log", "offer a.log", "offer c.log", "rotated a.log"});
    f.follow();  // and the events, late, change nothing
    CHECK(f.take().empty());
  }

  TEST_CASE("discovery: a folder that is deleted takes its files with it") {
    Finder f;
    f.folder.make("a_b_c/d");
    f.folder.append("a_b_c/d/0.log", "x\n");
    f.add_source("pods", SourceType::kKubernetes, f.folder.path());
    f.start();
    f.take();
    std::filesystem::remove_all(f.folder.at("a_b_c"));
    f.follow();
    CHECK(f.take() == Told{"gone a_b_c/d/0.log"});
    CHECK(f.tree->watched_count() == 1);
    f.folder.make("a_b_c/d");
    f.folder.append("a_b_c/d/0.log", "y\n");
    f.follow();
    CHECK(f.take() == Told{"offer a_b_c/d/0.log"});
  }

  TEST_CASE("discovery: a source whose folder is not there yet is polled, and found later") {
    Finder f;
    f.add_source("pods", SourceType::kKubernetes, f.folder.at("later"));
    f.start();
    CHECK(f.tree->polled_count() == 1);
    f.folder.make("later/a_b_c/d");
    f.folder.append("later/a_b_c/d/0.log", "x\n");
    f.take();
    f.tree->scan_polled();
    f.table->settle();
    CHECK(f.take() == Told{"offer later/a_b_c/d/0.log", "scanned 1"});  // batches may have waited for its files
    CHECK(f.tree->polled_count() == 0);
  }

  TEST_CASE("discovery: links to files are followed and their folder is polled") {
    Finder f;
    f.folder.make("real");
    f.folder.make("links");
    f.folder.append("real/a", "x\n");
    std::filesystem::create_symlink(f.folder.at("real/a"), f.folder.at("links/a.log"));
    f.add_source("host", SourceType::kFile, f.folder.at("links/*.log"));
    f.start();
    CHECK(f.take() == Told{"offer links/a.log", "scanned 1"});
    CHECK(f.tree->polled_count() == 1);
    f.folder.rename("real/a", "real/a.1");  // what is behind the link rotates
    f.folder.append("real/a", "y\n");
    f.tree->scan_polled();
    f.table->settle();
    CHECK(f.take() == Told{"offer links/a.log", "gone links/a.log"});
  }

  TEST_CASE("discovery: at the first start rotated siblings come before the live file, by age; .gz is left") {
    Finder f;
    f.folder.make("a_b_c/d");
    for (const char* name : {"0.log.20260101-110000", "0.log.20260101-120000", "0.log.20260101-100000.gz", "0.log"}) {
      f.folder.append(std::string("a_b_c/d/") + name, name);
    }
    auto set_age = [&](const char* name, int hours) {
      std::filesystem::last_write_time(f.folder.at(std::string("a_b_c/d/") + name),
                                       std::filesystem::file_time_type::clock::now() - std::chrono::hours(hours));
    };
    set_age("0.log.20260101-110000", 3);
    set_age("0.log.20260101-120000", 2);
    set_age("0.log", 1);
    f.add_source("pods", SourceType::kKubernetes, f.folder.path());
    f.start();
    CHECK(f.take() == Told{"offer a_b_c/d/0.log.20260101-110000 rotated", "offer a_b_c/d/0.log.20260101-120000 rotated",
                           "offer a_b_c/d/0.log", "scanned 3"});
    CHECK(f.offered[0].lineage == f.offered[2].lineage);
  }

  TEST_CASE("discovery: a start opens each file once, however few may be open at once") {
    Finder f;
    f.open_files = std::make_unique<OpenFiles>(4, f.metrics);
    const std::string begin(6000, 'x');
    f.folder.append("a.log", begin + "\n");
    f.folder.append("b.log", begin + "\n" + begin);  // a last line longer than most, and without an end
    f.folder.append("c.log", begin);
    f.folder.append("d.log", "");
    f.folder.append("e.log", "one\ntwo");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log")).start_at = StartAt::kEnd;
    f.start();
    Told told = f.take();
    std::sort(told.begin(), told.end());
    CHECK(told == Told{"offer a.log from 6001", "offer b.log from 6001", "offer c.log", "offer d.log",
                       "offer e.log from 4", "scanned 5"});
    CHECK(f.open_files->open() <= f.open_files->limit());
    CHECK(f.metrics.render().find("skidway_agent_quiet_files_reopened_total 0") != std::string::npos);
    for (const OfferedFile& file : f.offered) {
      CHECK(file.size_bytes == file.handle->status()->size_bytes);
      CHECK(file.identity.matches(file.handle->key(), *file.handle->head()));
    }
  }

  TEST_CASE("discovery: start_at = end skips what was there, but not a half-written line and not later files") {
    Finder f;
    f.folder.append("a.log", "old\nhal");
    f.folder.append("b.log", "no newline");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log")).start_at = StartAt::kEnd;
    f.start();
    CHECK(f.take() == Told{"offer a.log from 4", "offer b.log", "scanned 2"});
    f.folder.append("c.log", "new\n");
    f.follow();
    CHECK(f.take() == Told{"offer c.log"});
  }

  TEST_CASE("discovery: after a restart files are known by what they are, also under a rotated name") {
    Finder f;
    f.folder.append("app.log", "one\ntwo\n");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    FileId id = f.offered.at(0).id;
    f.disk.sinks[0].positions[id] = {id, 4, 0};
    f.sinks[0] = std::make_unique<ModelSink>(f.disk, 0, f.server);
    f.folder.rename("app.log", "app.log.1");
    f.folder.append("app.log", "three\n");
    f.offered.clear();
    f.take();
    f.start();
    CHECK(f.take() == Told{"offer app.log rotated from 4", "offer app.log", "scanned 2"});
    CHECK(f.offered[0].id == id);
    CHECK(f.offered[0].labels == f.offered[1].labels);
    CHECK(f.offered[0].birth_order < f.offered[1].birth_order);
    CHECK(f.offered[1].fresh);
  }

  TEST_CASE("discovery: another file at the inode of one that was seen empty has its own name, and is younger") {
    Finder f;
    f.folder.append("a.log", "");
    f.folder.append("b.log", "");
    f.folder.append("c.log", "1\n");
    f.add_source("host", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    const FileId b = f.offered.at(1).id;
    CHECK(f.take() == Told{"offer a.log", "offer b.log", "offer c.log", "scanned 3"});
    f.folder.rename("a.log", "aa.log");  // as if deleted, and its inode given to aa.log
    f.folder.append("aa.log", "2\n");
    f.folder.append("b.log", "3\n");
    f.offered.clear();
    f.start();
    CHECK(f.take() == Told{"offer c.log", "offer aa.log", "offer b.log", "scanned 3"});
    CHECK(f.offered[1].fresh);
    CHECK(f.offered[2].id == b);
    CHECK(f.offered[2].birth_order > f.offered[1].birth_order);
    CHECK(f.disk.files.at(b).birth_order == f.offered[2].birth_order);
  }

  TEST_CASE("discovery: two sources may read one file, each with its own labels") {
    Finder f;
    f.folder.append("a.log", "x\n");
    f.add_source("one", SourceType::kFile, f.folder.at("*.log")).labels = {{"from", "one"}};
    f.add_source("two", SourceType::kFile, f.folder.at("a.*")).labels = {{"from", "two"}};
    f.start();
    CHECK(f.take() == Told{"offer a.log", "offer a.log", "scanned 2"});
    CHECK(f.offered[0].id != f.offered[1].id);
    std::vector<std::shared_ptr<FileHandle>> closed;
    f.table->set_closer([&](std::shared_ptr<FileHandle> handle) { closed.push_back(std::move(handle)); });
    f.table->finished(f.offered[0].identity.key, 0);
    CHECK(f.table->targets().size() == 1);
    CHECK(closed.empty());
    f.table->finished(f.offered[0].identity.key, 1);
    CHECK(closed.size() == 1);  // not closed here: of a deleted file that may take long
    CHECK(f.table->targets().empty());
  }

  TEST_CASE("discovery: a dropped target is not read and says why") {
    Finder f;
    f.folder.append("a.log", "x\n");
    pipeline::RelabelConfig drop;
    drop.action = "drop";
    drop.source_labels = {"filename"};
    f.add_source("host", SourceType::kFile, f.folder.at("*.log")).relabel =
        std::make_shared<const pipeline::RelabelRules>(std::vector{*pipeline::RelabelRule::compile(drop)});
    f.start();
    CHECK(f.take() == Told{"scanned 0"});
    auto targets = f.table->targets();
    REQUIRE(targets.size() == 1);
    CHECK(targets[0].state == "dropped");
    f.scan();
    CHECK(f.table->targets().size() == 1);
  }

  TEST_CASE("discovery: after a change files are withdrawn, relabelled and found, and resume where reading stopped") {
    Finder f;
    f.folder.append("a.log", "one\n");
    f.folder.append("b.log", "one\n");
    f.folder.append("c.txt", "one\n");
    f.add_source("logs", SourceType::kFile, f.folder.at("*.log"));
    f.start();
    f.take();
    f.replace_source(0).labels = {{"team", "x"}};
    f.change({0}, {});
    auto told = f.take();
    REQUIRE(told.size() == 2);
    CHECK(told[0].starts_with("relabel "));
    CHECK(told[0].find("team=\"x\"") != std::string::npos);

    f.replace_source(0).paths = {f.folder.at("a.log")};
    f.change({0}, {});
    CHECK(f.take() == std::vector<std::string>{"withdraw b.log from 0"});

    f.replace_source(0).paths = {f.folder.at("*.log"), f.folder.at("*.txt")};
    f.change({0}, {});
    CHECK(f.take() == std::vector<std::string>{"offer b.log from 3", "offer c.txt"});

    f.add_source("again", SourceType::kFile, f.folder.at("a.log")).start_at = StartAt::kEnd;
    f.change({1}, {1});
    CHECK(f.take() == std::vector<std::string>{"offer a.log from 4"});
    CHECK(f.table->targets().size() == 4);
  }

  TEST_CASE("discovery: folders that no source wants any more are watched no longer, those below may still be") {
    Finder f;
    f.folder.make("x/deep"), f.folder.make("y");
    f.folder.append("x/a.log", "one\n");
    f.folder.append("x/deep/b.log", "one\n");
    f.add_source("upper", SourceType::kFile, f.folder.at("x/*.log"));
    f.add_source("deep", SourceType::kFile, f.folder.at("x/deep/*.log"));
    f.start();
    CHECK(f.take() == Told{"offer x/a.log", "offer x/deep/b.log", "scanned 2"});
    CHECK(f.tree->watched_count() == 2);
    f.replace_source(0).paths = {f.folder.at("y/*.log")};
    f.change({0}, {});
    CHECK(f.take() == Told{"withdraw x/a.log from 0"});
    CHECK(f.tree->watched_count() == 2);  // y and x/deep
    f.folder.append("x/deep/b.log", "two\n");
    f.folder.append("x/new.log", "one\n");
    f.scan();
    CHECK(f.take().empty());
  }
}
