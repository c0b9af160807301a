// How fast objects are written, read and merged on one core, per CPU second, and how small they are. Prints a table per
// corpus, then one JSON line. usage: container_bench [MEGABYTES [FOLDER OF *.log FILES]]
//
// Corpora: json (lines like those of a service) and text (lines like those of daemons, or of the given files with half
// of the digits of their longer numbers changed, so that repeats do not flatter). 100 streams, entries one to five
// milliseconds apart.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/concat.h"
#include "server/compact/object_merger.h"
#include "server/store/format.h"
#include "server/store/object_reader.h"
#include "server/store/object_writer.h"

using namespace server;
using pipeline::concat;
using pipeline::LabelSet;

namespace {

constexpr int kRounds = 3;
constexpr size_t kStreams = 100, kParts = 16;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

template <size_t N>
const char* any(std::mt19937_64& random, const char* const (&of)[N]) {
  return of[random() % N];
}

void json_line(std::string& out, std::mt19937_64& random, UnixNanos time, size_t sequence) {
  auto text = [&](unsigned percent, std::string_view key, const char* value) {
    if (random() % 100 < percent) out += concat(",\"", key, "\":\"", value, "\"");
  };
  auto number = [&](unsigned percent, std::string_view key, uint64_t value) {
    if (random() % 100 < percent) out += concat(",\"", key, "\":", value);
  };
  const char* const messages[] = {"request processed",    "user authenticated", "payment started", "database connected",
                                  "cache miss for a key", "health check fine",  "session expired", "validation failed"};
  out += concat("{\"generated_at\":", time, ",\"message\":\"", any(random, messages), "\",\"sequence\":", sequence);
  text(80, "level", any(random, {"DEBUG", "INFO", "WARN", "ERROR"}));
  text(90, "component", any(random, {"auth-service", "payment-service", "user-service", "notification-service"}));
  text(70, "method", any(random, {"GET", "POST", "PUT", "DELETE"}));
  number(85, "status_code", std::vector<uint64_t>{200, 201, 400, 401, 403, 404, 500, 503}[random() % 8]);
  number(75, "duration_ms", random() % 1000 + 10);
  number(60, "user", random() % 10'000);
  number(65, "bytes_sent", random() % 10'000 + 100);
  text(15, "environment", any(random, {"production", "staging", "development", "testing"}));
  text(20, "region", any(random, {"us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1"}));
  text(25, "trace_id", any(random, {"trace-a1b2c3d4", "trace-e5f6g7h8", "trace-i9j0k1l2", "trace-m3n4o5p6"}));
  out += '}';
}

void daemon_line(std::string& out, std::mt19937_64& random, size_t sequence) {
  const char* const who[] = {"sshd", "kernel", "CRON", "systemd", "named", "dhclient"};
  out += concat("Nov 21 ", 10 + sequence % 13, ":", 10 + sequence % 49, ":", 10 + random() % 50, " host-",
                random() % 20, " ", any(random, who), "[", random() % 30'000, "]: ");
  switch (random() % 4) {
    case 0:
      out += concat("Failed password for root from 10.", random() % 256, ".", random() % 256, ".7 port ",
                    random() % 65'536, " ssh2");
      break;
    case 1:
      out += concat("block blk_", random(), " of size ", random() % 67'108'864, " terminating, PacketResponder ",
                    random() % 3);
      break;
    case 2:
      out += concat("session opened for user daemon", random() % 40, " by (uid=0), attempt ", random() % 5);
      break;
    default:
      out += concat("DHCPREQUEST on eth0 to 10.0.0.", random() % 256, " port 67 (xid=0x", random() % 0xffff'ffff, ")");
  }
}

// Lines of files, one file per stream, in runs of 200.
class FileLines {
 public:
  explicit FileLines(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".log") continue;
      std::vector<std::string> lines;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        while (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) lines.push_back(line);
      }
      if (lines.size() > 400) files_.push_back(std::move(lines));
    }
  }
  void add(std::string& out, std::mt19937_64& random, size_t stream, size_t n) const {
    const auto& lines = files_[stream % files_.size()];
    const std::string& line = lines[(n / 200 * 7919 + stream) % (lines.size() - 200) + n % 200];
    for (size_t i = 0; i < line.size();) {
      size_t end = i;
      while (end < line.size() && line[end] >= '0' && line[end] <= '9') ++end;
      for (size_t k = i; k < end; ++k)
        out += end - i >= 3 && random() % 2 ? static_cast<char>('0' + random() % 10) : line[k];
      if (end == i) out += line[end++];
      i = end;
    }
  }

 private:
  std::vector<std::vector<std::string>> files_;
};

struct Corpus {
  std::string name;
  std::vector<LabelSet> labels;
  std::vector<EntryColumns> streams;
  uint64_t raw_bytes = 0, rows = 0;
};

template <class Line>
Corpus make_corpus(std::string name, size_t bytes, Line line_of) {
  Corpus corpus{std::move(name), {}, std::vector<EntryColumns>(kStreams), 0, 0};
  for (size_t s = 0; s < kStreams; ++s) {
    corpus.labels.push_back(
        LabelSet::from({{"app", concat("svc-", 10 + s / 10)}, {"pod", concat("svc-7c9f6d5b", 100 + s)}}));
  }
  std::string line;
  for (size_t s = 0; s < kStreams; ++s) {
    std::mt19937_64 random(s);
    UnixNanos time = 1'795'000'000'000'000'000;
    for (size_t n = 0; corpus.streams[s].line_bytes() < bytes / kStreams; ++n) {
      line.clear();
      line_of(line, random, time, s, n);
      corpus.streams[s].append(time, line);
      time += 1'000'000 + static_cast<UnixNanos>(random() % 4'000'000);
    }
    corpus.raw_bytes += corpus.streams[s].line_bytes();
    corpus.rows += corpus.streams[s].size();
  }
  return corpus;
}

class Measurements {
 public:
  explicit Measurements(const std::string& folder)
      : files_(pipeline::system_files()), store_(must(open_local_store(*files_, folder))) {}

  void run(const Corpus& corpus) {
    double bytes = static_cast<double>(corpus.raw_bytes), rows = static_cast<double>(corpus.rows);
    ObjectSummary summary;
    std::printf("%s: %.0f MB, %.1f M lines of %.0f bytes\n", corpus.name.c_str(), bytes / 1e6, rows / 1e6,
                bytes / rows);
    report(corpus, "write", "MB/s", bytes / 1e6, [&] { summary = write(corpus); });
    std::string key = key_;
    double stored = static_cast<double>(summary.size) / bytes;
    std::printf("  %-34s %10.4f\n", "stored / raw", stored);
    json_ += concat(",\"", corpus.name, " stored\":", std::to_string(stored));

    auto object = must(ObjectReader::open(*store_, key, summary.size, summary.footer_length));
    size_t small = 0;
    for (const PageInfo& page : object->pages()) {
      small += page.column(PageColumn::kTimes).length + page.column(PageColumn::kLengths).length;
    }
    std::printf("  %-34s %10.2f\n", "bytes of time and length per line", static_cast<double>(small) / rows);
    report(corpus, "open", "objects/s", 1,
           [&] { must(ObjectReader::open(*store_, key, summary.size, summary.footer_length)); });
    report(corpus, "read times", "M entries/s", rows / 1e6, [&] { read(object, &PageCursor::times); });
    report(corpus, "read lengths", "M entries/s", rows / 1e6, [&] { read(object, &PageCursor::offsets); });
    report(corpus, "read text", "MB/s", bytes / 1e6, [&] { read(object, &PageCursor::text); });
    report(corpus, "read entries", "MB/s", bytes / 1e6, [&] { read(object, &PageCursor::entries); });

    std::vector<ObjectRow> parts = write_parts(corpus);
    std::vector<ObjectRow> merged;
    report(corpus, "merge", "MB/s", bytes / 1e6, [&] { merged = merge(parts); });
    tell_bytes(corpus, merged);
  }
  void print_json() const { std::printf("{%s}\n", json_.substr(1).c_str()); }

 private:
  template <class Work>
  void report(const Corpus& corpus, const char* what, const char* unit, double amount, Work work) {
    double best = 1e9;
    for (int i = 0; i < kRounds; ++i) {
      double begin = cpu_seconds();
      work();
      best = std::min(best, cpu_seconds() - begin);
    }
    std::printf("  %-34s %10.1f %s\n", what, amount / best, unit);
    json_ += concat(",\"", corpus.name, " ", what, "\":", static_cast<uint64_t>(amount / best));
  }

  ObjectSummary write(const Corpus& corpus) {
    key_ = concat("bench/", ++written_);
    auto upload = must(store_->create(key_));
    ObjectWriter writer({}, *upload);
    for (size_t s = 0; s < kStreams; ++s) must(writer.append("fake", corpus.labels[s], corpus.streams[s]));
    ObjectSummary summary = must(writer.finish());
    must(upload->commit());
    return summary;
  }

  // The corpus as a series of small objects, as ingest would leave it.
  std::vector<ObjectRow> write_parts(const Corpus& corpus) {
    std::vector<ObjectRow> parts;
    for (size_t part = 0; part < kParts; ++part) {
      ObjectRow row;
      row.key = concat("bench/", ++written_);
      auto upload = must(store_->create(row.key));
      ObjectWriter writer({}, *upload);
      for (size_t s = 0; s < kStreams; ++s) {
        size_t rows = corpus.streams[s].size();
        EntrySlice slice = corpus.streams[s].slice(rows * part / kParts, rows * (part + 1) / kParts);
        must(writer.append("fake", corpus.labels[s], slice));
      }
      row.summary = must(writer.finish());
      must(upload->commit());
      parts.push_back(std::move(row));
    }
    return parts;
  }

  // Where the bytes of merged objects are.
  void tell_bytes(const Corpus& corpus, const std::vector<ObjectRow>& rows) {
    constexpr PageColumn kColumns[] = {PageColumn::kText, PageColumn::kTimes, PageColumn::kLengths,
                                       PageColumn::kMetadata};
    constexpr const char* kNames[] = {"lines", "times", "lengths", "metadata", "filter", "directory"};
    uint64_t bytes[std::size(kNames)] = {}, all = 0;
    for (const ObjectRow& row : rows) {
      auto object = must(ObjectReader::open(*store_, row.key, row.summary.size, row.summary.footer_length));
      uint64_t rest = row.summary.size - row.summary.footer_length - kObjectHeaderBytes;
      for (const PageInfo& page : object->pages()) {
        for (size_t i = 0; i < std::size(kColumns); ++i) {
          bytes[i] += page.column(kColumns[i]).length;
          rest -= page.column(kColumns[i]).length;
        }
      }
      bytes[4] += rest;
      bytes[5] += row.summary.footer_length + kObjectHeaderBytes;
      all += row.summary.size;
    }
    auto tell = [&](const char* what, uint64_t n) {
      const double share = static_cast<double>(n) / static_cast<double>(corpus.raw_bytes);
      std::printf("  merged: %-26s %10.5f of raw\n", what, share);
      json_ += concat(",\"", corpus.name, " merged ", what, "\":", std::to_string(share));
    };
    for (size_t i = 0; i < std::size(kNames); ++i) tell(kNames[i], bytes[i]);
    tell("all", all);
  }

  std::vector<ObjectRow> merge(const std::vector<ObjectRow>& parts) {
    std::atomic<bool> cancelled{false};
    struct Watch final : MergeWatch {
      Result<void> on_output(const Ulid&, const std::string&) override { return {}; }
      Result<void> on_progress() override { return {}; }
    } watch;
    const Erasures erasures({}, 0, nullptr, 0);
    auto outcome = must(merge_objects(*store_, {}, ulids_, {parts, erasures, 0}, {}, cancelled, watch));
    if (outcome.repeated > 0) std::exit(1);
    return outcome.outputs;
  }

  template <class Column>
  void read(const std::shared_ptr<const ObjectReader>& object, Column column) {
    std::vector<uint32_t> pages(object->pages().size());
    std::iota(pages.begin(), pages.end(), 0U);
    PageCursor cursor(object, std::move(pages));
    size_t sum = 0;
    while (cursor.next()) sum += must((cursor.*column)()).size();
    if (sum == 0) std::exit(1);
  }

  std::unique_ptr<pipeline::FileSystem> files_;
  std::unique_ptr<ObjectStore> store_;
  pipeline::SystemClock clock_;
  UlidMaker ulids_{clock_};
  std::string key_;
  uint64_t written_ = 0;
  std::string json_;
};

}  // namespace

int main(int argc, char** argv) {
  size_t bytes = (argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200) * 1'000'000;
  char folder[] = "/tmp/skidway-container-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  Measurements measurements(folder);
  measurements.run(make_corpus("json", bytes, [](std::string& out, auto& random, UnixNanos time, size_t, size_t n) {
    json_line(out, random, time, n);
  }));
  if (argc > 2) {
    FileLines files(argv[2]);
    measurements.run(make_corpus("text", bytes, [&](std::string& out, auto& random, UnixNanos, size_t s, size_t n) {
      files.add(out, random, s, n);
    }));
  } else {
    measurements.run(make_corpus("text", bytes, [](std::string& out, auto& random, UnixNanos, size_t, size_t n) {
      daemon_line(out, random, n);
    }));
  }
  measurements.print_json();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}
