#include "server/ingest/push_handler.h"

#include "pipeline/base/checksum.h"
#include "pipeline/base/log.h"
#include "pipeline/http/http_form.h"
#include "pipeline/model/quoted_text.h"

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
constexpr std::string_view kBackfillHeader = "X-Loki-Backfill-Shard";
constexpr size_t kLongestBackfillShard = 128;  // Loki's
constexpr std::string_view kLate = "The push could not be stored in time; it may be sent again.";

int status_of(const Error& error) {
  switch (error.code) {
    case Errc::kInvalid: return 400;
    case Errc::kOverLimit: return 413;
    default: return 503;
  }
}

PushAnswer refusal(const Error& error) { return {status_of(error), error.message}; }
PushAnswer unavailable(std::string text) { return {503, std::move(text)}; }

// ?message_field=a,b&time_field=c&stream_fields=d.e,f take the place of the fields otherwise looked for.
Result<DocumentForm> document_form_of(const HttpRequest& request) {
  DocumentForm form;
  form.index = request.path_value("index");
  TRY_LET(auto parameters, pipeline::HttpForm::parse(request.query));
  auto read = [&](std::string_view name, std::vector<std::string>& fields) {
    auto given = parameters.find(name);
    if (!given) return;
    fields.clear();
    for (std::string_view rest = *given; !rest.empty();) {
      size_t comma = rest.find(',');
      if (comma != 0) fields.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
  };
  read("message_field", form.line_fields);
  read("time_field", form.time_fields);
  read("stream_fields", form.stream_fields);
  return form;
}

Result<std::string> backfill_shard_of(const HttpRequest& request) {
  std::string shard(request.headers.get(kBackfillHeader));
  if (shard.size() > kLongestBackfillShard)
    return pipeline::fail(Errc::kInvalid, concat("invalid ", kBackfillHeader, " header: value length ", shard.size(),
                                                 " exceeds limit of ", kLongestBackfillShard));
  if (!pipeline::is_valid_utf8(shard))
    return pipeline::fail(Errc::kInvalid, concat("invalid ", kBackfillHeader, " header: must be a valid label value"));
  return shard;
}

uint64_t counted_bytes_of(const PushedEntries& entries) {
  uint64_t bytes = 0;
  for (const auto& part : entries.parts) bytes += part.counted_bytes;
  return bytes;
}

// Of JSON lines: which of them are wrong, and why.
void add_faulty_lines(std::string& text, const std::vector<DocumentOutcome>& outcomes) {
  constexpr size_t kTold = 10;
  size_t faulty = 0;
  for (const DocumentOutcome& one : outcomes) {
    if (one.status == 201 || ++faulty > kTold) continue;
    text += concat(text.empty() ? "" : "; ", "line ", one.line, ": ", one.text);
  }
  if (faulty > kTold) text += concat("; and ", faulty - kTold, " further lines");
}

}  // namespace

