// server_bench: rows S1 to S6 and S10 to S12: what the server costs in CPU, memory and disk, on this machine, with the
// real program.
//
//   server_bench [s1|queries|s3|s4...|replay|s12]... [--bytes N] [--server PATH]
//
// The server runs alone on the first CPU, this program on the second. "queries" asks what "s1" stored (and stores it
// first if need be), s3 to s14 some of these queries. A query's figure is printed only if its answer equals what the
// corpus is known to hold.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/http/http_form.h"
#include "tests/bench/program.h"
#include "tests/bench/push_corpus.h"
#include "tests/bench/report.h"

using namespace bench;
using pipeline::concat;

namespace {

constexpr double kMiB = 1 << 20;
constexpr size_t kConnections = 4;
constexpr int kQueryRounds = 7;

struct Options {
  std::vector<std::string> rows = {};
  uint64_t bytes = 500'000'000;
  std::string server = sibling_program("server/skidway-server");
  bool has(std::string_view row) const { return std::find(rows.begin(), rows.end(), row) != rows.end(); }
  bool has_query() const;
};

constexpr std::string_view kUsage =
    "usage: server_bench [s1|queries|s3|s4...|replay|s12]... [--bytes N] [--server PATH]";
constexpr std::string_view kQueryRows[] = {"queries", "s3", "s4", "s5", "s6", "s10", "s11", "s13", "s14"};

bool Options::has_query() const {
  return std::any_of(std::begin(kQueryRows), std::end(kQueryRows), [this](std::string_view row) { return has(row); });
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--bytes") {
      options.bytes = must(pipeline::parse_size(value)), ++i;
    } else if (word == "--server") {
      options.server = value, ++i;
    } else if (word == "s1" || word == "s12" || word == "replay" ||
               std::count(std::begin(kQueryRows), std::end(kQueryRows), word) > 0) {
      options.rows.emplace_back(word);
    } else {
      fatal(kUsage);
    }
  }
  if (options.rows.empty()) options.rows = {"s1", "queries", "replay", "s12"};
  return options;
}

// Without the cache of results: queries are asked several times, and the engine is measured.
class ServerRun {
 public:
  explicit ServerRun(const Options& options)
      : port_(free_port()),
        program_(folder_,
                 {options.server, "--config",
                  folder_.write("server.toml",
                                concat("data_dir = \"", folder_.path(), "/data\"\n\n[http]\nlisten = \"127.0.0.1:",
                                       port_, "\"\n\n[retention]\nperiod = \"0\"\n\n[cache]\nresults = \"0\"\n"))},
                 port_) {}
  Program& program() { return program_; }

 private:
  Folder folder_;
  uint16_t port_;
  Program program_;
};

// Sends every body over a few kept connections, each with one request at a time, as agents do.
class Pusher {
 public:
  Pusher(const PushCorpus& corpus, std::string url) : corpus_(corpus), url_(std::move(url)) {}

  void run() {
    loop_ = must(pipeline::Loop::create());
    client_ = must(pipeline::HttpClient::create(*loop_, {.max_connections = kConnections}));
    for (size_t i = 0; i < kConnections; ++i) send_next();
    while (client_->running() > 0) loop_->turn(std::chrono::seconds(1));
    client_.reset();
    must(loop_->close());
  }
  const std::vector<double>& seconds() const { return seconds_; }  // of each push

 private:
  void send_next() {
    if (next_ == corpus_.bodies.size()) return;
    double begin = now_seconds();
    client_->send({.method = "POST",
                   .url = url_,
                   .headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Encoding", "snappy"}},
                   .body = corpus_.bodies[next_++],
                   .timeout = std::chrono::minutes(2)},
                  [this, begin](pipeline::Result<pipeline::HttpClientResponse> answer) {
                    if (!answer) fatal(concat("push: ", answer.error().message));
                    if (answer->status != 204) fatal(concat("push: ", answer->status, " ", answer->body));
                    seconds_.push_back(now_seconds() - begin);
                    send_next();
                  });
  }

