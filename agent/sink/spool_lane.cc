#include "agent/sink/spool_lane.h"

#include <algorithm>

#include "agent/sink/batch_losses.h"

namespace agent {

using pipeline::log_error;
using pipeline::log_warn;
using pipeline::Result;

namespace {
constexpr std::chrono::seconds kTryAgain{1};

SpoolEncoding spool_encoding(Compression compression) {
  switch (compression) {
    case Compression::kIdentity: return SpoolEncoding::kNone;
    case Compression::kGzip: return SpoolEncoding::kGzip;
    case Compression::kZstd: return SpoolEncoding::kZstd;
    case Compression::kAuto:
    case Compression::kSnappy: break;
  }
  return SpoolEncoding::kSnappy;
}

Compression compression_of(SpoolEncoding encoding) {
  switch (encoding) {
    case SpoolEncoding::kNone: return Compression::kIdentity;
    case SpoolEncoding::kGzip: return Compression::kGzip;
    case SpoolEncoding::kZstd: return Compression::kZstd;
    case SpoolEncoding::kSnappy: break;
  }
  return Compression::kSnappy;
}
}  // namespace

SpoolLane::SpoolLane(SpoolParts parts, std::string sink, Producer producer, Hooks hooks)
    : parts_(parts),
      sink_(std::move(sink)),
      producer_(std::move(producer)),
      hooks_(std::move(hooks)),
      shares_(producer_.uuid, hooks_.position),
      again_(parts.loop, [this] { hooks_.moved(); }),
      paused_(parts.registry.gauge("skidway_agent_spool_paused",
                                   "1: the last batches could not be spooled (no room, or the disk is full).",
                                   {{"sink", sink_}})) {}

Result<std::unique_ptr<SpoolLane>> SpoolLane::open(SpoolParts parts, std::string sink, Producer producer,
                                                   std::string folder, SpoolOptions options, Hooks hooks) {
  std::unique_ptr<SpoolLane> lane(new SpoolLane(parts, std::move(sink), std::move(producer), std::move(hooks)));
  TRY_LET(lane->spool_, Spool::open(parts, lane->sink_, std::move(folder), options, lane->spool_hooks()));
  return lane;
}

Spool::Hooks SpoolLane::spool_hooks() {
  Spool::Hooks hooks = hooks_.spool;
  hooks.found = [this](const SpoolEntry& entry) { shares_.add(entry.origins, is_of_this_run(entry.number)); };
  hooks.lost = [this](const LostFrame& frame) {
    for (const SpoolLoss& loss : frame.losses) shares_.remove(loss.origins, is_of_this_run(frame.number));
    hooks_.spool.lost(frame);
  };
  return hooks;
}

SpoolFrame SpoolLane::frame_of(ClosedBatch& batch) const {
  batch.origins =
      encode_origins(batch.entries.empty() ? spool_origins(shares_.home(), batch.record->segments)
                                           : spool_origins(shares_.home(), batch.files.front(), batch.entries),
                     kMostOriginsBytes);
  SpoolFrame frame;
  frame.number = batch.number;
  frame.producer = batch.producer.empty() ? producer_.uuid : batch.producer;
  frame.tenant = batch.tenant;
  frame.encoding = spool_encoding(batch.encoding);
  frame.closed = parts_.clock.wall() - (parts_.clock.monotonic() - batch.closed_at).count();
  frame.entries = batch.volume.entries;
  frame.line_bytes = batch.volume.bytes;
  frame.origins = batch.origins;
  frame.body = batch.body;
  return frame;
}

SpoolLane::Batch SpoolLane::batch_of(SpoolLog::Taken taken) const {
  SpoolFrame& frame = taken.frame;
  auto batch = std::make_shared<ClosedBatch>();
  batch->number = frame.number;
  if (frame.producer != producer_.uuid) batch->producer = std::move(frame.producer);
  batch->tenant = frame.tenant;
  batch->encoding = compression_of(frame.encoding);
  batch->body = std::move(frame.body);
  batch->record = std::make_shared<const BatchRecord>(BatchRecord{frame.number, std::move(frame.tenant), true, {}});
  batch->volume = {frame.entries, frame.line_bytes};
  batch->origins = std::move(frame.origins);
  batch->closed_at = parts_.clock.monotonic() - std::chrono::nanoseconds(parts_.clock.wall() - frame.closed);
  batch->spooled = taken.id;
  return batch;
}

// --- to disk

bool SpoolLane::ready_for_more() const {
  if (closed_ || spool_->appending()) return false;
  return !again_.active() || spool_->status().bytes < refused_at_bytes_;
}

void SpoolLane::append(std::vector<Batch> under_way, std::deque<Batch> waiting, bool keep) {
  INVARIANT(ready_for_more());
  entering_under_way_ = under_way.size();
  entering_kept_ = keep;
  entering_ = std::move(under_way);
  entering_.insert(entering_.end(), waiting.begin(), waiting.end());
  std::vector<SpoolFrame> frames;
  std::vector<bool> takes;
  for (const Batch& batch : entering_) {
    batch->entering_spool = true;
    takes.push_back(keep || takes.size() < entering_under_way_);
    frames.push_back(frame_of(*batch));
  }
  spool_->append(std::move(frames), std::move(takes),
                 [this](Result<Spool::Appended> appended) { on_appended(std::move(appended)); });
}

void SpoolLane::on_appended(Result<Spool::Appended> appended) {
  if (closed_) return;
  std::vector<Batch> batches = std::exchange(entering_, {});
  size_t count = appended ? appended->ids.size() : 0;
  for (size_t i = 0; i < batches.size(); i++) {
    const Batch& batch = batches[i];
    batch->entering_spool = false;
    bool under_way = i < entering_under_way_, kept = under_way || entering_kept_;
    if (i < count) shares_.add(batch->origins, true);
    if (i < count && kept) batch->spooled = appended->ids[i];
    if (batch->answered) hooks_.answered(batch);  // meanwhile
    if (i >= count || batch->answered) continue;
    if (kept && !under_way) ahead_.push_back(batch), ahead_bytes_ += batch->body->size();
    hooks_.spooled(batch, kept);
  }
  paused_.set(count < batches.size() ? 1 : 0);
  if (count < batches.size()) {
    std::string error = appended ? "the spool is full (spool.limit)" : appended.error().message;
    if (auto held = refused_log_.allow())
      log_error("spool takes no more: reading pauses until there is room",
                {{"sink", sink_}, {"error", error}, {"bytes", spool_->status().bytes}, {"held_back", *held}});
    refused_at_bytes_ = spool_->status().bytes;
    again_.start(kTryAgain);
    size_t first = std::max(count, entering_under_way_);
    if (first < batches.size()) hooks_.refused({batches.begin() + static_cast<ptrdiff_t>(first), batches.end()});
  } else {
    again_.stop();
  }
  hooks_.moved();
}

void SpoolLane::nothing_waits() {
  if (spool_->appending()) return;
  paused_.set(0);
  again_.stop();
}

// --- back from it

SpoolLane::Batch SpoolLane::next() {
  if (ahead_.empty()) {
    read_ahead();
    return nullptr;
  }
  Batch batch = std::move(ahead_.front());
  ahead_.pop_front();
  ahead_bytes_ -= batch->body->size();
  if (ahead_bytes_ < kAheadBytes / 2) read_ahead();
  return batch;
}

void SpoolLane::read_ahead() {
  if (closed_ || leaves_disk_ || spool_->taking() || !spool_->has_frames()) return;
  spool_->take(kAheadBytes, [this](std::vector<SpoolLog::Taken> taken) {
    if (closed_) return;
    for (auto& one : taken) {
      Batch& batch = ahead_.emplace_back(batch_of(std::move(one)));
      ahead_bytes_ += batch->body->size();
      hooks_.arrived(batch);
    }
    hooks_.moved();
  });
}

bool SpoolLane::empty() const { return ahead_.empty() && !spool_->has_frames() && !spool_->taking(); }

LostFrame SpoolLane::done(const ClosedBatch& batch) {
  shares_.remove(batch.origins, is_of_this_run(batch.number));
  std::vector<SpoolLoss> losses = spool_losses(batch);
  spool_->done(*batch.spooled, losses);
  return {0, 0, batch.number, std::move(losses)};
}

void SpoolLane::for_each(const std::function<void(const Batch&)>& what) const {
  for (size_t i = entering_under_way_; i < entering_.size(); i++) what(entering_[i]);
  for (const Batch& batch : ahead_) what(batch);
}

void SpoolLane::change(SpoolOptions options) {
  spool_->change(options);
  again_.stop();  // there may be room now
}

void SpoolLane::close() {
  if (std::exchange(closed_, true)) return;
  again_.stop();
  spool_->close();
}

}  // namespace agent
