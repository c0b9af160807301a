#include "tests/bench/push_sink.h"

#include <future>

#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"
#include "tests/bench/program.h"

namespace bench {

using namespace pipeline;

namespace {

constexpr uint64_t kBodyLimit = 256 << 20;

// The value of `pod` in {..., pod="x", ...}.
std::string_view pod_of(std::string_view labels) {
  constexpr std::string_view kKey = "pod=\"";
  for (size_t at = labels.find(kKey); at != labels.npos; at = labels.find(kKey, at + 1)) {
    if (labels[at - 1] != '{' && labels[at - 1] != ' ' && labels[at - 1] != ',') continue;
    labels.remove_prefix(at + kKey.size());
    return labels.substr(0, labels.find('"'));
  }
  return {};
}

class Summing final : public PushVisitor {
 public:
  EntrySums sums;
  void on_stream(std::string_view labels, size_t) override { pod_hash_ = hash64(pod_of(labels)); }
  void on_entry(UnixNanos, std::string_view line, std::span<const Metadata>) override { sums.add(pod_hash_, line); }

 private:
  uint64_t pod_hash_ = 0;
};

}  // namespace

PushSink::PushSink() {
  std::promise<void> listening;
  loop_thread_ = std::thread([this, &listening] {
    loop_ = must(Loop::create());
    server_ = must(HttpServer::listen(*loop_, registry_, {.max_body_bytes = kBodyLimit},
                                      [this](HttpRequest request, HttpResponder responder) {
                                        if (away_) return responder.send(HttpResponse::text(503, "away"));
                                        responder.send(HttpResponse::empty(204));
                                        std::lock_guard lock(mutex_);
                                        ++received_.requests, ++received_.waiting;
                                        received_.wire_bytes += request.body.size();
                                        bodies_.push_back(std::move(request.body));
                                        changed_.notify_all();
                                      }));
    port_ = server_->port();
    listening.set_value();
    loop_->run();
    server_.reset();
    loop_.reset();
  });
  listening.get_future().wait();
  decoder_ = std::thread([this] { decode_all(); });
}

PushSink::~PushSink() {
  loop_->stop();
  loop_thread_.join();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  decoder_.join();
}

void PushSink::decode_all() {
  ByteBuffer request;
  for (;;) {
    std::string body;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !bodies_.empty(); });
      if (bodies_.empty()) return;
      body = std::move(bodies_.front());
      bodies_.pop_front();
    }
    Summing summing;
    must(snappy_uncompress(body, kBodyLimit, request));
    must(decode_push(request.view(), summing));
    std::lock_guard lock(mutex_);
    received_.sums.lines += summing.sums.lines;
    received_.sums.bytes += summing.sums.bytes;
    received_.sums.hash += summing.sums.hash;
    --received_.waiting;
    changed_.notify_all();
  }
}

PushSink::Received PushSink::received() const {
  std::lock_guard lock(mutex_);
  return received_;
}

bool PushSink::wait_lines(uint64_t lines, double patience) const {
  std::unique_lock lock(mutex_);
  while (received_.sums.lines < lines) {
    uint64_t before = received_.sums.lines;
    if (!changed_.wait_for(lock, std::chrono::duration<double>(patience),
                           [&] { return received_.sums.lines > before; }))
      return false;
  }
  return true;
}

}  // namespace bench
