#include "agent/docker/docker_follower.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/match/relabel.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpClientResponse;
using pipeline::Result;

namespace {
constexpr auto kFirstDelay = 200ms, kLongestDelay = 10'000ms;
constexpr auto kUntilHead = 1h;  // a daemon may send the head with the first line only

std::string since(pipeline::UnixNanos time) {
  std::string nanos = std::to_string(time % 1'000'000'000);
  return concat(time / 1'000'000'000, ".", std::string(9 - nanos.size(), '0'), nanos);
}

// {"message":"no such container: x"}
std::string message_of(const HttpClientResponse& answer) {
  std::string text = answer.body.substr(0, 300);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return concat("status ", answer.status, text.empty() ? "" : ": ", text);
}
}  // namespace

std::string DockerPosition::text() const { return concat(time, " ", count); }

std::optional<DockerPosition> DockerPosition::parse(std::string_view text) {
  DockerPosition out;
  const char* end = text.data() + text.size();
  auto first = std::from_chars(text.data(), end, out.time);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ' ' || out.time < 0) return std::nullopt;
  auto second = std::from_chars(first.ptr + 1, end, out.count);
  if (second.ec != std::errc{} || second.ptr != end) return std::nullopt;
  return out;
}

DockerFollower::DockerFollower(const Home& home, std::string id, uint64_t number, DockerPosition from)
    : home_(home), id_(std::move(id)), number_(number), read_(from), timer_(home.parts.loop, [this] { inspect(); }) {}

void DockerFollower::set_state(State state) {
  if ((state == State::kFollowing) != following()) home_.metrics.followed.add(following() ? -1 : 1);
  state_ = state;
}

void DockerFollower::wake() {
  again_ = true;
  if (state_ == State::kIdle || finished()) inspect();
}

void DockerFollower::inspect() {
  if (stopped_ || home_.client == nullptr) return;
  if (state_ != State::kEnded) set_state(State::kAsked);
  home_.client->send({.url = concat(home_.options.base_url, "/containers/", id_, "/json")},
                     [weak = weak_from_this()](Result<HttpClientResponse> answer) {
                       if (auto self = weak.lock()) self->on_inspected(std::move(answer));
                     });
}

void DockerFollower::on_inspected(Result<HttpClientResponse> answer) {
  if (stopped_) return;
  if (!answer || (answer->status != 200 && answer->status != 404)) {
    home_.metrics.api_errors.add();
    reason_ = answer ? message_of(*answer) : answer.error().message;
    return wait_and_ask();
  }
  if (answer->status == 404) {
    if (state_ != State::kEnded) {
      home_.metrics.lost_containers.add();
      return fail("the container is gone");
    }
    reason_ = "the container was removed";
    set_state(State::kFinished);
    if (removed_) remove();
    return;
  }
  auto container = DockerContainer::parse(answer->body);
  if (!container) {
    home_.metrics.api_errors.add();
    reason_ = container.error().message;
    return wait_and_ask();
  }
  bool more = state_ != State::kEnded || container->running || again_;
  container_ = std::move(*container);
  if (!more) {
    reason_ = "the container has stopped";
    set_state(State::kFinished);
    return;
  }
  labels_[0] = docker_labels(container_, home_.networks, home_.options, "stdout");
  labels_[1] = docker_labels(container_, home_.networks, home_.options, "stderr");
  open();
}

void DockerFollower::open() {
  if (read_.count > 0 || delay_ > 0ms) home_.metrics.reopened.add();
  set_state(State::kFollowing);
  reason_.clear();
  again_ = came_ = false;
  decoder_.emplace(container_.terminal, home_.options.max_line_bytes);
  cut_bytes_ = time_faults_ = 0;
  resume_ = read_;
  passed_ = 0, resuming_ = read_.count > 0;
  tie_time_ = 0, tie_count_ = 0;
  pipeline::HttpStream stream;
  stream.on_body = [weak = weak_from_this()](std::string_view bytes) {
    if (auto self = weak.lock()) self->on_bytes(bytes);
  };
  stream.done = [weak = weak_from_this()](Result<HttpClientResponse> end) {
    if (auto self = weak.lock()) self->on_closed(std::move(end));
  };
  stream.on_head = [weak = weak_from_this()](const HttpClientResponse& head) {
    auto self = weak.lock();
    if (self && head.status != 200) self->decoder_.reset();  // its body is a message
  };
  std::string url = concat(home_.options.base_url, "/containers/", id_,
                           "/logs?follow=1&stdout=1&stderr=1&timestamps=1&since=", since(read_.time));
  request_ = home_.client->stream({.url = std::move(url), .timeout = kUntilHead}, std::move(stream));
  if (home_.paused) pause();
}

void DockerFollower::on_bytes(std::string_view bytes) {
  if (stopped_ || !decoder_) {
    if (!decoder_ && reason_.size() < 300) reason_.append(bytes.substr(0, 300 - reason_.size()));
    return;
  }
  came_ = true;
  delay_ = 0ms;
  auto fed = decoder_->feed(bytes, [this](const DockerLogDecoder::Line& line) { on_line(line); });
  hand_over(false);
  if (fed) return;
  home_.metrics.faults.add();
  home_.metrics.promtail_faults.add();
  pipeline::log_warn("container log is opened again",
                     {{"source", home_.parts.options->name}, {"container", id_}, {"error", fed.error()}});
  home_.client->cancel(std::exchange(request_, 0));  // on_closed() tries again
}

void DockerFollower::on_closed(Result<HttpClientResponse> end) {
  request_ = 0;
  if (stopped_) return;
  if (!end) {  // cut off: what is half there comes again
    home_.metrics.api_errors.add();
    reason_ = end.error().message;
    decoder_.reset();
    return wait_and_ask();
  }
  if (end->status != 200) return on_refused(end->status, reason_);
  if (decoder_) {
    // What comes after a line without an end is to be told apart from it: it is not asked for again.
    if (decoder_->finish([this](const DockerLogDecoder::Line& line) { on_line(line); })) read_ = {read_.time + 1, 0};
    hand_over(true);
    decoder_.reset();
  }
  set_state(State::kEnded);
  delay_ = came_ ? kFirstDelay : std::clamp<std::chrono::milliseconds>(delay_ * 2, kFirstDelay, kLongestDelay);
  timer_.start(delay_);
}

void DockerFollower::on_refused(int status, const std::string& why) {
  home_.metrics.api_errors.add();
  std::string reason = concat("status ", status, ": ", why);
  if (status == 404) home_.metrics.lost_containers.add();
  if (status == 404 || status == 409 || status == 501) return fail(std::move(reason));
  reason_ = std::move(reason);
  wait_and_ask();
}

void DockerFollower::wait_and_ask() {
  set_state(State::kWaiting);
  delay_ = std::clamp<std::chrono::milliseconds>(delay_ * 2, kFirstDelay, kLongestDelay);
  timer_.start(delay_);
}

// A later start of the container, or the next refresh, tries again.
void DockerFollower::fail(std::string why) {
  reason_ = std::move(why);
  set_state(State::kFailed);
  again_ = false;
  if (std::exchange(said_, reason_) != reason_)  // once, not with every refresh
    pipeline::log_warn("container log cannot be read",
                       {{"source", home_.parts.options->name}, {"container", id_}, {"error", reason_}});
  if (removed_) remove();
}

// --- lines

void DockerFollower::on_line(const DockerLogDecoder::Line& line) {
  if (line.time == tie_time_) {
    ++tie_count_;
  } else {
    tie_time_ = line.time, tie_count_ = 0;
  }
  if (passed_before(line)) return;
  if (line.text.empty()) {
    home_.metrics.empty_lines.add();
  } else {
    Parcel& parcel = parcels_[line.is_stderr];
    if (parcel.empty() && parcel.label_sets().empty())
      label_index_[line.is_stderr] = parcel.add_labels(labels_[line.is_stderr]);
    // Lines that share a nanosecond follow one another, the same way each time they are read.
    parcel.add(label_index_[line.is_stderr], line.time == 0 ? 0 : line.time + tie_count_, line.text);
    home_.metrics.entries.add();
    home_.metrics.promtail_entries.add();
  }
  if (line.time == 0 || line.open_since != 0) return;  // a line that began before this one is not there yet
  if (line.time == read_.time) {
    ++read_.count;
  } else {
    read_ = {line.time, 1};
  }
}

// The daemon begins with the first line at resume_.time.
bool DockerFollower::passed_before(const DockerLogDecoder::Line& line) {
  if (!resuming_) return false;
  if (line.time != 0 && line.time < resume_.time) return true;  // a daemon that goes by whole seconds
  if (line.time == resume_.time && passed_ < resume_.count) {
    ++passed_;
    return true;
  }
  resuming_ = false;
  return false;
}

void DockerFollower::hand_over(bool ends_lane) {
  count_faults();
  auto pending = std::make_shared<Pending>(Pending{read_});
  std::vector<Parcel> parcels;
  for (size_t i = 0; i < 2; ++i) {
    Parcel parcel = std::exchange(parcels_[i], {});
    parcel.lane = number_ * 2 + i;
    parcel.ends_lane = ends_lane;
    parcel.origin = container_.name.empty() ? id_ : container_.name.substr(1);
    if (!parcel.empty() || ends_lane) parcels.push_back(std::move(parcel));
  }
  if (parcels.empty()) return;
  pending_.push_back(pending);
  if (parcels.size() > 1) home_.parts.reader.take(std::move(parcels.front()));
  // Settled one after the other: the last one's settlement is that of both.
  home_.parts.reader.take(std::move(parcels.back()), [weak = weak_from_this(), pending](bool settled) {
    auto self = weak.lock();
    if (!self || !settled) return;  // not settled: the cursor stays
    pending->settled = true;
    self->save_settled();
  });
  home_.look_at_room();
}

void DockerFollower::save_settled() {
  std::optional<DockerPosition> position;
  while (!pending_.empty() && pending_.front()->settled) {
    position = pending_.front()->position;
    pending_.pop_front();
  }
  if (forgotten()) return home_.parts.cursors.save(id_, "");
  if (position) home_.parts.cursors.save(id_, position->text());
}

void DockerFollower::count_faults() {
  if (!decoder_) return;
  home_.metrics.cut_bytes.add(decoder_->cut_bytes() - std::exchange(cut_bytes_, decoder_->cut_bytes()));
  uint64_t faults = decoder_->time_faults() - std::exchange(time_faults_, decoder_->time_faults());
  home_.metrics.faults.add(faults);
  home_.metrics.promtail_faults.add(faults);
}

// --- from outside

void DockerFollower::remove() {
  removed_ = true;
  if (state_ == State::kWaiting || state_ == State::kIdle) set_state(State::kFinished);
  if (forgotten()) home_.parts.cursors.save(id_, "");
}

void DockerFollower::pause() {
  if (request_ != 0 && home_.client != nullptr) home_.client->pause(request_);
}

void DockerFollower::resume() {
  if (request_ != 0 && home_.client != nullptr) home_.client->resume(request_);
}

void DockerFollower::stop() {
  stopped_ = true;
  timer_.stop();
  if (following()) set_state(State::kFinished);
}

Target DockerFollower::target() const {
  static constexpr std::string_view kStates[] = {"starting", "starting", "active", "active",
                                                 "waiting",  "finished", "failed"};
  const SourceOptions& source = *home_.parts.options;
  Target out{.source = source.name,
             .path = concat("docker://", container_.name.empty() ? id_ : container_.name.substr(1)),
             .discovered = labels_[0],
             .state = std::string(kStates[static_cast<size_t>(state_)]),
             .reason = reason_};
  auto kept = source.relabel ? source.relabel->apply(labels_[0]) : std::optional(labels_[0]);
  if (!kept) {
    out.state = "dropped";
    out.reason = "by the relabel rules";
    return out;
  }
  out.labels = pipeline::strip_reserved(*kept);
  for (auto& [name, value] : source.labels) out.labels = out.labels.with(name, value);
  return out;
}

}  // namespace agent
