// DockerFollower: one container's log, from its first line to its last, whatever stops in between.
//
//   idle -> asked (inspect) -> following (logs?follow=1) -> ended (asked again: does it still run?) -> finished
//                 ^----------------- waiting (daemon away: again in a moment) -----'
//
// The log is always asked for from where it was read to: the time of the last line, and how many lines had that time.
// Only what is settled goes into the checkpoint. Thread: loop.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/docker/container.h"
#include "agent/docker/docker_metrics.h"
#include "agent/docker/log_decoder.h"
#include "agent/stream/stream_source.h"
#include "pipeline/http/http_client.h"
#include "pipeline/loop/timer.h"

namespace agent {

// Lines up to `time` were read, and of those at `time` the first `count`.
struct DockerPosition {
  pipeline::UnixNanos time = 0;
  uint64_t count = 0;

  std::string text() const;  // "1795255200500000000 1"
  static std::optional<DockerPosition> parse(std::string_view text);
};

class DockerFollower : public std::enable_shared_from_this<DockerFollower> {
 public:
  // What all followers of a source share.
  struct Home {
    const StreamParts& parts;
    const DockerOptions& options;
    DockerMetrics& metrics;
    pipeline::HttpClient*& client;  // null: stopped
    const std::map<std::string, DockerNetwork>& networks;
    std::function<void()> look_at_room;  // entries were handed over
    const bool& paused;
  };

  DockerFollower(const Home& home, std::string id, uint64_t number, DockerPosition from);

  void wake();    // there is something to read, or may be: it runs, or has run
  void remove();  // the daemon does not know it any more
  void pause();
  void resume();
  void stop();  // takes nothing more; settlements still count

  bool following() const { return state_ == State::kFollowing; }
  bool finished() const { return state_ == State::kFinished || state_ == State::kFailed; }
  bool forgotten() const { return removed_ && finished() && pending_.empty(); }  // its cursor is removed too
  Target target() const;

 private:
  enum class State : uint8_t { kIdle, kAsked, kFollowing, kEnded, kWaiting, kFinished, kFailed };
  struct Pending {
    DockerPosition position;
    bool settled = false;
  };

  void inspect();
  void on_inspected(pipeline::Result<pipeline::HttpClientResponse> answer);
  void open();
  void on_bytes(std::string_view bytes);
  void on_closed(pipeline::Result<pipeline::HttpClientResponse> end);
  void on_refused(int status, const std::string& why);
  void on_line(const DockerLogDecoder::Line& line);
  bool passed_before(const DockerLogDecoder::Line& line);
  void hand_over(bool ends_lane);
  void on_settled(bool settled);
  void save_settled();
  void count_faults();
  void wait_and_ask();
  void fail(std::string why);
  void set_state(State state);

  const Home& home_;
  const std::string id_;
  const uint64_t number_;
  State state_ = State::kIdle;
  std::string reason_, said_;  // said_: in the log
  DockerContainer container_;
  pipeline::LabelSet labels_[2];  // stdout, stderr
  std::optional<DockerLogDecoder> decoder_;
  pipeline::HttpClient::RequestId request_ = 0;
  DockerPosition read_;    // handed over
  DockerPosition resume_;  // of the open log: what was read before it was opened
  uint64_t passed_ = 0;    // of its lines at resume_.time
  bool resuming_ = false;
  pipeline::UnixNanos tie_time_ = 0;
  int64_t tie_count_ = 0;
  Parcel parcels_[2];
  size_t label_index_[2] = {0, 0};
  std::deque<std::shared_ptr<Pending>> pending_;
  uint64_t cut_bytes_ = 0, time_faults_ = 0;  // of decoder_, counted
  bool came_ = false;                         // something, since the log was opened
  bool again_ = false;                        // wake() while it was busy
  bool removed_ = false, stopped_ = false;
  std::chrono::milliseconds delay_{0};
  pipeline::Timer timer_;
};

}  // namespace agent