  const PushCorpus& corpus_;
  const std::string url_;
  std::unique_ptr<pipeline::Loop> loop_;
  std::unique_ptr<pipeline::HttpClient> client_;
  size_t next_ = 0;
  std::vector<double> seconds_;
};

void report_stored(const Program& server, const PushCorpus& corpus, std::string_view when, Report& report) {
  double stored = server.metric("skidway_server_store_live_bytes");
  report.add("s2", concat("stored bytes per raw byte ", when), stored / static_cast<double>(corpus.raw_bytes), "");
}

void measure_s1(Program& server, const PushCorpus& corpus, Report& report) {
  double raw = static_cast<double>(corpus.raw_bytes) / 1e6, idle = server.cpu_seconds(), begin = now_seconds();
  Pusher pusher(corpus, server.url("/loki/api/v1/push"));
  pusher.run();
  double cpu = server.cpu_seconds() - idle, wall = now_seconds() - begin;
  report.add("s1a", "raw bytes per CPU second until 204", raw / cpu, "MB/s");
  report.add("s1a", "of the CPU, system", server.cpu_time().system / cpu, "");
  report.add("s1a", "raw bytes per second of wall time", raw / wall, "MB/s");
  report.add("s1a", "push p50", median(pusher.seconds()) * 1e3, "ms");
  report.add("s1a", "push p99", quantile(pusher.seconds(), 0.99) * 1e3, "ms");
  report.add("s7", "RSS peak while taking pushes", static_cast<double>(server.peak_rss()) / kMiB, "MiB");
  server.post("/flush");
  report.add("s1b", "raw bytes per CPU second until flushed", raw / (server.cpu_seconds() - idle), "MB/s");
  report_stored(server, corpus, "after the flush", report);
  if (server.get("/metrics").body.find("skidway_server_compact") == std::string::npos) {
    report.note("s1c", "raw bytes per CPU second until compacted", "not supported yet");
    return;
  }
  server.post("/compact");
  report.add("s1c", "raw bytes per CPU second until compacted", raw / (server.cpu_seconds() - idle), "MB/s");
  report_stored(server, corpus, "after compaction", report);
  report.add("s7", "RSS peak with compaction", static_cast<double>(server.peak_rss()) / kMiB, "MiB");
}

struct Query {
  enum class Kind { kLines, kInstant, kRange };
  std::string row, what, text;
  Kind kind;
  double expected;
  uint64_t scope_bytes;  // raw, of the streams selected
};

std::vector<Query> queries(const PushCorpus& corpus) {
  const PushCorpus::Expected& e = corpus.expected;
  auto number = [](uint64_t n) { return static_cast<double>(n); };
  uint64_t status_500 = 0;
  for (const auto& [level, count] : e.status_500) status_500 += count;
  auto count = [](std::string_view pipeline) {
    return concat("sum(count_over_time({job=\"bench\"} ", pipeline, " [61m]))");
  };
  using Kind = Query::Kind;
  return {
      {"s3", "absent id", concat("{job=\"bench\"} |= \"", kAbsentId, "\""), Kind::kLines, 0, corpus.raw_bytes},
      {"s3", "present id", concat("{job=\"bench\"} |= \"", kPresentId, "\""), Kind::kLines, number(e.present),
       corpus.raw_bytes},
      {"s3", "substring inside a word", concat("{job=\"bench\"} |= \"", kInsideWord, "\""), Kind::kLines,
       number(e.inside_word), corpus.raw_bytes},
      {"s4", "count of a common word", count("|= \"ERROR\""), Kind::kInstant, number(e.error), corpus.raw_bytes},
      {"s5", "regex with a literal", count("|~ `us-(east|west)-\\d.*TimeoutError`"), Kind::kInstant,
       number(e.timeout_in_the_us), corpus.raw_bytes},
      {"s5", "regex without a literal", count("|~ `(\\d{1,3}[.:]){3}\\d{1,3}`"), Kind::kInstant, number(e.four_groups),
       corpus.raw_bytes},
      {"s6", "last 100 lines of one stream", "{app=\"svc-00\"}", Kind::kLines, 100, corpus.one_stream_raw_bytes},
      {"s10", "json, status 500, by level",
       "sum by (level) (count_over_time({format=\"json\"} | json | status_code=\"500\" [61m]))", Kind::kInstant,
       number(status_500), corpus.json_raw_bytes},
      {"s13", "logfmt, level and status, count",
       "sum(count_over_time({format=\"logfmt\"} | logfmt | level=\"error\" | status > 499 [61m]))", Kind::kInstant,
       number(e.logfmt_errors), corpus.logfmt_raw_bytes},
      {"s14", "regexp with four groups, by one of them",
       "sum by (daemon) (count_over_time({format=\"text\"} | regexp `(?P<time>\\d+:\\d+:\\d+) (?P<node>\\S+) "
       "(?P<daemon>[a-z]+)\\[(?P<pid>\\d+)\\]` [61m]))",
       Kind::kInstant, number(e.text_lines), corpus.text_raw_bytes},
      {"s11", "rate of all streams, an hour by minutes", "sum(rate({job=\"bench\"}[1m]))", Kind::kRange,
       number(corpus.lines) / 60, corpus.raw_bytes},
      {"s11", "lines by level, an hour by minutes", "sum by (detected_level) (count_over_time({job=\"bench\"}[1m]))",
       Kind::kRange, number(corpus.lines), corpus.raw_bytes},
  };
}

