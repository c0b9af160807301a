#include "server/ingest/push_handler.h"

#include "pipeline/base/checksum.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {

constexpr std::chrono::milliseconds kHoldCheck{100};
constexpr std::string_view kOverloaded = "The server cannot accept more requests at this time.";  // Loki's text
constexpr std::string_view kLate = "The push could not be stored in time; it may be sent again.";

int status_of(const Error& error) {
  switch (error.code) {
    case Errc::kInvalid: return 400;
    case Errc::kOverLimit: return 413;
    default: return 503;
  }
}

PushAnswer refusal(const Error& error) { return {status_of(error), error.message, false}; }
PushAnswer unavailable(std::string text) { return {503, std::move(text), false}; }

}  // namespace

struct PushHandler::Push {
  std::string tenant;
  std::string body;
  PushBodyKind kind;
  std::optional<BatchNumber> number;
  pipeline::UnixNanos received = 0;
  uint64_t cost = 0;     // counted in on_their_way_
  bool claimed = false;  // of the number
  std::chrono::nanoseconds deadline{0};
  HttpResponder responder;
  std::atomic<bool> answered{false};
};

PushHandler::PushHandler(pipeline::Loop& loop, pipeline::WorkerPool& workers, Committer& committer,
                         std::function<uint64_t()> held_bytes, BatchNumbers& numbers, StreamTable& streams,
                         const LimitTable& limits, const pipeline::Clock& clock, pipeline::Registry& registry,
                         PushHandlerOptions options, std::function<void()> committed)
    : loop_(loop),
      workers_(workers),
      committer_(committer),
      held_bytes_(std::move(held_bytes)),
      numbers_(numbers),
      streams_(streams),
      rules_(limits),
      clock_(clock),
      options_(options),
      committed_(std::move(committed)),
      metrics_(registry),
      hold_timer_(loop, [this] { on_timer(); }),
      self_(std::make_shared<PushHandler*>(this)) {}

PushHandler::~PushHandler() = default;

void PushHandler::handle(std::string tenant, HttpRequest request, HttpResponder responder) {
  auto refuse = [&](const Error& error) { send(responder, refusal(error)); };
  auto kind = push_body_kind(request.headers.get("Content-Type"), request.headers.get("Content-Encoding"));
  if (!kind) return refuse(kind.error());
  std::optional<BatchNumber> number;
  if (auto header = request.headers.get("X-Skidway-Batch"); !header.empty()) {
    auto parsed = parse_batch_number(header);
    if (!parsed) return refuse(parsed.error());
    number = *parsed;
  }
  metrics_.on_body(request.body.size());
  auto push = std::make_shared<Push>(std::move(tenant), std::move(request.body), *kind, number, clock_.wall(), 0ul,
                                     false, clock_.monotonic() + options_.hold, std::move(responder));
  if (stopping_) return send(push->responder, unavailable("the server is stopping"));
  if (!held_.empty() || !has_room()) return hold_back(std::move(push));
  begin(std::move(push));
}

bool PushHandler::has_room() const { return held_bytes_() + on_their_way_ < options_.budget_bytes; }

void PushHandler::begin(PushPtr push) {
  if (push->number) {
    BatchNumbers::Waiter waiter = [push](const PushAnswer& answer) { reply(*push, answer); };
    auto claim = numbers_.claim(push->tenant, *push->number, waiter);
    if (claim != BatchNumbers::Claim::kFirst) metrics_.on_duplicate_batch();
    if (claim == BatchNumbers::Claim::kStored) return reply(*push, PushAnswer{});
    if (claim == BatchNumbers::Claim::kWaiting) return watch(push);
    push->claimed = true;
  }
  push->cost = push->body.size() * 2;  // it will be decoded; its true size is known only then
  on_their_way_ += push->cost;
  ++coming_;
  watch(push);
  workers_.run(
      [this, push] {
        work(push);
        --coming_;
      },
      [this, push](Result<void> done) {
        if (done) return;
        --coming_;
        answer(push, unavailable("the server is stopping"));
      });
}

void PushHandler::hold_back(PushPtr push) {
  held_.push_back(std::move(push));
  any_held_ = true;
  metrics_.on_held(held_.size());
  if (!hold_timer_.active()) hold_timer_.start_repeating(kHoldCheck);
}

void PushHandler::watch(const PushPtr& push) {
  begun_.push_back(push);
  if (!hold_timer_.active()) hold_timer_.start_repeating(kHoldCheck);
}

