// Intake: the requests of one receiver on their way.
//
//   loop: seen before? room?  ->  worker: decode  ->  loop: StreamReader::take  ->  settled: the answer
//
// A client is told that its entries were taken only after every sink acknowledged them, the spool synced them, or they
// were dropped with a counted reason. When that takes longer than kHold, or there is no room, it is told 503 with
// Retry-After: 1, and keeps them; a request that comes again while the first is under way waits for the same
// settlement.
//
// Life:    shared: what is under way holds it. stop(): new requests are answered 503, those under way when they settle.
// Thread:  loop.
// Limits:  kDecodingBytes of bodies wait for the worker, RequestTable::kMaxUnderway requests for their settlement; else
//          as StreamReader::full().
#pragma once

#include <memory>
#include <string>

#include "agent/receiver/receiver_protocol.h"
#include "agent/receiver/request_table.h"
#include "agent/stream/stream_source.h"
#include "pipeline/base/log.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"

namespace agent {

// Under Promtail's and Alloy's names too, where they have one.
struct IntakeMetrics {
  IntakeMetrics(pipeline::Registry& registry, const std::string& source, const std::string& type);
  pipeline::Counter& outcome(std::string_view name);

  pipeline::Registry& registry;
  const std::string source;
  pipeline::Counter &entries, &bytes, &refused_entries, &upstream_entries, &upstream_refused;
  pipeline::Gauge& waiting;
};

class Intake : public std::enable_shared_from_this<Intake> {
 public:
  static constexpr std::chrono::seconds kHold{8};  // below the 10 s after which Promtail and Alloy give up
  static constexpr uint64_t kDecodingBytes = 4 << 20;

  Intake(const StreamParts& parts, std::shared_ptr<const ReceiverProtocol> protocol);
  ~Intake();

  void handle(pipeline::HttpRequest request, pipeline::HttpResponder responder);
  void stop();

 private:
  using RequestPtr = RequestTable::RequestPtr;
  std::optional<pipeline::Hash128> identity_of(const pipeline::HttpRequest& request, bool& numbered) const;
  bool has_room() const;
  void begin(RequestPtr request, std::string body);
  void on_decoded(const RequestPtr& request, pipeline::Result<ReceivedEntries> entries);
  void on_settled(const RequestPtr& request, bool settled, std::optional<pipeline::Error> refused);
  void wait(UnderwayRequest& request, pipeline::HttpResponder responder);
  void look_at_waiters();
  void finish(const RequestPtr& request, bool settled, const pipeline::HttpResponse& answer);
  void come_again(const pipeline::HttpRequest& request, pipeline::HttpResponder& responder, std::string_view outcome,
                  std::string text);
  pipeline::HttpResponse come_again_answer(const pipeline::HttpRequest& request, std::string text) const;
  // 4xx, with what is wrong; the log names the client.
  pipeline::HttpResponse refusal(const pipeline::HttpRequest& request, const pipeline::Error& error);

  StreamReader& reader_;
  MemoryBudget& memory_;
  const pipeline::Clock& clock_;
  const std::shared_ptr<const ReceiverProtocol> protocol_;
  IntakeMetrics metrics_;
  RequestTable table_;
  uint64_t decoding_bytes_ = 0;
  bool stopped_ = false;
  pipeline::LogLimiter refused_requests_;
  pipeline::Timer timer_;
  pipeline::WorkerPool worker_;  // of one thread: entries keep the order of their requests
};

}  // namespace agent