struct PushHandler::Push {
  HttpResponder responder;
  PushProtocol protocol;
  std::string tenant;
  pipeline::UnixNanos received = 0;
  std::string body = {};
  PushBodyKind kind = {};
  DocumentForm documents = {};  // of a push that consists of documents
  std::string backfill_shard = {};
  std::optional<BatchNumber> number = std::nullopt;
  uint64_t cost = 0;     // counted in on_their_way_
  bool claimed = false;  // of the number
  std::chrono::nanoseconds deadline{0};
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

void PushHandler::handle(PushProtocol protocol, std::string tenant, HttpRequest request, HttpResponder responder) {
  auto push = std::make_shared<Push>(std::move(responder), protocol, std::move(tenant), clock_.wall());
  push->deadline = clock_.monotonic() + options_.hold;
  auto refuse = [&](const Error& error) { reply(*push, refusal(error)); };
  auto kind = push_body_kind(protocol, request.headers.get("Content-Type"), request.headers.get("Content-Encoding"));
  if (!kind) return refuse(kind.error());
  push->kind = *kind;
  if (auto header = request.headers.get("X-Skidway-Batch"); !header.empty()) {
    auto parsed = parse_batch_number(header);
    if (!parsed) return refuse(parsed.error());
    push->number = *parsed;
  }
  auto shard = backfill_shard_of(request);
  if (!shard) return refuse(shard.error());
  push->backfill_shard = *std::move(shard);
  if (protocol == PushProtocol::kElasticsearch || protocol == PushProtocol::kJsonLines) {
    auto form = document_form_of(request);
    if (!form) return refuse(form.error());
    push->documents = *std::move(form);
  }
  metrics_.on_body(request.body.size());
  push->body = std::move(request.body);
  if (stopping_) return reply(*push, unavailable("the server is stopping"));
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
  PushDecoding decoding{push->tenant,     *rules,     push->received,     options_.max_raw_bytes,
                        &push->documents, &activity_, clock_.monotonic(), push->backfill_shard};
  auto decoded = decode_push_request(push->kind, push->body, decoding, streams_);
  if (!decoded) {
    if (decoded.error().code == Errc::kOverLimit) metrics_.on_too_large(push->tenant, push->body.size());
    return answer(push, refusal(decoded.error()));
  }
  if (blocked(push, rules->limits(), *decoded)) return;
  admit(*push, rules->limits(), *decoded);
  metrics_.on_refused(push->tenant, decoded->rejections);
  if (decoded->cut_lines > 0) metrics_.on_cut(push->tenant, decoded->cut_lines, decoded->cut_bytes);
  if (!decoded->entries.parts.empty()) return commit(push, *std::move(decoded));
  PushAnswer outcome = answer_of(*push, *decoded);
  if (outcome.status == 204 && decoded->streams == 0 && decoded->outcomes.empty())
    outcome = {422, "error at least one valid stream is required for ingestion"};
  answer(push, std::move(outcome));
}

// What a push is told once its accepted entries are durable.
PushAnswer PushHandler::answer_of(const Push& push, const DecodedPush& decoded) {
  PushAnswer answer;
  for (size_t i = 0; i < static_cast<size_t>(RejectReason::kCount); ++i)
    answer.refused += decoded.rejections.entries(static_cast<RejectReason>(i));
  if (!decoded.rejections.empty()) answer.status = decoded.rejections.status(), answer.text = decoded.rejections.text();
  if (push.protocol == PushProtocol::kElasticsearch && answer.status != 429)
    answer.document = bulk_answer(decoded.outcomes);
  if (push.protocol == PushProtocol::kJsonLines && answer.status != 429) {
    answer.text.clear();
    add_faulty_lines(answer.text, decoded.outcomes);
    if (!answer.text.empty()) answer.status = 400;
  }
  return answer;
}

// block_ingestion_until. True: answered.
bool PushHandler::blocked(const PushPtr& push, const TenantLimits& limits, const DecodedPush& decoded) {
  if (push->received >= limits.block_ingestion_until) return false;
  Rejections refused;
  auto status = static_cast<int>(limits.block_ingestion_status_code);
  std::string text = blocked_text(push->tenant, limits.block_ingestion_until, limits.block_ingestion_status_code);
  refused.add_last(RejectReason::kBlocked, status, text, decoded.entries.columns.size(),
                   counted_bytes_of(decoded.entries));
  metrics_.on_refused(push->tenant, refused);
  answer(push, status == 200 ? PushAnswer{} : PushAnswer{status, std::move(text)});
  return true;
}

// The limits that look at more than this push: what they refuse is taken out of `decoded`.
void PushHandler::admit(const Push& push, const TenantLimits& limits, DecodedPush& decoded) {
  auto& parts = decoded.entries.parts;
  const EntryColumns& columns = decoded.entries.columns;
  if (parts.empty()) return;
  const auto now = clock_.monotonic();
  if (uint64_t bytes = counted_bytes_of(decoded.entries); !activity_.take_bytes(push.tenant, limits, bytes, now)) {
    auto limit = static_cast<uint64_t>(limits.ingestion_rate_mb * 1024 * 1024);
    decoded.rejections.add_last(RejectReason::kRateLimited, 429,
                                rate_limited_text(push.tenant, limit, columns.size(), bytes), columns.size(), bytes);
    return parts.clear();
  }
  std::erase_if(parts, [&](const PushedEntries::Part& part) {
    const uint64_t entries = part.end - part.begin, bytes = part.counted_bytes;
    switch (activity_.admit(push.tenant, part.stream->id, limits, bytes, now)) {
      case StreamActivity::Admission::kYes: return false;
      case StreamActivity::Admission::kTooManyStreams:
        decoded.rejections.add_last(RejectReason::kStreamLimit, 429,
                                    stream_limit_text(push.tenant, part.stream->text()), entries, bytes);
        break;
      case StreamActivity::Admission::kTooFast:
        decoded.rejections.add_last(RejectReason::kPerStreamRateLimit, 429,
                                    per_stream_rate_text(part.stream->text(), limits.per_stream_rate_limit, bytes),
                                    entries, bytes);
        break;
    }
    return true;
  });
}

// Thread: worker.
void PushHandler::commit(const PushPtr& push, DecodedPush decoded) {
  WalFrame frame;
  frame.received = push->received;
  frame.tenant = push->tenant;
  frame.batch = push->number;
  PushAnswer success = answer_of(*push, decoded);
  success.stored = true;
  bool as_sent = decoded.rejections.empty() && !decoded.rewritten && push->kind.format <= BodyFormat::kJson;
  if (as_sent) {
    frame.format = push->kind.format;
    frame.encoding = push->kind.encoding;
    frame.body = std::move(push->body);
    frame.line_levels = std::move(decoded.line_levels).take_bytes();
  } else {
    frame.body = encode_push(decoded.entries);  // what was refused must not come back with the replay
  }
  frame.body_crc = pipeline::crc32c(frame.body);
  uint64_t bytes = decoded.entries.raw_bytes(), entries = 0;
  const uint64_t received = counted_bytes_of(decoded.entries);
  for (const auto& part : decoded.entries.parts) entries += part.end - part.begin;
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
  if (!push.answered.exchange(true)) send(push, answer);
}

// Thread: any.
void PushHandler::send(Push& push, const PushAnswer& answer) {
  bool json = push.kind.format == BodyFormat::kOtlpJson;
  push.responder.send(push_response(push.protocol, json, answer));
}

}  // namespace server
