// SyslogConnection: one client of a stream listener, from accept to close.
//
// Life:    close() may be called at any time; the object itself is destroyed later, outside its own callbacks.
// Thread:  loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agent/syslog/syslog_entries.h"
#include "agent/syslog/syslog_metrics.h"
#include "agent/syslog/syslog_options.h"
#include "pipeline/http/transport.h"
#include "pipeline/parse/syslog_frames.h"

namespace agent {

class SyslogConnection {
 public:
  // What all connections of a source share.
  struct Home {
    const SyslogOptions& options;
    const std::string& source;
    SyslogEntries& entries;
    SyslogMetrics& metrics;
    pipeline::Loop& loop;
    std::function<void(Parcel)> hand_over;
    std::function<void(uint64_t id)> closed;  // take it away, but not inside this call
    std::function<void()> look_soon;          // look_at_time() is to be called in a moment
  };

  SyslogConnection(const Home& home, uint64_t id, std::unique_ptr<pipeline::Transport> transport, std::string ip);

  void start(std::string hostname);  // reads from now on
  void pause();
  void resume();
  void look_at_time();  // hands on a message after which nothing came, and closes a connection that is idle
  bool has_whole() const { return frames_.has_whole(); }
  void stop();  // hands on what has come, and closes

  const std::string& ip() const { return peer_.ip; }

 private:
  void on_bytes(std::string_view bytes);
  void on_end(pipeline::Result<void> end);
  void end(bool torn, std::string_view why);
  void hand_over(bool ends_lane);
  void count_cuts();

  const Home& home_;
  const uint64_t id_;
  SyslogPeer peer_;
  pipeline::SyslogFrames frames_;
  const pipeline::SyslogFrames::OnFrame on_frame_;
  std::chrono::milliseconds last_bytes_;
  uint64_t cut_messages_ = 0, cut_bytes_ = 0;  // of frames_, counted
  bool started_ = false, paused_ = false, closed_ = false;
  std::unique_ptr<pipeline::Transport> transport_;
};

}  // namespace agent