std::string path_of(const Query& query, const PushCorpus& corpus) {
  std::string text = concat("query=", pipeline::percent_encode(query.text));
  if (query.kind == Query::Kind::kInstant) return concat("/loki/api/v1/query?", text, "&time=", corpus.end);
  // A range includes its end and the minute before its start: so it begins a minute late and sees every line once.
  std::string span = query.kind == Query::Kind::kRange
                         ? concat("&start=", corpus.start + 60'000'000'000 - 1, "&end=", corpus.end - 1, "&step=60")
                         : concat("&start=", corpus.start, "&end=", corpus.end, "&limit=100");
  return concat("/loki/api/v1/query_range?", text, span);
}

// What an answer amounts to: the number of lines, or the sum of all values. Reads Loki's JSON by its shape alone:
// values are ["TIME","LINE"] in streams, [TIME,"VALUE"] in vectors and matrices.
double amount(const Query& query, std::string_view body) {
  double lines = 0, sum = 0;
  body = body.substr(0, body.find("\"stats\""));
  for (size_t i = 0; i + 1 < body.size(); ++i) {
    if (body[i] == '\\') {
      ++i;
    } else if (body[i] == '[' && body[i + 1] == '"') {
      ++lines;
    } else if (body[i] == '[' && body[i + 1] >= '0' && body[i + 1] <= '9') {
      size_t quote = body.find(",\"", i);
      if (quote == body.npos) break;
      sum += std::strtod(body.data() + quote + 2, nullptr);
    }
  }
  return query.kind == Query::Kind::kLines ? lines : sum;
}

void measure_query(Program& server, const PushCorpus& corpus, const Query& query, Report& report) {
  std::string path = path_of(query, corpus);
  std::vector<double> walls, cpus;
  for (int i = 0; i <= kQueryRounds; ++i) {
    double begin = now_seconds(), cpu = server.cpu_seconds();
    pipeline::HttpClientResponse answer = server.get(path);
    if (answer.status == 404 || answer.status == 501 || answer.status == 400) {
      report.note(query.row, query.what, concat("not supported yet: ", answer.status, " ", answer.body.substr(0, 80)));
      return;
    }
    if (answer.status != 200) fatal(concat(query.text, ": ", answer.status, " ", answer.body));
    double got = amount(query, answer.body);
    if (std::abs(got - query.expected) > 1e-6 * query.expected) {
      report.note(query.row, query.what,
                  concat("WRONG ANSWER: ", std::to_string(got), " instead of ", std::to_string(query.expected)));
      return;
    }
    if (i == 0) continue;  // warms the caches
    walls.push_back(now_seconds() - begin), cpus.push_back(server.cpu_seconds() - cpu);
  }
  double cpu = median(cpus);
  report.add(query.row, concat(query.what, ", CPU"), cpu * 1e3, "ms");
  report.add(query.row, concat(query.what, ", wall p50"), median(walls) * 1e3, "ms");
  report.add(query.row, concat(query.what, ", raw per CPU second"), static_cast<double>(query.scope_bytes) / cpu / 1e9,
             "GB/s");
  if (query.row == "s11") {
    report.add(query.row, concat(query.what, ", entries per CPU second"), static_cast<double>(corpus.lines) / cpu / 1e6,
               "M/s");
  }
}

// A log of which nothing was flushed, and the start after a kill: as all of it is in sight, and as all of it is in
// objects.
void measure_replay(const Options& options, const PushCorpus& corpus, Report& report) {
  Folder folder;
  const uint16_t port = free_port();
  auto program = [&](std::string_view name, std::string_view ingest) {
    std::string config =
        folder.write(name, concat("data_dir = \"", folder.path(), "/data\"\n\n[http]\nlisten = \"127.0.0.1:", port,
                                  "\"\n\n[ingest]\n", ingest, "\n[retention]\nperiod = \"0\"\n"));
    return Program(folder, {options.server, "--config", std::move(config)}, port);
  };
  {
    Program first =
        program("first.toml", "flush_interval = \"24h\"\nflush_bytes = \"64GiB\"\nmemory_limit = \"128GiB\"\n");
    first.wait_ready();
    Pusher(corpus, first.url("/loki/api/v1/push")).run();
  }  // killed
  Program server = program("second.toml", "");
  const double raw = static_cast<double>(corpus.raw_bytes) / 1e9;
  report.add("replay", "ready", server.wait_ready() * 1e3, "ms");
  const timespec pause{0, 100'000'000};
  while (server.metric("skidway_server_wal_replay_remaining_bytes") > 0) nanosleep(&pause, nullptr);
  report.add("replay", "raw bytes per CPU second until in sight", raw / server.cpu_seconds(), "GB/s");
  server.post("/flush");
  report.add("replay", "raw bytes per CPU second until in objects", raw / server.cpu_seconds(), "GB/s");
  report.add("replay", "RSS peak", static_cast<double>(server.peak_rss()) / kMiB, "MiB");
}

void measure_s12(const Options& options, Report& report) {
  ServerRun run(options);
  Program& server = run.program();
  double ready = server.wait_ready(), started = server.cpu_seconds();
  timespec pause{5, 0};
  nanosleep(&pause, nullptr);
  double idle = (server.cpu_seconds() - started) / 5;
  Memory memory = server.memory();
  server.stop();
  report.add("s12", "ready", ready * 1e3, "ms");
  report.add("s12", "CPU to start", started * 1e3, "ms");
  report.add("s12", "idle cores", idle, "");
  report.add("s12", "RSS", static_cast<double>(memory.rss) / kMiB, "MiB");
  report.add("s12", "of it anonymous", static_cast<double>(memory.anonymous) / kMiB, "MiB");
  report.add("s12", "binary", static_cast<double>(file_size(options.server)) / 1e6, "MB");
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  stay_on_second_cpu();
  Report report;
  if (options.has("s1") || options.has_query() || options.has("replay")) {
    constexpr pipeline::UnixNanos kMinute = 60'000'000'000;
    PushCorpus corpus(options.bytes, (pipeline::SystemClock().wall() / kMinute - 1) * kMinute);
    std::printf("corpus: %zu bodies, %.0f MB of lines, %.2f M lines, %.0f MB on the wire\n", corpus.bodies.size(),
                static_cast<double>(corpus.raw_bytes) / 1e6, static_cast<double>(corpus.lines) / 1e6,
                static_cast<double>(corpus.wire_bytes) / 1e6);
    if (options.has("s1") || options.has_query()) {
      ServerRun run(options);
      run.program().wait_ready();
      measure_s1(run.program(), corpus, report);
      for (const Query& query : queries(corpus)) {
        if (options.has("queries") || options.has(query.row)) measure_query(run.program(), corpus, query, report);
      }
      run.program().stop();
    }
    if (options.has("replay")) measure_replay(options, corpus, report);
  }
  if (options.has("s12")) measure_s12(options, report);
  report.print_json();
  return 0;
}
