// agent_bench: rows A1 to A5, A7, those of the spool and the start: what the agent costs in CPU and memory, on this
// machine, with the real program (`append`: with the spool alone).
//
//   agent_bench [a1|a2|a3|a4|a5|a7|append|catchup|start]... [--bytes N] [--seconds N] [--files N] [--agent PATH]
//
// The agent runs alone on the first CPU; corpus, sink and this program are on the second. A figure is printed only if
// every line arrived exactly once.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/spool/spool_log.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/quantity.h"
#include "tests/bench/block_corpus.h"
#include "tests/bench/cri_tree.h"
#include "tests/bench/program.h"
#include "tests/bench/push_sink.h"
#include "tests/bench/report.h"

using namespace bench;
using pipeline::concat;

namespace {

constexpr double kPatience = 20;  // seconds without a new line: something is wrong
constexpr double kMiB = 1 << 20;

struct Options {
  std::vector<std::string> rows = {};
  uint64_t bytes = 300'000'000;
  double seconds = 30;
  uint64_t files = 100'000;  // of the row start
  std::string agent = sibling_program("agent/skidway-agent");
};

constexpr std::string_view kUsage =
    "usage: agent_bench [a1|a2|a3|a4|a5|a7|append|catchup|start]... [--bytes N] [--seconds N] [--files N] [--agent "
    "PATH]";

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--bytes") {
      options.bytes = must(pipeline::parse_size(value)), ++i;
    } else if (word == "--seconds") {
      options.seconds = std::atof(value), ++i;
    } else if (word == "--files") {
      options.files = std::strtoull(value, nullptr, 10), ++i;
    } else if (word == "--agent") {
      options.agent = value, ++i;
    } else if (word == "a1" || word == "a2" || word == "a3" || word == "a4" || word == "a5" || word == "a7" ||
               word == "append" || word == "catchup" || word == "start") {
      options.rows.emplace_back(word);
    } else {
      fatal(kUsage);
    }
  }
  if (options.rows.empty()) options.rows = {"a1", "a2", "a3", "a4", "a5", "a7", "append", "catchup", "start"};
  return options;
}

class AgentRun {
 public:
  // `source` and `sink`: bodies of the two tables.
  AgentRun(const Options& options, const Folder& folder, std::string_view source, std::string_view sink)
      : port_(free_port()),
        program_(
            folder,
            {options.agent, "--config",
             folder.write("agent.toml",
                          concat("data_dir = \"", folder.path(), "/data\"\n\n[http]\nlisten = \"127.0.0.1:", port_,
                                 "\"\n\n[[source]]\nname = \"logs\"\n", source, "\n[[sink]]\nname = \"out\"\n", sink))},
            port_) {}
  Program& program() { return program_; }

 private:
  uint16_t port_;
  Program program_;
};

std::string kubernetes_source(const CriTree& tree) {
  return concat("type = \"kubernetes\"\npath = \"", tree.pods_path(), "\"\napi = \"none\"\n");
}

std::string push_sink(const PushSink& sink) {
  return concat("type = \"loki\"\nurl = \"http://127.0.0.1:", sink.port(),
                "/loki/api/v1/push\"\ncompression = \"snappy\"\n");
}

void expect_equal(const EntrySums& expected, const EntrySums& received) {
  if (received == expected) return;
  fatal(concat("what arrived is not what was written: ", received.lines, " of ", expected.lines, " lines, ",
               received.bytes, " of ", expected.bytes, " bytes, sums ",
               received.hash == expected.hash ? "equal" : "differ"));
}

// Ten files as fast as the agent can.
void measure_a1(const Options& options, Report& report) {
  Folder folder;
  CriTree tree(folder.path() + "/tree", 10);
  tree.fill(options.bytes);
  PushSink sink;
  AgentRun agent(options, folder, kubernetes_source(tree), push_sink(sink));
  double begin = now_seconds();
  if (!sink.wait_lines(tree.sums().lines, kPatience)) agent.program().check_alive();
  double wall = now_seconds() - begin, cpu = agent.program().cpu_seconds();
  CpuTime parts = agent.program().cpu_time();
  double peak = static_cast<double>(agent.program().peak_rss());
  agent.program().stop();
  PushSink::Received got = sink.received();
  expect_equal(tree.sums(), got.sums);
  double lines = static_cast<double>(tree.sums().lines), bytes = static_cast<double>(tree.bytes());
  report.add("a1", "lines per CPU second", lines / cpu / 1e6, "M/s");
  report.add("a1", "bytes read per CPU second", bytes / cpu / 1e6, "MB/s");
  report.add("a1", "CPU", cpu, "s");
  report.add("a1", "of it system", parts.system, "s");
  report.add("a1", "wall", wall, "s");
  report.add("a1", "RSS peak", peak / kMiB, "MiB");
  report.add("a1", "requests", static_cast<double>(got.requests), "");
  report.add("a1", "bytes sent per byte read", static_cast<double>(got.wire_bytes) / bytes, "");
}

