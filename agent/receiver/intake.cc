#include "agent/receiver/intake.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::Hash128;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {
constexpr std::chrono::milliseconds kLookEvery{250};
constexpr size_t kLongestNumber = 128;  // a uuid and two numbers of up to 20 digits
constexpr std::string_view kNumberHeader = "X-Skidway-Batch";

pipeline::Counter& counter(pipeline::Registry& registry, std::string_view name, std::string_view help,
                           pipeline::MetricLabels labels) {
  return registry.counter(name, help, std::move(labels));
}
}  // namespace

IntakeMetrics::IntakeMetrics(pipeline::Registry& r, const std::string& name, const std::string& type)
    : registry(r),
      source(name),
      entries(counter(r, "skidway_agent_receiver_entries_total", "Entries taken from clients.", {{"source", name}})),
      bytes(counter(r, "skidway_agent_receiver_bytes_total", "Bytes of their lines and metadata.", {{"source", name}})),
      refused_entries(counter(r, "skidway_agent_receiver_refused_entries_total",
                              "Entries of streams whose labels cannot be read; their clients were told (400).",
                              {{"source", name}})),
      upstream_entries(
          type == "otlp"
              ? counter(r, "otelcol_receiver_accepted_log_records_total", "Log records taken from clients.",
                        {{"receiver", name}, {"transport", "http"}})
              : counter(r, "loki_source_api_entries_written", "Entries taken from clients.", {{"source", name}})),
      upstream_refused(type == "otlp" ? counter(r, "otelcol_receiver_refused_log_records_total",
                                                "Log records that could not be taken.",
                                                {{"receiver", name}, {"transport", "http"}})
                                      : refused_entries),
      waiting(r.gauge("skidway_agent_receiver_waiting_requests", "Requests whose entries are not settled yet.",
                      {{"source", name}})) {}

// taken, partly (some streams refused), refused, repeated (seen before), full, unsettled (told to come again).
pipeline::Counter& IntakeMetrics::outcome(std::string_view name) {
  return counter(registry, "skidway_agent_receiver_requests_total", "Requests by what became of them.",
                 {{"source", source}, {"outcome", std::string(name)}});
}

Intake::Intake(const StreamParts& parts, std::shared_ptr<const ReceiverProtocol> protocol)
    : reader_(parts.reader),
      memory_(parts.memory),
      clock_(parts.clock),
      protocol_(std::move(protocol)),
      metrics_(parts.registry, parts.options->name, parts.options->stream_type),
      timer_(parts.loop, [this] { look_at_waiters(); }),
      worker_(parts.loop, "receiver", 1) {}

Intake::~Intake() = default;

void Intake::handle(HttpRequest request, HttpResponder responder) {
  if (stopped_) return come_again(request, responder, "unsettled", "the agent is stopping");
  bool numbered = false;
  auto identity = identity_of(request, numbered);
  RequestPtr before;
  auto seen = identity ? table_.look(*identity, before) : RequestTable::Seen::kNew;
  if (seen != RequestTable::Seen::kNew) metrics_.outcome("repeated").add();
  if (seen == RequestTable::Seen::kSettled) return responder.send(protocol_->taken(request));
  if (seen == RequestTable::Seen::kUnderway) return wait(*before, std::move(responder));
  if (!has_room())
    return come_again(request, responder, "full", "no room for more until a sink takes what waits; send it again");
  auto fresh = std::make_shared<UnderwayRequest>();
  fresh->identity = identity;
  fresh->numbered = numbered;
  std::string body = std::move(request.body);
  fresh->request = std::move(request);
  wait(*fresh, std::move(responder));
  begin(std::move(fresh), std::move(body));
}

std::optional<Hash128> Intake::identity_of(const HttpRequest& request, bool& numbered) const {
  std::string_view number = request.headers.get(kNumberHeader);
  numbered = !number.empty() && number.size() <= kLongestNumber;
  if (!numbered && !protocol_->repeatable()) return std::nullopt;
  std::string text = concat(request.path, "\n", request.client_name, "\n", request.headers.get("X-Scope-OrgID"), "\n");
  if (numbered) return pipeline::hash128(concat(text, "number ", number));
  Hash128 body = pipeline::hash128(request.body);
  return pipeline::hash128(concat(text, request.headers.get("Content-Type"), "\n",
                                  request.headers.get("Content-Encoding"), "\n", body.high, "/", body.low, "/",
                                  request.body.size()));
}

