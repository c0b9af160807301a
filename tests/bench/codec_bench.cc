// How fast the codec is on one core: MB/s of raw log text, the best of several rounds. Prints a table, then one JSON
// line. usage: codec_bench [MEGABYTES]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/codec/deflate.h"
#include "pipeline/codec/push_json.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

using namespace pipeline;

namespace {

constexpr int kRounds = 5;
constexpr size_t kStreams = 16, kBodyBytes = 1 << 20, kPageBytes = 256 * 1024;

// Lines like those of a web server, 160 bytes each on average.
std::vector<std::string> log_lines(size_t bytes) {
  std::mt19937 random(1);
  const char* paths[] = {"/", "/api/v1/users", "/static/app.js", "/healthz", "/cart/checkout", "/api/v1/orders"};
  const char* agents[] = {"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "curl/7.88.1", "kube-probe/1.29",
                          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605"};
  std::vector<std::string> lines;
  for (size_t total = 0; total < bytes; total += lines.back().size()) {
    lines.push_back(concat(random() % 256, ".", random() % 256, ".", random() % 256, ".", random() % 256,
                           " - - [21/Nov/2026:10:", 10 + random() % 50, ":", 10 + random() % 50, " +0000] \"GET ",
                           paths[random() % 6], "?id=", random() % 100'000, " HTTP/1.1\" ", random() % 9 ? 200 : 404,
                           " ", random() % 100'000, " \"-\" \"", agents[random() % 4], "\" rt=0.", random() % 1000,
                           " request_id=", random(), random()));
  }
  return lines;
}

// Counts, so that nothing is optimised away.
class Counter final : public PushVisitor {
 public:
  size_t bytes = 0;
  void on_stream(std::string_view, size_t) override {}
  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata>) override {
    bytes += line.size() + static_cast<size_t>(time & 1);
  }
};

class Table {
 public:
  explicit Table(size_t raw_bytes) : raw_bytes_(raw_bytes) {}

  // Runs `work` several times; its time counts against the raw bytes.
  template <class Work>
  void measure(const char* name, Work work) {
    double best = 1e9;
    for (int i = 0; i < kRounds; ++i) {
      auto begin = std::chrono::steady_clock::now();
      work();
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    double rate = static_cast<double>(raw_bytes_) / 1e6 / best;
    std::printf("%-28s %8.0f MB/s\n", name, rate);
    json_ += concat(json_.empty() ? "{" : ",", "\"", name, "\":", static_cast<uint64_t>(rate));
  }
  void print_json() const { std::printf("%s}\n", json_.c_str()); }

 private:
  size_t raw_bytes_;
  std::string json_;
};

void require(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

// All lines as push bodies of about 1 MiB, each over several streams.
std::vector<std::string> encode(const std::vector<std::string>& lines, bool compressed) {
  std::vector<std::string> bodies;
  std::vector<ByteBuffer> streams(kStreams);
  PushBody body;
  size_t open_bytes = 0;
  UnixNanos time = 1'700'000'000'000'000'000;
  auto close = [&] {
    for (size_t s = 0; s < kStreams; ++s) body.add_stream(concat("{app=\"a\", pod=\"", s, "\"}"), streams[s].view());
    if (compressed) {
      bodies.push_back(snappy_compress(body.fragments()));
    } else {
      bodies.emplace_back();
      for (std::string_view fragment : body.fragments()) bodies.back().append(fragment);
    }
    body.clear();
    for (ByteBuffer& stream : streams) stream.clear();
    open_bytes = 0;
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    append_push_entry(streams[i / 64 % kStreams], time += 1000, lines[i]);
    open_bytes += lines[i].size();
    if (open_bytes >= kBodyBytes) close();
  }
  if (open_bytes > 0) close();
  return bodies;
}

// The same in JSON, bodies of about 1 MiB.
std::vector<std::string> encode_json(const std::vector<std::string>& lines) {
  std::vector<std::string> bodies;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool fresh = bodies.empty() || bodies.back().size() > kBodyBytes;
    if (fresh && !bodies.empty()) bodies.back() += "]}]}";
    if (fresh) bodies.emplace_back(R"({"streams":[{"stream":{"app":"a"},"values":[)");
    std::string& out = bodies.back();
    out += concat(fresh ? "" : ",", "[\"", 1'700'000'000'000'000'000 + i, "\",\"");
    for (char c : lines[i]) out += c == '"' ? "\\\"" : std::string(1, c);
    out += "\"]";
  }
  bodies.back() += "]}]}";
  return bodies;
}

void measure_push(Table& table, const std::vector<std::string>& lines) {
  std::vector<ByteBuffer> streams(kStreams);
  table.measure("push encode", [&] {
    UnixNanos time = 1'700'000'000'000'000'000;
    size_t used = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
      append_push_entry(streams[i / 64 % kStreams], time += 1000, lines[i]);
      if ((used += lines[i].size()) < kBodyBytes) continue;
      for (ByteBuffer& stream : streams) stream.clear();
      used = 0;
    }
  });
  table.measure("push encode, snappy", [&] { encode(lines, true); });
  std::vector<std::string> plain = encode(lines, false), compressed = encode(lines, true);
  table.measure("push decode", [&] {
    Counter counter;
    for (const std::string& body : plain) require(decode_push(body, counter));
  });
  ByteBuffer out;
  table.measure("snappy uncompress", [&] {
    for (const std::string& body : compressed) require(snappy_uncompress(body, 1 << 30, out));
  });
  table.measure("snappy uncompress, decode", [&] {
    Counter counter;
    for (const std::string& body : compressed) {
      require(snappy_uncompress(body, 1 << 30, out));
      require(decode_push(out.view(), counter));
    }
  });
  std::vector<std::string> json = encode_json(lines);
  table.measure("push json decode", [&] {
    Counter counter;
    for (const std::string& body : json) require(decode_push_json(body, counter));
  });
}

void measure_bytes(Table& table, const std::string& text) {
  std::vector<std::string_view> pages;
  for (size_t at = 0; at < text.size(); at += kPageBytes)
    pages.push_back(std::string_view(text).substr(at, kPageBytes));
  std::vector<ByteBuffer> frames(pages.size());
  table.measure("snappy compress", [&] {
    for (std::string_view page : pages) snappy_compress(page);
  });
  table.measure("zstd 1 compress", [&] {
    for (size_t i = 0; i < pages.size(); ++i) frames[i].clear(), zstd_compress(pages[i], frames[i]);
  });
  ByteBuffer out;
  table.measure("zstd 1 decompress", [&] {
    for (size_t i = 0; i < pages.size(); ++i) require(zstd_decompress_page(frames[i].view(), pages[i].size(), out));
  });
  std::vector<std::string> zipped;
  table.measure("gzip 1 compress", [&] {
    zipped.clear();
    for (std::string_view page : pages) zipped.push_back(gzip_compress(page));
  });
  table.measure("gunzip", [&] {
    for (const std::string& z : zipped) require(gunzip(z, 1 << 30, out));
  });
}

}  // namespace

int main(int argc, char** argv) {
  const size_t megabytes = argc > 1 ? static_cast<size_t>(std::atoi(argv[1])) : 32;
  std::vector<std::string> lines = log_lines(megabytes * 1'000'000);
  std::string text;
  for (const std::string& line : lines) text += line, text += '\n';
  std::printf("%zu lines of %zu bytes\n", lines.size(), text.size() / lines.size());
  Table table(text.size());
  measure_push(table, lines);
  measure_bytes(table, text);
  table.print_json();
  return 0;
}
