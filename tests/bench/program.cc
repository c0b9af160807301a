#include "tests/bench/program.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

using pipeline::concat;
using pipeline::HttpClientResponse;

namespace {

constexpr std::chrono::minutes kRequestTimeout{10};
constexpr double kReadyTimeout = 60, kStopTimeout = 60;  // seconds

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The number behind `key` in a file of "key: N kB" lines, in bytes.
uint64_t kilobytes(const std::string& text, std::string_view key) {
  size_t at = text.find(key);
  return at == text.npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10) * 1024;
}

void pin(int cpu) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

void pause_ms(int ms) {
  timespec t{ms / 1000, ms % 1000 * 1'000'000L};
  nanosleep(&t, nullptr);
}

}  // namespace

void fatal(std::string_view what) {
  std::fflush(stdout);
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

void stay_on_second_cpu() { pin(1); }

double now_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

Folder::Folder() {
  const char* top = std::getenv("TMPDIR");
  path_ = concat(top == nullptr ? "/tmp" : top, "/skidway-bench-XXXXXX");
  if (mkdtemp(path_.data()) == nullptr) fatal(concat("make ", path_, ": ", std::strerror(errno)));
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::write(std::string_view name, std::string_view content) const {
  std::string path = concat(path_, "/", name);
  std::ofstream(path) << content;
  return path;
}

Program::Program(const Folder& folder, std::vector<std::string> arguments, uint16_t port)
    : log_file_(concat(folder.path(), "/log")), port_(port) {
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  (void)pipeline::http_fetch({.url = url("/ready")});  // nobody there: the first request only makes the client start up
  started_ = now_seconds();
  pid_ = fork();
  if (pid_ < 0) fatal("fork failed");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(0);
  int log = open(log_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644), null = open("/dev/null", O_RDWR);
  dup2(null, 0), dup2(log, 1), dup2(log, 2);
  execv(argv[0], argv.data());
  _exit(127);
}

Program::~Program() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Program::check_alive() {
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return;
  pid_ = -1;
  std::string log = read_text(log_file_);
  fatal(concat("the program ended before its time:\n", log.size() > 4000 ? log.substr(log.size() - 4000) : log));
}

double Program::wait_ready() {
  for (;;) {
    auto answer = pipeline::http_fetch({.url = url("/ready"), .timeout = std::chrono::seconds(2)});
    if (answer && answer->status == 200) return now_seconds() - started_;
    check_alive();
    if (now_seconds() - started_ > kReadyTimeout) fatal("the program does not become ready");
    pause_ms(1 + static_cast<int>((now_seconds() - started_) * 20));  // what it costs the program is counted, too
  }
}

double Program::cpu_seconds() const {
  clockid_t clock;
  timespec used{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) fatal("no CPU clock of the program");
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

CpuTime Program::cpu_time() const {
  std::string stat = read_text(concat("/proc/", pid_, "/stat"));
  size_t at = stat.rfind(')');
  if (at == stat.npos) fatal("no /proc/PID/stat");
  std::istringstream in(stat.substr(at + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) in >> skipped;
  double user = 0, system = 0, ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  in >> user >> system;
  return {user / ticks, system / ticks};
}

Memory Program::memory() const {
  std::string rollup = read_text(concat("/proc/", pid_, "/smaps_rollup"));
  return {kilobytes(rollup, "\nRss:"), kilobytes(rollup, "\nAnonymous:")};
}

uint64_t Program::peak_rss() const { return kilobytes(read_text(concat("/proc/", pid_, "/status")), "VmHWM:"); }

void Program::reset_peak() const { std::ofstream(concat("/proc/", pid_, "/clear_refs")) << "5"; }

std::string Program::url(std::string_view path) const { return concat("http://127.0.0.1:", port_, path); }

HttpClientResponse Program::get(std::string_view path) const {
  return must(pipeline::http_fetch({.url = url(path), .timeout = kRequestTimeout}));
}

void Program::post(std::string_view path) const {
  auto answer = must(pipeline::http_fetch({.method = "POST", .url = url(path), .timeout = kRequestTimeout}));
  if (answer.status / 100 != 2) fatal(concat("POST ", path, ": ", answer.status, " ", answer.body));
}

double Program::metric(std::string_view name) const {
  std::istringstream lines(get("/metrics").body);
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name) || line.size() == name.size()) continue;
    if (line[name.size()] == ' ' || line[name.size()] == '{')
      sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

double Program::stop() {
  double begin = now_seconds();
  kill(pid_, SIGTERM);
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (now_seconds() - begin > kStopTimeout) fatal("the program does not stop");
    pause_ms(2);
  }
  pid_ = -1;
  return now_seconds() - begin;
}

uint16_t free_port() {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fatal("no free port");
  close(fd);
  return ntohs(address.sin_port);
}

std::string sibling_program(std::string_view in_build_folder) {
  auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
  return (build / in_build_folder).string();
}

uint64_t file_size(const std::string& path) {
  std::error_code error;
  uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace bench