// A hundred files, 10,000 lines a second, one write each.
void measure_a2(const Options& options, Report& report) {
  Folder folder;
  CriTree tree(folder.path() + "/tree", 100);
  tree.write_lines(5);
  PushSink sink;
  AgentRun agent(options, folder, kubernetes_source(tree), push_sink(sink));
  agent.program().wait_ready();
  if (!sink.wait_lines(tree.sums().lines, kPatience)) agent.program().check_alive();
  agent.program().reset_peak();
  double begin = now_seconds(), cpu = agent.program().cpu_seconds();
  CpuTime before = agent.program().cpu_time();
  tree.write_live(10'000, options.seconds);
  double wall = now_seconds() - begin;
  cpu = agent.program().cpu_seconds() - cpu;
  CpuTime after = agent.program().cpu_time();
  begin = now_seconds();
  if (!sink.wait_lines(tree.sums().lines, kPatience)) agent.program().check_alive();
  double behind = now_seconds() - begin, peak = static_cast<double>(agent.program().peak_rss());
  agent.program().stop();
  PushSink::Received got = sink.received();
  expect_equal(tree.sums(), got.sums);
  report.add("a2", "cores", cpu / wall, "");
  report.add("a2", "of it user", (after.user - before.user) / wall, "");
  report.add("a2", "RSS peak", peak / kMiB, "MiB");
  report.add("a2", "last line arrives after the last write", behind, "s");
  report.add("a2", "rotations", static_cast<double>(tree.rotations()), "");
  report.add("a2", "requests", static_cast<double>(got.requests), "");
}

// Plain files, no stage, nothing sent: reading and splitting alone.
void measure_a3(const Options& options, Report& report) {
  Folder folder;
  CriTree tree(folder.path() + "/tree", 10);
  tree.fill(options.bytes);
  AgentRun agent(options, folder,
                 concat("type = \"file\"\npath = [\"", tree.pods_path(), "/*/*/*.log\"]\nstart_at = \"beginning\"\n"),
                 "type = \"discard\"\n");
  agent.program().wait_ready();
  double begin = now_seconds(), cpu = 0;
  while (agent.program().metric("skidway_agent_source_read_lines_total") < static_cast<double>(tree.sums().lines)) {
    agent.program().check_alive();
    if (now_seconds() - begin > 120) fatal("not all lines were read");
    timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
  cpu = agent.program().cpu_seconds();
  double peak = static_cast<double>(agent.program().peak_rss()), bytes = static_cast<double>(tree.bytes());
  if (agent.program().metric("skidway_agent_source_read_bytes_total") != bytes)
    fatal("not exactly all bytes were read");
  agent.program().stop();
  report.add("a3", "bytes read per CPU second", bytes / cpu / 1e9, "GB/s");
  report.add("a3", "CPU", cpu, "s");
  report.add("a3", "RSS peak", peak / kMiB, "MiB");
}

// One file that grows by 10 MB a second, in lines of 512 bytes.
void measure_a4(const Options& options, Report& report) {
  constexpr size_t kLine = 512, kLines = 1953;  // every tenth of a second
  Folder folder;
  const std::string path = folder.path() + "/app.log";
  FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) fatal(concat("open ", path));
  BlockCorpus corpus;
  EntrySums sums;
  const uint64_t pod_hash = pipeline::hash64("app");
  auto write = [&](size_t lines) {
    for (; lines > 0; lines--) {
      std::string line;
      while (line.size() < kLine) line += corpus.access_line(), line.back() = ' ';
      line.resize(kLine), line.back() = '\n';
      sums.add(pod_hash, std::string_view(line).substr(0, kLine - 1));
      std::fwrite(line.data(), 1, line.size(), file);
    }
    std::fflush(file);
  };
  write(kLines);
  PushSink sink;
  AgentRun agent(
      options, folder,
      concat("type = \"file\"\npath = [\"", path, "\"]\nstart_at = \"beginning\"\nlabels = { pod = \"app\" }\n"),
      push_sink(sink));
  if (!sink.wait_lines(sums.lines, kPatience)) agent.program().check_alive();
  agent.program().reset_peak();
  double begin = now_seconds(), cpu = agent.program().cpu_seconds();
  for (double next = begin; next < begin + options.seconds;) {
    write(kLines);
    next += 0.1;
    double rest = next - now_seconds();
    timespec pause{0, rest > 0 ? static_cast<long>(rest * 1e9) : 0};
    nanosleep(&pause, nullptr);
  }
  double wall = now_seconds() - begin;
  if (!sink.wait_lines(sums.lines, kPatience)) agent.program().check_alive();
  cpu = agent.program().cpu_seconds() - cpu;
  double peak = static_cast<double>(agent.program().peak_rss());
  agent.program().stop();
  std::fclose(file);
  expect_equal(sums, sink.received().sums);
  report.add("a4", "cores", cpu / wall, "");
  report.add("a4", "RSS peak", peak / kMiB, "MiB");
  report.add("a4", "bytes written", static_cast<double>(sums.lines * kLine) / wall / 1e6, "MB/s");
}

constexpr std::string_view kAccessStages = R"re(
[[source.stage]]
type = 'regex'
expression = '^(?P<ip>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]+)" (?P<status>\d+) (?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
[[source.stage]]
type = 'labels'
values = { method = '', status = '' }
)re";

