#include "agent/spool/spool.h"

#include <algorithm>
#include <chrono>

namespace agent {

using pipeline::Errc;
using pipeline::fail;
using pipeline::log_info;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {
constexpr std::chrono::seconds kExpireEvery{10};
constexpr uint64_t kLeastSegmentBytes = 64 << 10;
constexpr uint64_t kSegmentsPerLimit = 8;  // space is given back in these steps

bool stays(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}
}  // namespace

std::string spool_folder_name(std::string_view sink) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (char c : sink) {
    if (stays(c) || (c == '.' && !out.empty())) {
      out += c;
      continue;
    }
    auto byte = static_cast<uint8_t>(c);
    out += '%', out += kDigits[byte >> 4], out += kDigits[byte & 15];
  }
  return out;
}

std::string spool_sink_name(std::string_view folder) {
  auto digit = [](char c) { return c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= '0' && c <= '9' ? c - '0' : -1; };
  std::string out;
  for (size_t i = 0; i < folder.size(); i++) {
    int high = i + 2 < folder.size() ? digit(folder[i + 1]) : -1,
        low = i + 2 < folder.size() ? digit(folder[i + 2]) : -1;
    if (folder[i] == '%' && high >= 0 && low >= 0)
      out += static_cast<char>(high << 4 | low), i += 2;
    else
      out += folder[i];
  }
  return out;
}

Spool::Spool(SpoolParts parts, const std::string& sink, std::string folder, SpoolOptions options, Hooks hooks)
    : parts_(parts),
      sink_(sink),
      folder_(std::move(folder)),
      options_(options),
      hooks_(std::move(hooks)),
      metrics_(parts.registry, parts.clock, sink),
      expiry_(parts.loop, [this] { expire(); }) {
  metrics_.limit(options_.limit_bytes);
}

Result<std::unique_ptr<Spool>> Spool::open(SpoolParts parts, const std::string& sink, std::string folder,
                                           SpoolOptions options, Hooks hooks) {
  std::unique_ptr<Spool> spool(new Spool(parts, sink, std::move(folder), options, std::move(hooks)));
  auto names = parts.files.list(spool->folder_);
  if (!names && names.error().code != Errc::kNotFound) return fail(std::move(names).error());
  if (names) {
    auto opened = spool->open_log();
    if (!opened) return fail(opened.error().within(pipeline::concat("spool of sink \"", sink, "\"")));
    spool->log_->fold_losses(spool->hooks_.is_known);
    spool->note(report(spool->log_.get()));
    if (const SpoolVolume& waiting = spool->status_.waiting; waiting.frames > 0)
      log_info(
          "spooled batches of an earlier run wait to be sent",
          {{"sink", sink}, {"batches", waiting.frames}, {"entries", waiting.entries}, {"bytes", spool->status_.bytes}});
  }
  spool->expiry_.start_repeating(kExpireEvery);
  return spool;
}

Spool::~Spool() { close(); }

Result<void> Spool::open_log() {
  TRY(parts_.files.make_folders(folder_));
  TRY_LET(lock_, pipeline::FolderLock::acquire(folder_));
  TRY_LET(log_, SpoolLog::open(parts_.files, log_options(), hooks_.found, hooks_.lost_before));
  return {};
}

SpoolLogOptions Spool::log_options() const {
  SpoolLogOptions options;
  options.folder = folder_;
  options.segment_bytes =
      std::clamp(options_.limit_bytes / kSegmentsPerLimit, kLeastSegmentBytes, SpoolLog::kMostSegmentBytes);
  return options;
}

std::set<BatchNumber> Spool::find(const std::set<BatchNumber>& numbers) {
  return log_ ? log_->find(numbers) : std::set<BatchNumber>();
}

pipeline::WorkerPool& Spool::pool() {
  if (!pool_) pool_ = std::make_unique<pipeline::WorkerPool>(parts_.loop, "spool", 1);
  return *pool_;
}

Spool::Worked Spool::report(SpoolLog* log) {
  if (!log) return {};
  return {{log->bytes(), log->waiting(), log->taken(), log->oldest()}, log->take_dropped(), log->take_drained()};
}

void Spool::note(Worked worked) {
  status_ = worked.status;
  metrics_.holds(status_.bytes, status_.waiting, status_.oldest.value_or(0));
  metrics_.drained(worked.drained);
  auto tell = [&](std::string_view reason, const SpoolVolume& volume) {
    if (volume.frames == 0) return;
    metrics_.dropped(reason, volume);
    hooks_.dropped(reason, volume);
  };
  tell("corrupt", worked.dropped.corrupt);
  tell("spool_max_age", worked.dropped.too_old);
  tell("spool_full", worked.dropped.no_room);
  if (hooks_.lost)
    for (const LostFrame& frame : worked.dropped.frames) hooks_.lost(frame);
}

