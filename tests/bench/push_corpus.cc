#include "tests/bench/push_corpus.h"

#include "pipeline/base/concat.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"
#include "tests/bench/log_lines.h"

namespace bench {

using namespace pipeline;

namespace {

constexpr size_t kStreams = 100, kStreamsPerBody = 10, kBodyBytes = 1'000'000;
constexpr size_t kStreamBytes = kBodyBytes / kStreamsPerBody;  // of one body
constexpr UnixNanos kHour = 3'600'000'000'000;
constexpr size_t kNeedleLines = 6;

enum class LineKind { kJson, kText, kLogfmt };
constexpr const char* kFormats[] = {"json", "text", "logfmt"};
LineKind kind_of(size_t stream) {
  if (stream % 2 == 0) return LineKind::kJson;
  return stream % 10 == 9 ? LineKind::kLogfmt : LineKind::kText;
}

struct Stream {
  std::string labels;
  LineKind kind;
  Random random;
  ByteBuffer entries = {};
};

std::vector<Stream> make_streams() {
  std::vector<Stream> streams;
  for (size_t i = 0; i < kStreams; ++i) {
    LineKind kind = kind_of(i);
    std::string app = concat("svc-", i < 10 ? "0" : "", i);
    streams.push_back(
        {concat("{app=\"", app, "\", container=\"main\", format=\"", kFormats[static_cast<size_t>(kind)],
                "\", job=\"bench\", namespace=\"ns-", i % 5, "\", pod=\"", app, "-6b8f7c9d", 10 + i, "\"}"),
         kind, Random(100 + i)});
  }
  return streams;
}

class CorpusMaker {
 public:
  CorpusMaker(PushCorpus& corpus, uint64_t raw_bytes)
      : corpus_(corpus), rounds_(std::max<uint64_t>(1, raw_bytes / kBodyBytes / (kStreams / kStreamsPerBody))) {}

  void run() {
    for (uint64_t round = 0; round < rounds_; ++round) {
      for (size_t first = 0; first < kStreams; first += kStreamsPerBody) add_body(round, first);
    }
  }

 private:
  void add_body(uint64_t round, size_t first) {
    PushBody body;
    for (size_t i = first; i < first + kStreamsPerBody; ++i) {
      Stream& stream = streams_[i];
      stream.entries.clear();
      uint64_t bytes = add_lines(stream, i, round);
      corpus_.raw_bytes += bytes;
      raw_bytes_of(stream.kind) += bytes;
      if (i == 0) corpus_.one_stream_raw_bytes += bytes;
      body.add_stream(stream.labels, stream.entries.view());
    }
    corpus_.bodies.push_back(std::make_shared<const std::string>(snappy_compress(body.fragments())));
    corpus_.wire_bytes += corpus_.bodies.back()->size();
  }

  // One stream's part of one body; bytes of its lines.
  uint64_t add_lines(Stream& stream, size_t index, uint64_t round) {
    UnixNanos width = kHour / static_cast<UnixNanos>(rounds_),
              time = corpus_.start + width * static_cast<UnixNanos>(round);
    UnixNanos step = width / 1500;  // a part has fewer lines than that
    uint64_t bytes = 0;
    std::string line;
    for (size_t n = 0; bytes < kStreamBytes; ++n) {
      line.clear();
      bool timeout = false;
      if (stream.kind == LineKind::kJson) {
        LineFacts facts = append_json_line(line, stream.random, time, ++sequence_);
        timeout = facts.timeout_in_the_us;
        if (facts.status_500) ++corpus_.expected.status_500[facts.level < 0 ? "" : kLevels[facts.level]];
      } else if (stream.kind == LineKind::kLogfmt) {
        corpus_.expected.logfmt_errors += append_logfmt_line(line, stream.random, time, ++sequence_);
      } else {
        ++corpus_.expected.text_lines;
        append_text_line(line, stream.random, time, static_cast<uint32_t>(index));
        ++sequence_;
      }
      if (n == 0) hide_needles(line, stream.kind == LineKind::kJson, index, round);
      corpus_.expected.timeout_in_the_us += timeout;
      corpus_.expected.error += line.find("ERROR") != line.npos;
      corpus_.expected.four_groups += has_four_groups(line);
      append_push_entry(stream.entries, time, line);
      ++corpus_.lines, bytes += line.size(), time += step;
    }
    return bytes;
  }

  // Six lines, one each in the first six streams, carry the word; one line the id.
  void hide_needles(std::string& line, bool json, size_t index, uint64_t round) {
    if (round == rounds_ / 3 && index < kNeedleLines) {
      std::string word = concat("pre", kInsideWord, "post");
      json ? line.insert(line.size() - 1, concat(",\"note\":\"", word, "\"")) : line.append(" ").append(word);
      ++corpus_.expected.inside_word;
    }
    if (round == rounds_ / 2 && index == 0) {
      line.insert(line.size() - 1, concat(",\"request\":\"", kPresentId, "\""));
      ++corpus_.expected.present;
    }
  }

  uint64_t& raw_bytes_of(LineKind kind) {
    switch (kind) {
      case LineKind::kJson: return corpus_.json_raw_bytes;
      case LineKind::kLogfmt: return corpus_.logfmt_raw_bytes;
      case LineKind::kText: break;
    }
    return corpus_.text_raw_bytes;
  }

  PushCorpus& corpus_;
  const uint64_t rounds_;
  std::vector<Stream> streams_ = make_streams();
  uint64_t sequence_ = 0;
};

}  // namespace

PushCorpus::PushCorpus(uint64_t bytes, UnixNanos end_time) : start(end_time - kHour), end(end_time) {
  CorpusMaker(*this, bytes).run();
}

}  // namespace bench