// An access log of a web server, taken apart into eleven fields, two of which become labels.
void measure_a5(const Options& options, Report& report) {
  Folder folder;
  EntrySums sums;
  uint64_t bytes = 0;
  std::string path = folder.path() + "/access.log";
  FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) fatal(concat("open ", path));
  BlockCorpus corpus;
  const uint64_t pod_hash = pipeline::hash64("web");
  while (bytes < options.bytes) {
    std::string line = corpus.access_line();
    std::fwrite(line.data(), 1, line.size(), file);
    bytes += line.size();
    sums.add(pod_hash, std::string_view(line).substr(0, line.size() - 1));
  }
  std::fclose(file);
  PushSink sink;
  AgentRun agent(options, folder,
                 concat("type = \"file\"\npath = [\"", path,
                        "\"]\nstart_at = \"beginning\"\nlabels = { pod = \"web\" }\n", kAccessStages),
                 push_sink(sink));
  if (!sink.wait_lines(sums.lines, kPatience)) agent.program().check_alive();
  double cpu = agent.program().cpu_seconds(), peak = static_cast<double>(agent.program().peak_rss());
  agent.program().stop();
  expect_equal(sums, sink.received().sums);
  report.add("a5", "bytes read per CPU second", static_cast<double>(bytes) / cpu / 1e6, "MB/s");
  report.add("a5", "lines per CPU second", static_cast<double>(sums.lines) / cpu / 1e6, "M/s");
  report.add("a5", "CPU", cpu, "s");
  report.add("a5", "RSS peak", peak / kMiB, "MiB");
}

// A hundred files in which nothing happens.
void measure_a7(const Options& options, Report& report) {
  Folder folder;
  CriTree tree(folder.path() + "/tree", 100);
  tree.write_lines(5);
  PushSink sink;
  AgentRun agent(options, folder, kubernetes_source(tree), push_sink(sink));
  double ready = agent.program().wait_ready();
  if (!sink.wait_lines(tree.sums().lines, kPatience)) agent.program().check_alive();
  double started = agent.program().cpu_seconds(), seconds = options.seconds < 20 ? options.seconds : 20;
  timespec pause{static_cast<time_t>(seconds < 10 ? 1 : 5), 0};
  nanosleep(&pause, nullptr);
  double begin = now_seconds(), cpu = agent.program().cpu_seconds();
  pause.tv_sec = static_cast<time_t>(seconds);
  nanosleep(&pause, nullptr);
  cpu = agent.program().cpu_seconds() - cpu;
  double wall = now_seconds() - begin;
  Memory memory = agent.program().memory();
  agent.program().stop();
  expect_equal(tree.sums(), sink.received().sums);
  report.add("a7", "ready", ready * 1e3, "ms");
  report.add("a7", "CPU to start and read 500 lines", started * 1e3, "ms");
  report.add("a7", "idle cores", cpu / wall, "");
  report.add("a7", "RSS", static_cast<double>(memory.rss) / kMiB, "MiB");
  report.add("a7", "of it anonymous", static_cast<double>(memory.anonymous) / kMiB, "MiB");
  report.add("a7", "binary", static_cast<double>(file_size(options.agent)) / 1e6, "MB");
}