UnixNanos Spool::oldest_allowed() const {
  if (options_.max_age.count() == 0) return std::numeric_limits<UnixNanos>::min();
  return parts_.clock.wall() - options_.max_age.count();
}

// --- append

void Spool::append(std::vector<SpoolFrame> frames, std::vector<bool> takes,
                   std::function<void(Result<Appended>)> done) {
  INVARIANT(!appending_ && !closed_ && frames.size() == takes.size());
  appending_ = true;
  struct Outcome {
    Result<Appended> appended;
    uint64_t bytes = 0;
    double seconds = 0;
    Worked worked;
  };
  auto work = [this, frames = std::move(frames), takes = std::move(takes), options = options_,
               log_options = log_options()]() -> Outcome {
    if (!log_) {
      if (auto opened = open_log(); !opened) return {fail(std::move(opened).error()), 0, 0, {}};
    }
    log_->set_segment_bytes(log_options.segment_bytes);
    auto begin = std::chrono::steady_clock::now();
    size_t count = frames.size();
    auto group = [&] { return std::span(frames).first(count); };
    while (count > 0 && log_->bytes() + SpoolLog::bytes_of(group()) > options.limit_bytes) {
      if (options.when_full == SpoolWhenFull::kDropOldest && log_->drop_oldest_segment()) continue;
      count--;
    }
    Outcome outcome{Appended{}, 0, 0, {}};
    if (count > 0) {
      auto ids = log_->append(group(), takes);
      if (ids)
        outcome.appended = Appended{std::move(*ids)};
      else
        outcome.appended = fail(std::move(ids).error());
      outcome.bytes = SpoolLog::bytes_of(group());
    }
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    outcome.worked = report(log_.get());
    return outcome;
  };
  pool().run(std::move(work), [this, done = std::move(done)](Result<Outcome> outcome) {
    appending_ = false;
    if (!outcome) return done(fail(std::move(outcome).error()));  // closing
    note(outcome->worked);
    if (!outcome->appended)
      metrics_.append_failed();
    else if (!outcome->appended->ids.empty())
      metrics_.appended(outcome->appended->ids.size(), outcome->bytes, outcome->seconds);
    done(std::move(outcome->appended));
  });
}

// --- take and done

void Spool::take(uint64_t bytes, std::function<void(std::vector<SpoolLog::Taken>)> done) {
  INVARIANT(!taking_ && !closed_);
  taking_ = true;
  struct Outcome {
    std::vector<SpoolLog::Taken> taken;
    Worked worked;
  };
  auto work = [this, bytes, oldest = oldest_allowed()]() -> Outcome {
    Outcome outcome;
    if (log_) outcome.taken = log_->take(bytes, oldest);
    outcome.worked = report(log_.get());
    return outcome;
  };
  pool().run(std::move(work), [this, done = std::move(done)](Result<Outcome> outcome) {
    taking_ = false;
    if (!outcome) return done({});
    note(outcome->worked);
    done(std::move(outcome->taken));
  });
}

void Spool::done(SpoolFrameId frame, std::vector<SpoolLoss> losses) {
  done_.push_back({frame, std::move(losses)});
  run_done();
}

void Spool::run_done() {
  if (telling_ || closed_ || (done_.empty() && !trim_)) return;
  telling_ = true;
  told_ = std::exchange(done_, {});
  auto work = [this, frames = told_, trim = std::exchange(trim_, false)] {
    for (const DoneFrame& frame : frames) log_->done(frame.id, frame.losses);
    if (trim && log_) log_->trim();
    return report(log_.get());
  };
  pool().run(std::move(work), [this](Result<Worked> worked) {
    telling_ = false;
    if (!worked) return;
    told_.clear();
    note(std::move(*worked));
    run_done();
  });
}

void Spool::trim() {
  trim_ = true;
  run_done();
}

void Spool::expire() {
  if (closed_ || options_.max_age.count() == 0 || !has_frames()) return;
  pool().run(
      [this, oldest = oldest_allowed()] {
        log_->drop_older(oldest);
        return report(log_.get());
      },
      [this](Result<Worked> worked) {
        if (worked) note(std::move(*worked));
      });
}

void Spool::change(SpoolOptions options) {
  options_ = options;
  metrics_.limit(options_.limit_bytes);
}

void Spool::close() {
  if (std::exchange(closed_, true)) return;
  expiry_.stop();
  if (pool_) pool_->stop();
  if (log_) {
    for (const DoneFrame& frame : told_) log_->done(frame.id, frame.losses);  // perhaps again: that does nothing
    for (const DoneFrame& frame : done_) log_->done(frame.id, frame.losses);
    log_->close();
  }
}

}  // namespace agent
