#include "tests/bench/block_corpus.h"

#include <array>

#include "pipeline/base/concat.h"

namespace bench {

namespace {

using pipeline::concat;

constexpr size_t kBlockBytes = 256 * 1024, kBlocks = 64;

}  // namespace

Blocks BlockCorpus::make(const std::function<std::string()>& line) {
  Blocks blocks;
  while (blocks.size() < kBlocks) {
    std::string block;
    for (std::string next = line(); block.size() + next.size() < kBlockBytes; next = line()) block += next;
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::string BlockCorpus::text_line() {
  std::string line = concat("worker[", number(5), "] INFO request ", number(9), " from 10.", number(2), ".", number(2),
                            ".7 took ", number(4), " ms, cache miss on shard ", number(2), ", queue depth ", number(3),
                            ", session opened for user u", number(4));
  line.resize(137, 'x');
  return line + "\n";
}

std::string BlockCorpus::json_line() {
  std::string line =
      concat(R"({"time":"2026-11-01T10:00:)", number(2), R"(.)", number(9), R"(Z","level":"info","host":"node-)",
             number(2), R"(","service":"checkout","method":"GET","path":"/api/v1/items/)", number(6),
             R"(","status_code":)", number(3), R"(,"duration_ms":)", number(2), ".", number(3), R"(,"trace_id":")",
             number(9), number(9), R"(","bytes":)", number(5));
  if (line.size() < 217) line.resize(217, '1');
  return line + "}\n";
}

std::string BlockCorpus::logfmt_line() {
  return concat("ts=2026-11-01T10:00:00.", number(9), "Z level=info caller=handler.go:", number(3),
                " msg=\"request served in time\" status=", number(3), " duration=", number(3), "ms path=/api/v1/items/",
                number(6), " trace=", number(9), "\n");
}

std::string BlockCorpus::access_line() {
  return concat("10.", number(2), ".", number(2), ".7 - user", number(2), " [01/Nov/2026:10:00:", second(),
                " +0000] \"GET /api/v1/items/", number(6), "?page=", number(1), " HTTP/1.1\" 200 ", number(5),
                " \"https://shop.example/list/", number(3),
                "\" \"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/", number(3), ".0\"\n");
}

std::string BlockCorpus::stack_trace() {
  std::string entry = concat("2026-11-01 10:00:", second(), ".", number(3), " ERROR [main] c.e.shop.Cart - request ",
                             number(9), " failed after ", number(3), " ms\n");
  if (random_() % 4 != 0) return entry;
  entry += "java.lang.IllegalStateException: the cart is closed\n";
  for (int i = 0; i < 11; ++i) {
    entry +=
        concat("\tat com.example.shop.cart.CartService.addItem(CartService.java:", number(3), ") ~[shop.jar:1.4]\n");
  }
  return entry;
}

std::string BlockCorpus::quiet_line() {
  return concat(time(), " INFO [worker-", number(2), "] handled request ", number(9), " for item ", number(6), " in ",
                number(2), ".", number(3), " ms: cache miss on shard ", number(2), ", queue depth ", number(3), "\n");
}

std::string BlockCorpus::cri(const std::string& line) { return concat(time(), " stdout F ", line); }

std::string BlockCorpus::cri_trace() {
  const std::string trace = stack_trace();
  std::string out;
  for (size_t at = 0; at < trace.size();) {
    const size_t end = trace.find('\n', at) + 1;
    out += cri(trace.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string BlockCorpus::number(size_t digits) {
  std::string out;
  while (out.size() < digits) out += static_cast<char>('0' + random_() % 10);
  if (out[0] == '0') out[0] = '1';
  return out;
}
std::string BlockCorpus::second() { return concat(std::string(1, static_cast<char>('0' + random_() % 6)), number(1)); }
std::string BlockCorpus::time() { return concat("2026-11-01T10:00:", second(), ".", number(9), "Z"); }

}  // namespace bench
