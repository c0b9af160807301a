// Discovery, reading and a modelled sink together, on real files, against random writers, rotations and crashes: at the
// end the server has each line exactly once. Prints its seed; EXACTLY_ONCE_SEED and EXACTLY_ONCE_ROUNDS choose others.
#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>

#include "agent/discovery/testing/model_agent.h"
#include "agent/source/testing/gzip_write.h"
#include "pipeline/stage/stage_list.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;
using Agent = ModelAgent;
using Random = ModelAgent::Random;

namespace {
enum class Format { kPlain, kCri };

// One program that logs into one file and rotates it. In CRI form some lines come in pieces, those of standard output
// and standard error mixed.
class Writer {
 public:
  Writer(const TempFolder& folder, std::string path, std::string name, Format format)
      : folder_(folder), path_(std::move(path)), name_(std::move(name)), format_(format) {}

  void write(Random& random) {
    for (uint64_t lines = random() % 20 + 1; lines > 0; --lines) add_line(random, random() % 60, 'x');
    if (random() % 50 == 0) add_line(random, random() % 200'000, 'y');
    if (format_ == Format::kCri && random() % 3 == 0) add_pieces(random);
    // Now and then nothing but a part of it.
    size_t now = random() % 4 == 0 ? random() % pending_.size() + 1 : pending_.size();
    folder_.append(path_, std::string_view(pending_).substr(0, now));
    pending_.erase(0, now);
  }
  void complete() {
    folder_.append(path_, pending_);
    pending_.clear();
  }
  void end() {
    for (const char* stream : {"stdout", "stderr"}) end_pieces(stream);
    complete();
  }
  void rotate() {  // between the pieces of a line, too
    complete();
    char time[32];
    std::snprintf(time, sizeof(time), ".20260101-%06d", rotations_++);
    folder_.rename(path_, path_ + time);
    rotated_.push_back(path_ + time);
    folder_.append(path_, "");
  }
  // A rotated file goes when everything of it has arrived.
  template <class Arrived>
  void remove_old(Arrived arrived) {
    if (rotated_.empty() || rotated_.front().ends_with(".gz") || !arrived(folder_.at(rotated_.front()))) return;
    folder_.remove(rotated_.front());
    rotated_.erase(rotated_.begin());
  }
  // That is not compressed; empty: none.
  std::string oldest() const {
    for (const std::string& name : rotated_)
      if (!name.ends_with(".gz")) return name;
    return "";
  }
  // The oldest that is not yet. Its content lies elsewhere then, whether it has arrived or not.
  void compress_old() {
    for (std::string& name : rotated_) {
      if (name.ends_with(".gz")) continue;
      compress(folder_, name);
      name += ".gz";
      return;
    }
  }
  const std::string& path() const { return path_; }
  bool rotates_in_sight() const { return path_.starts_with("pods"); }  // the rotated name is looked for too
  const std::vector<std::string>& written() const { return written_; }

 private:
  std::string new_line(size_t length, char fill) {
    return name_ + "-" + std::to_string(count_++) + "-" + std::string(length, fill);
  }
  void add_cri(const char* stream, char flag, const std::string& content) {
    char time[64];
    std::snprintf(time, sizeof(time), "2026-01-01T00:%02d:%02d.%09dZ", cri_lines_ / 60 % 60, cri_lines_ % 60,
                  cri_lines_);
    cri_lines_++;
    pending_ += std::string(time) + " " + stream + " " + flag + " " + content + "\n";
  }
  void add_line(Random& random, size_t length, char fill) {
    std::string line = new_line(length, fill);
    if (format_ == Format::kPlain) {
      written_.push_back(line);
      pending_ += line + "\n";
      return;
    }
    const char* stream = random() % 2 == 0 ? "stdout" : "stderr";
    std::string& open = open_[stream];
    add_cri(stream, 'F', line);
    written_.push_back(open + line);
    open.clear();
  }
  void add_pieces(Random& random) {
    for (int i = 0; i < 3; ++i) {
      const char* stream = random() % 2 == 0 ? "stdout" : "stderr";
      std::string piece = new_line(random() % 100, 'p');
      add_cri(stream, 'P', piece);
      open_[stream] += piece;
    }
  }
  void end_pieces(const char* stream) {
    if (open_[stream].empty()) return;
    std::string line = new_line(5, 'e');
    add_cri(stream, 'F', line);
    written_.push_back(open_[stream] + line);
    open_[stream].clear();
  }

  const TempFolder& folder_;
  const std::string path_, name_;
  const Format format_;
  std::map<std::string, std::string> open_;  // pieces of an unfinished line, by stream
  int cri_lines_ = 0;
  std::vector<std::string> written_, rotated_;
  std::string pending_;
  uint64_t count_ = 0;
  int rotations_ = 0;
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

enum class Joining { kNone, kMultiline };

std::shared_ptr<const pipeline::StageList> stages_of(const std::string& text) {
  auto document = pipeline::ConfigDocument::parse(text, "test");
  REQUIRE(document.has_value());
  return pipeline::StageList::build(document->root(), "stage");
}

// With a label that says which configuration they are of.
std::string cri_stages(uint64_t version) {
  std::string text = "[[stage]]\ntype = \"cri\"\n[[stage]]\ntype = \"static_labels\"\nvalues = { version = \"" +
                     std::to_string(version) + "\" }\n";
  if (version % 2 == 1)
    text += "[[stage]]\ntype = \"multiline\"\nfirstline = \".\"\nmax_wait_time = \"1s\"\n";  // holds the last
  return text;
}

// Every fifth line begins an entry; blocks are cut by number and by time, too.
constexpr const char* kMultiline =
    "[[stage]]\ntype = \"multiline\"\nfirstline = '^\\w+-\\d*[05]-'\nmax_lines = 7\nmax_wait_time = \"2s\"\n";

std::vector<SourceRules> sources_in(const TempFolder& folder, Joining joining, size_t sinks) {
  std::vector<SourceRules> rules;
  for (SourceType type : {SourceType::kKubernetes, SourceType::kFile}) {
    auto options = std::make_shared<SourceOptions>();
    options->name = type == SourceType::kKubernetes ? "pods" : "host";
    options->type = type;
    options->paths = {type == SourceType::kKubernetes ? folder.at("pods") : folder.at("host/*.log")};
    std::string stages = type == SourceType::kKubernetes ? cri_stages(0) : "";
    if (joining != Joining::kNone) stages += kMultiline;
    if (!stages.empty()) options->stages = stages_of(stages);
    for (size_t sink = 0; sink < sinks; ++sink) options->sinks.push_back(sink);
    rules.push_back({options, *PathRules::compile(*options)});
  }
  return rules;
}

// The pods' source goes over to other stages.
void restage(std::vector<SourceRules>& rules, uint64_t version) {
  auto options = std::make_shared<SourceOptions>(*rules[0].options);
  options->stages = stages_of(cri_stages(version));
  rules[0].options = options;
}

std::string first_of(const std::vector<std::string>& lines) {
  return lines.empty() ? "" : std::to_string(lines.size()) + " lines, first " + lines[0].substr(0, 80);
}

// The lines that entries were joined of.
std::vector<std::string> lines_of(const ModelServer& server) {
  std::vector<std::string> lines;
  for (const auto& entry : server.entries()) {
    for (size_t at = 0; at <= entry.line.size();) {
      size_t end = std::min(entry.line.find('\n', at), entry.line.size());
      lines.push_back(entry.line.substr(at, end - at));
      at = end + 1;
    }
  }
  return lines;
}

bool knows_content(const ModelDisk& disk, const std::string& path) {
  auto file = FileHandle::open(path);
  if (!file) return false;
  const InodeKey key = (*file)->status()->key;
  const std::string head = *(*file)->head();
  return std::any_of(disk.files.begin(), disk.files.end(), [&](auto& entry) {
    const FileRecord& record = entry.second;
    FileIdentity identity{{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
    return identity.fingerprint_bytes >= std::min<size_t>(head.size(), 64) && !head.empty() &&
           identity.matches(key, head);
  });
}

bool was_seen(const ModelDisk& disk, const std::string& path) {
  return std::any_of(disk.files.begin(), disk.files.end(), [&](auto& file) { return file.second.path == path; });
}

void run_round(uint64_t seed, bool reloads, Joining joining = Joining::kNone, size_t sinks = 2) {
  Random random(seed);
  TempFolder folder;
  folder.make("host");
  std::vector<Writer> writers;
  for (int i = 0; i < 3; ++i) {
    std::string pod = "pods/ns_pod" + std::to_string(i) + "_uid/c";
    folder.make(pod);
    writers.emplace_back(folder, pod + "/0.log", "pod" + std::to_string(i), Format::kCri);
    writers.emplace_back(folder, "host/app" + std::to_string(i) + ".log", "app" + std::to_string(i), Format::kPlain);
  }
  auto rules = sources_in(folder, joining, sinks);
  uint64_t version = 0;
  ModelDisk disk;
  disk.sinks.resize(2);
  std::vector<ModelServer> servers(sinks);
  pipeline::FakeClock clock;
  pipeline::Registry metrics;
  OpenFiles few(12, metrics), enough(1000, metrics);  // of few, most of the six files are closed most of the time
  bool scarce = false;
  std::unique_ptr<Agent> agent;
  auto start = [&] {
    FileReaderOptions options;
    scarce = random() % 2 == 0;
    options.open_files = scarce ? &few : &enough;
    return std::make_unique<Agent>(rules, disk, servers, clock, false, options);
  };
  for (int i = 0; i < 3000; ++i) {
    Writer& writer = writers[random() % writers.size()];
    uint64_t action = random() % 100;
    if (action < 20) {
      writer.write(random);
    } else if (action < 23) {
      const bool known = agent ? agent->holds(folder.at(writer.path())) : was_seen(disk, folder.at(writer.path()));
      if (writer.rotates_in_sight() || known) writer.rotate();
    } else if (action < 24) {
      // Without a known begin nothing says which one it is; one that is closed would be lost.
      if (!(agent && scarce) && knows_content(disk, folder.at(writer.oldest()))) writer.compress_old();
    } else if (!agent) {
      clock.advance(10ms);
      if (action < 40) agent = start();
    } else if (action < 25) {
      writer.remove_old([&](const std::string& path) { return agent->arrived(path); });
    } else if (action < 26) {
      agent.reset();  // kill -9
    } else if (reloads && action < 28) {
      restage(rules, ++version);
      agent->change(rules, {0});
    } else if (action < 45) {
      agent->follow();
    } else if (action < 70) {
      agent->turn();
    } else {
      agent->step(random);
    }
  }
  if (!agent) agent = start();
  for (Writer& writer : writers) writer.end();
  agent->drain();

  std::vector<std::string> want;
  for (const Writer& writer : writers) want.insert(want.end(), writer.written().begin(), writer.written().end());
  std::sort(want.begin(), want.end());
  for (const ModelServer& server : servers) {
    std::vector<std::string> got = lines_of(server);
    if (joining != Joining::kNone) CHECK(server.entries().size() < got.size() / 2);
    std::sort(got.begin(), got.end());
    std::vector<std::string> lost, extra;
    std::set_difference(want.begin(), want.end(), got.begin(), got.end(), std::back_inserter(lost));
    std::set_difference(got.begin(), got.end(), want.begin(), want.end(), std::back_inserter(extra));
    CHECK(first_of(lost) == "");
    CHECK(got.size() == want.size());
    CHECK(first_of(extra) == "");
    if (reloads) continue;  // a rebuild goes by the configuration of its time
    // Joined entries of a batch are built again in another order, and where another sink was ahead, joined anew.
    if (joining == Joining::kNone) CHECK(server.different_repeats == 0);
    if (sinks == 1) CHECK(server.different_lines == 0);
  }
}
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: through rotations, full sinks and crashes each line arrives exactly once") {
    uint64_t seed = from_environment("EXACTLY_ONCE_SEED", std::random_device{}());
    uint64_t rounds = from_environment("EXACTLY_ONCE_ROUNDS", 10);
    for (uint64_t round = 0; round < rounds; ++round) {
      CAPTURE(seed + round);
      run_round(seed + round, false);
    }
  }

  TEST_CASE("discovery: through rotations, full sinks and crashes each line of a joined entry arrives exactly once") {
    uint64_t seed = from_environment("EXACTLY_ONCE_SEED", std::random_device{}());
    uint64_t rounds = from_environment("EXACTLY_ONCE_ROUNDS", 10);
    for (uint64_t round = 0; round < rounds; ++round) {
      CAPTURE(seed + round);
      run_round(seed + round, false, Joining::kMultiline, 1 + round % 2);
    }
  }

  TEST_CASE("discovery: through changes of stages, full sinks and crashes each line arrives exactly once") {
    uint64_t seed = from_environment("EXACTLY_ONCE_SEED", std::random_device{}());
    uint64_t rounds = from_environment("EXACTLY_ONCE_ROUNDS", 10);
    for (uint64_t round = 0; round < rounds; ++round) {
      CAPTURE(seed + round);
      run_round(seed + round, true);
    }
  }
}
