#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <stdlib.h>

#include "server/cli/parallel_export.h"
#include "server/cli/testing/fake_loki.h"

using namespace server;
namespace fs = std::filesystem;

namespace {

// Ten minutes with an entry each second; exported in parts of a minute.
struct ExportFixture {
  ExportFixture() {
    char name[] = "/tmp/skidway-export-test-XXXXXX";
    folder = ::mkdtemp(name);
    for (int i = 0; i < 600; ++i) loki.entries.push_back({kStart + i * 1'000'000'000LL, "a", concat("line ", i)});
  }
  ~ExportFixture() { fs::remove_all(folder); }

  Outcome exported(std::vector<std::string> more) {
    more.insert(more.begin(), {"query", "--addr", loki.url(), "--from", "2023-11-14T20:00:00Z", "--to",
                               "2023-11-14T20:10:00Z", "--limit", "0", "-o", "raw", "--parallel-duration", "1m", "{}"});
    return run(std::move(more));
  }
  size_t files(const std::string& suffix) const {
    return static_cast<size_t>(std::count_if(fs::directory_iterator(folder), fs::directory_iterator(),
                                             [&](const auto& e) { return e.path().string().ends_with(suffix); }));
  }
  static std::string lines(bool forward) {
    std::string out;
    for (int i = 0; i < 600; ++i) out += concat("line ", forward ? i : 599 - i, "\n");
    return out;
  }
  static constexpr int64_t kStart = 1'699'992'000'000'000'000;
  FakeLoki loki;
  fs::path folder;
};

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("export: several workers fetch parts, the output is in order, forward and backward") {
  ExportFixture f;
  for (const bool forward : {true, false}) {
    std::vector<std::string> more{"--parallel-max-workers", "4"};
    if (forward) more.emplace_back("--forward");
    const Outcome o = f.exported(more);
    CHECK(o.code == 0);
    CHECK(o.out == ExportFixture::lines(forward));
    CHECK(o.err.find("10 of 10 parts, 600 entries\n") != std::string::npos);
  }
  CHECK(f.exported({"--parallel-max-workers", "4", "--quiet"}).err == "");
}

TEST_CASE("export: with a prefix each part is a file, and what is complete is not fetched again") {
  ExportFixture f;
  const std::string prefix = (f.folder / "x").string();
  const Outcome first = f.exported({"--part-path-prefix", prefix, "--forward"});
  CHECK(first.code == 0);
  CHECK(first.out == "");
  CHECK(f.files(".part") == 10);
  const fs::path one = concat(prefix, "_2023-11-14T20:03:00Z_2023-11-14T20:04:00Z.part");
  REQUIRE(fs::exists(one));
  fs::remove(one);
  std::ofstream(concat(one.string(), ".tmp")) << "left over";
  const size_t before = f.loki.requests();
  const Outcome again = f.exported({"--part-path-prefix", prefix, "--forward", "--merge-parts", "--keep-parts"});
  CHECK(f.loki.requests() == before + 1);
  CHECK(again.out == ExportFixture::lines(true));
  CHECK(again.err.find("10 of 10 parts (9 were there), 60 entries\n") != std::string::npos);
  CHECK(f.files(".part") == 10);
  CHECK(f.files(".tmp") == 0);
  const Outcome anew =
      f.exported({"--part-path-prefix", prefix, "--forward", "--merge-parts", "--overwrite-completed-parts"});
  CHECK(f.loki.requests() == before + 11);
  CHECK(anew.out == ExportFixture::lines(true));
  CHECK(f.files("") == 0);
}

TEST_CASE("export: after a failure what is complete stays, and the message says what to do") {
  ExportFixture f;
  const std::string prefix = (f.folder / "x").string();
  f.loki.status = 500;
  const Outcome o = f.exported({"--part-path-prefix", prefix});
  CHECK(o.code == 1);
  CHECK(o.err.find("complete parts are kept: start the same command again") != std::string::npos);
  CHECK(f.files(".part") == 0);
  f.loki.status = 200;
  CHECK(f.exported({"--part-path-prefix", prefix, "--merge-parts"}).out == ExportFixture::lines(false));
}

TEST_CASE("export: what cannot be is said") {
  ExportFixture f;
  const Outcome limited = run({"query", "--addr", f.loki.url(), "--parallel-max-workers", "2", "{}"});
  CHECK(limited.code == 2);
  CHECK(limited.err.find("add --limit 0") != std::string::npos);
  const Outcome nowhere = f.exported({"--part-path-prefix", "/nonexistent/x"});
  CHECK(nowhere.code == 1);
  CHECK(nowhere.err.find("write /nonexistent/x_2023") != std::string::npos);
  const auto in_parts_of = [&](const char* duration) {
    return run({"query", "--addr", f.loki.url(), "--limit", "0", "--parallel-max-workers", "2", "--parallel-duration",
                duration, "{}"});
  };
  CHECK(in_parts_of("0s").err.find("--parallel-duration must be above 0") != std::string::npos);
  CHECK(in_parts_of("1ms").err.find("more than 100000 parts; make --parallel-duration longer") != std::string::npos);
  CHECK(in_parts_of("soon").code == 2);
  f.loki.plain_answer = R"({"data":{"resultType":"matrix","result":[]}})";
  CHECK(f.exported({"--parallel-max-workers", "2"}).err.find("only queries for entries") != std::string::npos);
}

TEST_SUITE_END();