bool Intake::has_room() const {
  return !reader_.full() && decoding_bytes_ < kDecodingBytes && table_.underway() < RequestTable::kMaxUnderway;
}

void Intake::begin(RequestPtr request, std::string body) {
  table_.begin(request);
  metrics_.waiting.set(static_cast<int64_t>(table_.underway()));
  if (!timer_.active()) timer_.start_repeating(kLookEvery);
  const uint64_t bytes = body.size();
  decoding_bytes_ += bytes;
  memory_.add(bytes);
  // The request is the worker's until it comes back; the loop touches its waiters only.
  worker_.run(
      [protocol = protocol_, head = request->request, body = std::move(body)]() mutable {
        head.body = std::move(body);
        return protocol->read(head);
      },
      [self = shared_from_this(), request, bytes](Result<ReceivedEntries> entries) {
        self->decoding_bytes_ -= bytes;
        self->memory_.release(bytes);
        self->on_decoded(request, std::move(entries));
      });
}

void Intake::on_decoded(const RequestPtr& request, Result<ReceivedEntries> entries) {
  if (!entries && entries.error().code == Errc::kCancelled)
    return finish(request, false, come_again_answer(request->request, "the agent is stopping"));
  if (!entries) {
    metrics_.outcome("refused").add();
    return finish(request, false, refusal(request->request, entries.error()));
  }
  metrics_.entries.add(entries->entries);
  metrics_.upstream_entries.add(entries->entries);
  metrics_.bytes.add(entries->bytes);
  if (entries->refused_entries > 0) metrics_.refused_entries.add(entries->refused_entries);
  if (entries->parcel.empty()) return on_settled(request, true, std::move(entries->refused));
  entries->parcel.client_waits = true;
  reader_.take(std::move(entries->parcel),
               [self = shared_from_this(), request, refused = std::move(entries->refused)](bool settled) mutable {
                 self->on_settled(request, settled, std::move(refused));
               });
}

void Intake::on_settled(const RequestPtr& request, bool settled, std::optional<Error> refused) {
  if (!settled) return finish(request, false, come_again_answer(request->request, "the agent stops; send it again"));
  metrics_.outcome(refused ? "partly" : "taken").add();
  if (refused) return finish(request, false, refusal(request->request, *refused));
  finish(request, true, protocol_->taken(request->request));
}

void Intake::finish(const RequestPtr& request, bool settled, const HttpResponse& answer) {
  table_.end(request, settled);
  for (auto& waiter : request->waiters) waiter.responder.send(answer);
  request->waiters.clear();
  metrics_.waiting.set(static_cast<int64_t>(table_.underway()));
  if (table_.underway() == 0) timer_.stop();
}

void Intake::wait(UnderwayRequest& request, HttpResponder responder) {
  request.waiters.push_back({std::move(responder), clock_.monotonic() + kHold});
}

void Intake::look_at_waiters() {
  auto now = clock_.monotonic();
  for (const RequestPtr& request : table_.all())
    std::erase_if(request->waiters, [&](UnderwayRequest::Waiter& waiter) {
      if (waiter.until > now) return false;
      come_again(request->request, waiter.responder, "unsettled",
                 "not every sink has taken the entries yet; send them again to hear when");
      return true;
    });
}

void Intake::stop() {
  stopped_ = true;
  worker_.stop();  // what was not decoded is told to come again
}

HttpResponse Intake::come_again_answer(const HttpRequest& request, std::string text) const {
  HttpResponse response = protocol_->refusal(request, 503, std::move(text));
  response.headers.add("Retry-After", "1");
  return response;
}

void Intake::come_again(const HttpRequest& request, HttpResponder& responder, std::string_view outcome,
                        std::string text) {
  metrics_.outcome(outcome).add();
  responder.send(come_again_answer(request, std::move(text)));
}

HttpResponse Intake::refusal(const HttpRequest& request, const Error& error) {
  int status = error.code == Errc::kOverLimit ? 413 : error.code == Errc::kNotFound ? 415 : 400;
  if (auto held_back = refused_requests_.allow())
    pipeline::log_warn("request refused", {{"source", metrics_.source},
                                           {"peer", request.peer},
                                           {"client", request.client_name},
                                           {"path", request.path},
                                           {"status", status},
                                           {"error", error},
                                           {"held_back", *held_back}});
  return protocol_->refusal(request, status, error.message);
}

}  // namespace agent
