#include "agent/syslog/syslog_connection.h"

#include <utility>

#include "pipeline/base/log.h"

namespace agent {

namespace {
using namespace std::chrono_literals;

constexpr auto kQuiet = 100ms;          // a message that ends here and goes on later comes in two pieces
constexpr size_t kLastBytes = 1 << 20;  // of a connection that is stopped while its client goes on sending

pipeline::SyslogTrailer trailer_of(const SyslogOptions& options) {
  if (!options.raw) return pipeline::SyslogTrailer::kNextMessage;
  return options.nul_delimited ? pipeline::SyslogTrailer::kNul : pipeline::SyslogTrailer::kLine;
}
}  // namespace

SyslogConnection::SyslogConnection(const Home& home, uint64_t id, std::unique_ptr<pipeline::Transport> transport,
                                   std::string ip)
    : home_(home),
      id_(id),
      peer_{std::move(ip), ""},
      frames_(home.options.max_message_bytes, trailer_of(home.options)),
      on_frame_([this](std::string_view frame) { home_.entries.add(frame, peer_); }),
      last_bytes_(home.loop.now()),
      transport_(std::move(transport)) {}

void SyslogConnection::start(std::string hostname) {
  if (closed_) return;
  peer_.hostname = std::move(hostname);
  started_ = true;
  last_bytes_ = home_.loop.now();
  transport_->start([this](std::string_view bytes) { on_bytes(bytes); },
                    [this](pipeline::Result<void> end) { on_end(std::move(end)); });
  if (paused_) transport_->pause();
}

void SyslogConnection::pause() {
  paused_ = true;
  if (started_ && !closed_) transport_->pause();
}

void SyslogConnection::resume() {
  paused_ = false;
  last_bytes_ = home_.loop.now();
  if (started_ && !closed_) transport_->resume();
}

void SyslogConnection::on_bytes(std::string_view bytes) {
  if (closed_) return;
  last_bytes_ = home_.loop.now();
  home_.entries.begin(id_);
  auto fed = frames_.feed(bytes, on_frame_);
  if (!fed) {
    home_.metrics.add_fault("framing");
    return end(true, fed.error().message);
  }
  hand_over(false);
  if (frames_.has_whole()) home_.look_soon();
}

void SyslogConnection::on_end(pipeline::Result<void> ended) {
  if (closed_) return;
  home_.entries.begin(id_);
  bool torn = frames_.finish(on_frame_);
  end(torn || !ended, !ended ? std::string_view(ended.error().message) : "it ends inside a message");
}

void SyslogConnection::look_at_time() {
  if (closed_ || !started_) return;
  auto quiet = home_.loop.now() - last_bytes_;
  if (frames_.has_whole() && quiet >= kQuiet && !paused_) {  // else what goes on may be there, and we do not look
    home_.entries.begin(id_);
    frames_.flush(on_frame_);
    hand_over(false);
  }
  if (home_.options.idle_timeout.count() > 0 && quiet >= home_.options.idle_timeout && !paused_) {
    home_.entries.begin(id_);
    end(frames_.finish(on_frame_), "idle inside a message");
  }
}

void SyslogConnection::stop() {
  if (closed_) return;
  if (started_) transport_->drain(kLastBytes);
  if (closed_) return;
  home_.entries.begin(id_);
  end(frames_.finish(on_frame_), "stopped inside a message");
}

// Behind a begin() of the entries: hands on what they have, with the end of the lane.
void SyslogConnection::end(bool torn, std::string_view why) {
  if (torn) {
    home_.metrics.torn_connections.add();
    pipeline::log_warn("syslog connection", {{"source", home_.source}, {"peer", transport_->peer()}, {"error", why}});
  }
  hand_over(true);
  closed_ = true;
  transport_->close();
  home_.closed(id_);
}

void SyslogConnection::hand_over(bool ends_lane) {
  count_cuts();
  Parcel parcel = home_.entries.take();
  parcel.ends_lane = ends_lane;
  if (!parcel.empty() || ends_lane) home_.hand_over(std::move(parcel));
}

void SyslogConnection::count_cuts() {
  home_.metrics.cut_messages.add(frames_.cut_frames() - std::exchange(cut_messages_, frames_.cut_frames()));
  home_.metrics.cut_bytes.add(frames_.cut_bytes() - std::exchange(cut_bytes_, frames_.cut_bytes()));
}

}  // namespace agent