double thread_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Batches of 256 KiB into a spool, a sync for every four.
void measure_append(const Options& options, Report& report) {
  constexpr size_t kGroup = 4, kBody = 256 << 10;
  Folder folder;
  auto files = pipeline::system_files();
  agent::SpoolLogOptions log_options;
  log_options.folder = folder.path() + "/spool";
  auto log = must(agent::SpoolLog::open(*files, log_options));
  std::string body(kBody, '\0');
  for (size_t i = 0; i < body.size(); i++)
    body[i] = static_cast<char>(pipeline::hash64(std::to_string(i / 8)) >> i % 8);
  std::vector<agent::SpoolFrame> group(kGroup);
  for (agent::SpoolFrame& frame : group) {
    frame.body = std::make_shared<const std::string>(body);
    frame.origins = agent::encode_origins({1, {{{7}, 1 << 30, (1 << 30) + (1 << 20), 1 << 20}}});
  }
  uint64_t seq = 0, bytes = 0;
  double begin = now_seconds(), cpu = thread_cpu_seconds();
  while (bytes < options.bytes) {
    for (agent::SpoolFrame& frame : group) frame.number = {1, ++seq};
    must(log->append(group, std::vector<bool>(kGroup, false)));
    bytes += kGroup * kBody;
  }
  double wall = now_seconds() - begin;
  cpu = thread_cpu_seconds() - cpu;
  begin = now_seconds();
  log.reset();
  log = must(agent::SpoolLog::open(*files, log_options));
  double reopened = now_seconds() - begin;
  if (log->waiting().frames != seq) fatal("the spool does not have what was appended");
  report.add("append", "bytes appended and synced per CPU second", static_cast<double>(bytes) / cpu / 1e6, "MB/s");
  report.add("append", "wall", wall, "s");
  report.add("append", "open again", reopened * 1e3, "ms");
}

// What ten files had to say while the far side was away.
void measure_catchup(const Options& options, Report& report) {
  Folder folder;
  CriTree tree(folder.path() + "/tree", 10);
  tree.fill(options.bytes);
  PushSink sink;
  sink.set_away(true);
  AgentRun agent(options, folder, kubernetes_source(tree),
                 push_sink(sink) + "retry = { min = \"50ms\", max = \"100ms\" }\n");
  agent.program().wait_ready();
  const auto lines = static_cast<double>(tree.sums().lines);
  double begin = now_seconds();
  while (agent.program().metric("skidway_agent_spool_entries") +
                 agent.program().metric("skidway_agent_sink_waiting_entries") <
             lines ||
         agent.program().metric("skidway_agent_sink_queued_batches") > 16) {
    agent.program().check_alive();
    if (now_seconds() - begin > 300) fatal("not all lines were spooled");
    timespec pause{0, 100'000'000};
    nanosleep(&pause, nullptr);
  }
  double cpu = agent.program().cpu_seconds();
  begin = now_seconds();
  sink.set_away(false);
  if (!sink.wait_lines(tree.sums().lines, kPatience)) agent.program().check_alive();
  double wall = now_seconds() - begin;
  cpu = agent.program().cpu_seconds() - cpu;
  double peak = static_cast<double>(agent.program().peak_rss());
  agent.program().stop();
  expect_equal(tree.sums(), sink.received().sums);
  report.add("catchup", "lines per CPU second", lines / cpu / 1e6, "M/s");
  report.add("catchup", "wall", wall, "s");
  report.add("catchup", "RSS peak", peak / kMiB, "MiB");
}

// Many small files, a hundred in a folder: met for the first time, and again, known.
void measure_start(const Options& options, Report& report) {
  Folder folder;
  const std::string root = folder.path() + "/logs";
  for (uint64_t k = 0; k < options.files; k++) {
    std::string parent = concat(root, "/service-", k / 100);
    if (k % 100 == 0) std::filesystem::create_directories(parent);
    FILE* file = std::fopen(concat(parent, "/instance-", k % 100, ".log").c_str(), "w");
    if (file == nullptr) fatal("a file cannot be made");
    std::fprintf(file, "started as number %llu\n", static_cast<unsigned long long>(k));
    std::fclose(file);
  }
  for (const char* which : {"first", "again"}) {
    AgentRun agent(options, folder, concat("type = \"file\"\npath = [\"", root, "/**/*.log\"]\nstart_at = \"end\"\n"),
                   "type = \"discard\"\n");
    double ready = agent.program().wait_ready();
    double cpu = agent.program().cpu_seconds();
    while (agent.program().metric("skidway_agent_source_open_files") < static_cast<double>(options.files)) {
      agent.program().check_alive();
      timespec pause{0, 50'000'000};
      nanosleep(&pause, nullptr);
    }
    report.add("start", concat(which, ": ready"), ready, "s");
    report.add("start", concat(which, ": CPU until then"), cpu, "s");
    report.add("start", concat(which, ": RSS peak"), static_cast<double>(agent.program().peak_rss()) / kMiB, "MiB");
    agent.program().stop();
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv);
  stay_on_second_cpu();
  Report report;
  for (const std::string& row : options.rows) {
    if (row == "a1") measure_a1(options, report);
    if (row == "a2") measure_a2(options, report);
    if (row == "a3") measure_a3(options, report);
    if (row == "a4") measure_a4(options, report);
    if (row == "a5") measure_a5(options, report);
    if (row == "a7") measure_a7(options, report);
    if (row == "append") measure_append(options, report);
    if (row == "catchup") measure_catchup(options, report);
    if (row == "start") measure_start(options, report);
  }
  report.print_json();
  return 0;
}