void PushHandler::on_timer() {
  admit_held();
  give_up_late();
  if (held_.empty() && begun_.empty()) hold_timer_.stop();
}

void PushHandler::admit_held() {
  auto now = clock_.monotonic();
  while (!held_.empty() && (has_room() || held_.front()->deadline <= now)) {
    PushPtr first = std::move(held_.front());
    held_.pop_front();
    if (has_room()) {
      begin(std::move(first));
    } else {
      metrics_.on_unavailable();
      reply(*first, unavailable(std::string(kOverloaded)));
    }
  }
  metrics_.on_held(held_.size());
  if (held_.empty()) any_held_ = false;
}

// Nobody is left without an answer for longer than senders wait, whatever the log or the store does.
void PushHandler::give_up_late() {
  auto now = clock_.monotonic();
  for (; !begun_.empty(); begun_.pop_front()) {
    PushPtr push = begun_.front().lock();
    if (!push || push->answered) continue;
    if (push->deadline > now) return;
    metrics_.on_unavailable();
    reply(*push, unavailable(std::string(kLate)));
  }
}

void PushHandler::on_room() {
  if (!any_held_) return;
  loop_.post([watch = std::weak_ptr(self_)] {
    if (auto self = watch.lock()) (*self)->admit_held();
  });
}

void PushHandler::stop() {
  stopping_ = true;
  for (const PushPtr& held : held_) reply(*held, unavailable("the server is stopping"));
  held_.clear();
  any_held_ = false;
}

// Thread: worker.
void PushHandler::work(const PushPtr& push) {
  auto rules = rules_.of(push->tenant);
  PushDecoding decoding{push->tenant, *rules, push->received, options_.max_raw_bytes};
  auto decoded = decode_push_request(push->kind, push->body, decoding, streams_);
  if (!decoded) return answer(push, refusal(decoded.error()));
  metrics_.on_refused(push->tenant, decoded->rejections);
  if (!decoded->entries.empty()) return commit(push, *std::move(decoded));
  if (!decoded->rejections.empty()) return answer(push, {400, decoded->rejections.text(), false});
  if (decoded->streams == 0)
    return answer(push, {422, "error at least one valid stream is required for ingestion", false});
  answer(push, PushAnswer{});
}

// Thread: worker.
void PushHandler::commit(const PushPtr& push, DecodedPush decoded) {
  WalFrame frame;
  frame.received = push->received;
  frame.tenant = push->tenant;
  frame.batch = push->number;
  PushAnswer success{204, {}, true};
  if (decoded.rejections.empty()) {
    frame.format = push->kind.format;
    frame.encoding = push->kind.encoding;
    frame.body = std::move(push->body);
  } else {
    frame.body = encode_push(decoded.entries);  // what was refused must not come back with the replay
    success = {400, decoded.rejections.text(), true};
  }
  frame.body_crc = pipeline::crc32c(frame.body);
  uint64_t bytes = decoded.entries.raw_bytes(), entries = decoded.entries.columns.size();
  uint64_t received = bytes - decoded.discovered_bytes;
  uint64_t cost = bytes + frame.body.size();
  on_their_way_ += cost - push->cost;  // wraps around where it is less, and comes out right
  push->cost = cost;
  committer_.commit(std::move(frame), std::move(decoded.entries),
                    [this, push, success = std::move(success), received, entries](Result<void> committed) mutable {
                      if (!committed)
                        return answer(push, unavailable(concat("cannot store: ", committed.error().message)));
                      metrics_.on_stored(push->tenant, entries, received);
                      answer(push, std::move(success));
                      committed_();
                    });
}

// Thread: any. Exactly once for each push begun.
void PushHandler::answer(const PushPtr& push, PushAnswer answer) {
  if (answer.status == 503) metrics_.on_unavailable();
  on_their_way_ -= push->cost;
  reply(*push, answer);
  if (push->claimed) numbers_.finish(push->tenant, *push->number, answer);
  on_room();
}

// Thread: any. Only the first answer counts: the loop may have given up meanwhile.
void PushHandler::reply(Push& push, const PushAnswer& answer) {
  if (!push.answered.exchange(true)) send(push.responder, answer);
}

// Thread: any.
void PushHandler::send(HttpResponder& responder, const PushAnswer& answer) {
  if (answer.status == 204) return responder.send(HttpResponse::empty(204));
  auto response = HttpResponse::text(answer.status, concat(answer.text, "\n"));

  if (answer.status == 503) response.headers.add("Retry-After", "1");
  responder.send(std::move(response));
}

}  // namespace server
