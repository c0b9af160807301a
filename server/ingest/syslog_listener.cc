#include "server/ingest/syslog_listener.h"

#include "pipeline/base/log.h"
#include "pipeline/parse/syslog_frames.h"
#include "server/ingest/syslog_push.h"

namespace server {

using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto kLook = 100ms;  // a message behind which nothing came for so long is whole
constexpr auto kRetry = 1s;

}  // namespace

class SyslogListener::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(SyslogListener& home, std::unique_ptr<pipeline::TcpStream> stream)
      : home_(home),
        frames_(home.options_.max_message_bytes, pipeline::SyslogTrailer::kNextMessage),
        on_frame_([this](std::string_view frame) { add(frame); }),
        stream_(std::move(stream)) {}

  void start() {
    stream_->start_reading([this](std::string_view bytes) { on_bytes(bytes); },
                           [this](Result<void> end) { on_end(std::move(end)); });
  }
  bool over() const { return ended_ && !in_flight_ && body_.empty() && push_.empty(); }

  void look(std::chrono::nanoseconds now) {
    if (!ended_ && frames_.has_whole() && now - last_bytes_ >= kLook) frames_.flush(on_frame_);
    if (!in_flight_ && now >= not_before_) submit();
  }

  void stop() {
    if (!ended_) on_end({});
    if (!in_flight_) submit();
  }

 private:
  void add(std::string_view frame) {
    home_.messages_.add();
    if (!push_.add(frame, home_.clock_.wall())) home_.faults_.add();
  }

  void on_bytes(std::string_view bytes) {
    last_bytes_ = home_.clock_.monotonic();
    auto fed = frames_.feed(bytes, on_frame_);
    if (!fed) {
      pipeline::log_warn("syslog: connection closed", {{"peer", stream_->peer()}, {"error", fed.error()}});
      home_.faults_.add();
      on_end({});
    }
    submit();
  }

  void on_end(Result<void>) {
    if (ended_) return;
    ended_ = true;
    frames_.finish(on_frame_);
    stream_->close();
    submit();
  }

  // One push at a time; nothing is read while it is on its way.
  void submit() {
    if (in_flight_ || (body_.empty() && push_.empty())) return;
    if (body_.empty()) body_ = push_.take();
    in_flight_ = true;
    if (!ended_) stream_->pause_reading();
    HttpRequest request;
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-protobuf");
    request.body = body_;  // kept for a repetition
    home_.push_(std::move(request),
                HttpResponder([self = weak_from_this(), &loop = home_.loop_](HttpResponse response, std::string_view) {
                  loop.post([self, status = response.status, why = std::move(response.body)] {
                    if (auto connection = self.lock()) connection->on_answer(status, why);
                  });
                }));
  }

  void on_answer(int status, const std::string& why) {
    in_flight_ = false;
    if (status == 503 || status == 429) {  // the body stays; look() pushes it again
      home_.retries_.add();
      not_before_ = home_.clock_.monotonic() + kRetry;
      return;
    }
    if (status >= 300) pipeline::log_debug("syslog: entries refused", {{"error", why}});  // counted by the push
    body_.clear();
    submit();
    if (!in_flight_ && !ended_) stream_->resume_reading();
  }

  SyslogListener& home_;
  pipeline::SyslogFrames frames_;
  const pipeline::SyslogFrames::OnFrame on_frame_;
  std::unique_ptr<pipeline::TcpStream> stream_;
  SyslogPush push_;   // read, not yet submitted
  std::string body_;  // submitted, not yet stored
  bool in_flight_ = false, ended_ = false;
  std::chrono::nanoseconds last_bytes_{0}, not_before_{0};
};

Result<std::unique_ptr<SyslogListener>> SyslogListener::listen(pipeline::Loop& loop, const pipeline::Clock& clock,
                                                               pipeline::Registry& registry, SyslogOptions options,
                                                               Push push) {
  std::unique_ptr<SyslogListener> syslog(
      new SyslogListener(loop, clock, registry, std::move(options), std::move(push)));
  TRY_LET(syslog->listener_,
          pipeline::TcpListener::listen(loop, syslog->options_.listen,
                                        [s = syslog.get()](auto stream) { s->accept(std::move(stream)); }));
  syslog->timer_.start_repeating(kLook);
  return syslog;
}

SyslogListener::SyslogListener(pipeline::Loop& loop, const pipeline::Clock& clock, pipeline::Registry& registry,
                               SyslogOptions options, Push push)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      push_(std::move(push)),
      messages_(registry.counter("skidway_server_syslog_messages_total", "Syslog messages taken")),
      faults_(registry.counter("skidway_server_syslog_faults_total",
                               "Syslog messages that are none, kept as they came, and connections closed for it")),
      retries_(registry.counter("skidway_server_syslog_retries_total", "Pushes of syslog messages that were repeated")),
      connections_now_(registry.gauge("skidway_server_syslog_connections", "Open connections of syslog senders")),
      timer_(loop, [this] { look(); }) {}

SyslogListener::~SyslogListener() { stop(); }

void SyslogListener::accept(std::unique_ptr<pipeline::TcpStream> stream) {
  if (connections_.size() >= options_.max_connections) return stream->close();
  auto connection = std::make_shared<Connection>(*this, std::move(stream));
  connections_[next_id_++] = connection;
  connections_now_.set(static_cast<int64_t>(connections_.size()));
  connection->start();
}

void SyslogListener::look() {
  const auto now = clock_.monotonic();
  for (auto& [id, connection] : connections_) connection->look(now);
  std::erase_if(connections_, [](const auto& one) { return one.second->over(); });
  connections_now_.set(static_cast<int64_t>(connections_.size()));
}

void SyslogListener::stop() {
  timer_.stop();
  if (listener_) listener_->close();
  for (auto& [id, connection] : connections_) connection->stop();
}

}  // namespace server
