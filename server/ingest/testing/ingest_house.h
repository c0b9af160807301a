// IngestHouse: a server's ingest over files that forget and a real catalogue, in a few words. For tests only.
#pragma once

#include <doctest/doctest.h>
#include <filesystem>
#include <map>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "server/ingest/ingest.h"
#include "server/store/object_reader.h"

namespace server {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

inline constexpr auto kProducer = "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11";

inline std::string body_of(std::string_view app, std::vector<std::string> lines,
                           int64_t first_time = 1'700'000'000'000'000'000) {
  std::string values;
  for (const std::string& line : lines)
    values += concat(values.empty() ? "" : ",", "[\"", first_time++, "\",\"", line, "\"]");
  return concat(R"({"streams":[{"stream":{"app":")", app, R"("},"values":[)", values, "]}]}");
}

// A server's ingest over files that forget, and a real catalogue (whose transactions survive).
struct IngestHouse {
  pipeline::ForgetfulFiles files;
  pipeline::Registry registry;
  pipeline::FakeClock clock{1'700'000'000'000'000'000};
  std::filesystem::path folder;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Ingest> ingest;
  IngestOptions options;
  LimitTable limits;

  IngestHouse() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    std::string name = "/tmp/skidway-ingest-XXXXXX";
    folder = ::mkdtemp(name.data());
    options.wal_folder = "/data/wal";
    options.flush.interval = 1h;
    options.flush.retry = 1h;
    catalog = *open_sqlite_catalog({(folder / "catalog.db").string()}, clock);
    open();
  }
  ~IngestHouse() {
    ingest.reset();
    catalog.reset();
    REQUIRE(loop->close());
    std::filesystem::remove_all(folder);
  }

  void open() {
    REQUIRE(files.make_folders("/data/store"));
    store = *open_local_store(files, "/data/store");
    auto opened = Ingest::open({*loop, files, *store, *catalog, clock, registry, limits}, options);
    REQUIRE(opened);
    ingest = *std::move(opened);
  }
  // As kill -9 and a power cut at once: what was not synced may be gone.
  void crash(std::optional<uint64_t> seed = std::nullopt) {
    files.cut_power_at(files.operations());
    ingest.reset();
    store.reset();
    files.restart(seed);
    open();
  }
  void restart() {
    ingest.reset();
    store.reset();
    open();
  }

  // Answered when the loop has turned until `answers()` says so.
  std::shared_ptr<std::optional<HttpResponse>> begin(std::string body, std::string batch = "",
                                                     std::string tenant = "fake", std::string type = "application/json",
                                                     std::string backfill_shard = "") {
    auto answer = std::make_shared<std::optional<HttpResponse>>();
    HttpRequest request;
    request.method = "POST";
    request.headers.add("Content-Type", std::move(type));
    if (!batch.empty()) request.headers.add("X-Skidway-Batch", batch);
    if (!backfill_shard.empty()) request.headers.add("X-Loki-Backfill-Shard", backfill_shard);
    request.body = std::move(body);
    // The answer may come from any thread: it is kept on the loop.
    HttpResponder responder([this, answer](HttpResponse response, std::string_view) {
      loop->post([answer, response = std::move(response)]() mutable { *answer = std::move(response); });
    });
    ingest->handle_push(PushProtocol::kLoki, std::move(tenant), std::move(request), std::move(responder));
    return answer;
  }
  HttpResponse wait(const std::shared_ptr<std::optional<HttpResponse>>& answer) {
    while (!*answer) loop->turn(100ms);
    return **answer;
  }
  HttpResponse push(std::string body, std::string batch = "", std::string tenant = "fake") {
    return wait(begin(std::move(body), std::move(batch), std::move(tenant)));
  }
  pipeline::Result<void> flush() {
    std::optional<pipeline::Result<void>> outcome;
    ingest->flush([&](pipeline::Result<void> flushed) {
      loop->post([&outcome, flushed = std::move(flushed)] { outcome = flushed; });
    });
    while (!outcome) loop->turn(100ms);
    return *outcome;
  }

  // Every line that a query of the tenant would see, with how often.
  std::map<std::string, int> lines(std::string_view tenant = "fake") {
    std::map<std::string, int> out;
    auto view = ingest->view(tenant);
    REQUIRE(view);
    for (const HeadPiece& piece : view->head.pieces) {
      for (const HeadStream& stream : *piece.streams) {
        CHECK(stream.stream->tenant() == tenant);
        for (const HeadRun& run : stream.runs) {
          for (size_t i = 0; i < run.entries.size(); ++i) ++out[std::string(run.entries.line(i))];
        }
      }
    }
    for (const ObjectRow& row : view->objects->objects) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE(object);
      StreamSet streams = (*object)->select(tenant, {});
      PageCursor cursor(*object, (*object)->pages_of(streams, INT64_MIN, INT64_MAX));
      while (cursor.next()) {
        auto entries = cursor.entries();
        REQUIRE(entries);
        for (const PageRun& run : (*object)->runs(cursor.page())) {
          if (!streams.contains(run.stream)) continue;
          for (uint32_t i = 0; i < run.rows; ++i) ++out[std::string(entries->line(run.first_row + i))];
        }
      }
    }
    return out;
  }
  uint64_t counted(std::string_view name, pipeline::MetricLabels labels = {}) {
    return registry.counter(name, "", std::move(labels)).value();
  }
};

using Lines = std::map<std::string, int>;

}  // namespace server
