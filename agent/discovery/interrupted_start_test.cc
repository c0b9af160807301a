// Starts that end before what their first scan found is in the checkpoints, with the real store: the next start must
// find all that became of files since a run had them.
#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <future>
#include <set>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/discovery/file_table.h"
#include "agent/discovery/folder_tree.h"
#include "agent/source/store_ledger.h"
#include "agent/source/testing/gzip_write.h"
#include "pipeline/base/clock.h"

using namespace agent;
using namespace agent::testing;

namespace {
constexpr pipeline::UnixNanos kMinute = 60'000'000'000;
constexpr std::string_view kStore = "data/checkpoints.db";

// A host with one source, whose reader notes what it is to read.
class Host final : public FileReceiver {
 public:
  Host() {
    folder.make("log");
    folder.make("data");
    auto options = std::make_shared<SourceOptions>();
    options->name = "host";
    options->paths = {folder.at("log/*.log")};
    rules_ = {{options, *PathRules::compile(*options)}};
  }

  void open_store() {
    CheckpointStoreOptions options;
    options.path = folder.at(kStore);
    options.sinks = {"hub"};                     // each start raises its epoch
    options.group_wait = std::chrono::hours(1);  // nothing is written that is not asked for
    metrics_ = std::make_unique<pipeline::Registry>();
    auto opened = CheckpointStore::open(options, *metrics_);
    REQUIRE(opened);
    store_ = *std::move(opened);
  }
  // Everything up to the end of the first scan; false: it does not come to that.
  void start(bool scan_ends = true) {
    open_store();
    ledger_ = std::make_unique<StoreLedger>(*store_, std::vector<Sink*>());
    table_ = std::make_unique<FileTable>(rules_, *ledger_, *metrics_);
    table_->add_reader(*this);
    tree_ = std::make_unique<FolderTree>(rules_, *table_);
    told.clear(), ids.clear();
    tree_->scan(), table_->settle();
    if (scan_ends) table_->first_scan_done();
  }
  void flush() {
    std::promise<void> done;
    store_->flush([&](const pipeline::Result<void>&) { done.set_value(); });
    done.get_future().get();
  }
  // kill -9: what is on disk stays as it is.
  void kill() {
    std::filesystem::copy(folder.at("data"), folder.at("kept"));
    for (const auto& file : std::filesystem::directory_iterator(folder.at("data")))
      std::filesystem::last_write_time(std::filesystem::path(folder.at("kept")) / file.path().filename(),
                                       file.last_write_time());
    stop();
    std::filesystem::remove_all(folder.at("data"));
    folder.rename("kept", "data");
  }
  void stop() { tree_.reset(), table_.reset(), ledger_.reset(), store_.reset(); }
  // The last run ended at `time`.
  void set_written(pipeline::UnixNanos time) { folder.set_modified(kStore, time); }

  void offer(OfferedFile file) override {
    std::string text = content_of(folder.at("log/app.log"));
    if (file.rotated) {
      auto head = file.handle->head();
      text = head ? *head : "";
    }
    told += (file.rotated ? "rotated: " : "live: ") + text.substr(std::min<size_t>(file.position, text.size()));
    ids.insert(file.id);
  }
  void scan_done(std::shared_ptr<const FoundFiles>) override {}
  void rotated(InodeKey) override {}
  void gone(InodeKey) override {}
  void replaced(InodeKey, size_t) override {}
  void withdraw(InodeKey, size_t) override {}
  void relabel(InodeKey, size_t, pipeline::LabelSet) override {}

  TempFolder folder;
  std::string told;
  std::set<FileId> ids;  // of what was told

 private:
  std::vector<SourceRules> rules_;
  std::unique_ptr<pipeline::Registry> metrics_;
  std::unique_ptr<CheckpointStore> store_;
  std::unique_ptr<StoreLedger> ledger_;
  std::unique_ptr<FileTable> table_;
  std::unique_ptr<FolderTree> tree_;
};

// A run an hour ago saw the file only empty; half an hour ago it was written to, rotated and compressed.
void rotate_while_down(Host& h) {
  const pipeline::UnixNanos now = pipeline::SystemClock().wall();
  h.folder.append("log/app.log", "");
  h.start();
  h.stop();
  h.set_written(now - 60 * kMinute);
  h.folder.append("log/app.log", "one\n");
  h.folder.rename("log/app.log", "log/app.log.1");
  h.folder.append("log/app.log", "two\n");
  compress(h.folder, "log/app.log.1");
  h.folder.set_modified("log/app.log.1.gz", now - 30 * kMinute);
}
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: what was rotated before a start that did not come far is found by the next one") {
    Host h;
    rotate_while_down(h);
    SUBCASE("no start in between") {}
    SUBCASE("starts that ended with their stores open") {
      for (int i = 0; i < 3; ++i) h.open_store(), h.stop();
    }
    SUBCASE("starts killed before the scan") {
      for (int i = 0; i < 3; ++i) h.open_store(), h.kill();
    }
    SUBCASE("killed before anything that was found was on disk") {
      for (int i = 0; i < 3; ++i) {
        h.start();
        CHECK(h.told == "rotated: one\nlive: two\n");
        h.kill();
      }
    }
    SUBCASE("killed when all was on disk, before it was known that this is all") {
      for (int i = 0; i < 3; ++i) {
        h.start(false);
        CHECK(h.told == "rotated: one\nlive: two\n");
        h.flush();
        h.kill();
      }
    }
    h.start();
    CHECK(h.told == "rotated: one\nlive: two\n");
    const auto ids = h.ids;
    h.flush();
    h.kill();
    h.start();
    CHECK(h.told == "rotated: one\nlive: two\n");  // both as they are known, and nothing else
    CHECK(h.ids == ids);
  }
}
