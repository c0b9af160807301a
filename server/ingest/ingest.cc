#include "server/ingest/ingest.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::concat;
using pipeline::Result;

namespace {

// A log of at most this part of the memory for entries is replayed before the start goes on: well below a second, and
// below that memory also where the log is compressed.
constexpr uint64_t kSmallLogPart = 10;

}  // namespace

Ingest::Ingest(IngestDoors doors, IngestOptions options)
    : doors_(doors), options_(std::move(options)), replayed_rules_(doors.limits, PushRuleBook::Kind::kLifted) {
  doors_.registry.gauge_callback("skidway_server_head_bytes", "Entries acknowledged and not yet flushed, in memory",
                                 [this] { return static_cast<double>(held_bytes()); });
  doors_.registry.gauge_callback("skidway_server_wal_replay_remaining_bytes",
                                 "Of the log of an earlier run, not read yet: queries lack its entries", [this] {
                                   if (!recovery_ || !recovery_->replaying()) return 0.0;
                                   return static_cast<double>(wal_->replay_bytes() - wal_->replayed_bytes());
                                 });
}

Ingest::~Ingest() {
  stop();
  doors_.registry.remove("skidway_server_head_bytes", {});
  doors_.registry.remove("skidway_server_wal_replay_remaining_bytes", {});
}

Result<std::unique_ptr<Ingest>> Ingest::open(IngestDoors doors, IngestOptions options) {
  std::unique_ptr<Ingest> ingest(new Ingest(doors, std::move(options)));
  TRY(doors.catalog.forget_batches());
  TRY_LET(auto batches, doors.catalog.batches());
  ingest->numbers_.add_stored(batches);
  TRY_LET(auto snapshot, doors.catalog.snapshot());
  TRY(ingest->open_log(snapshot->flushed_frame));
  Ingest& in = *ingest;
  in.committer_ = in.make_committer(snapshot->flushed_frame);
  in.workers_ = std::make_unique<pipeline::WorkerPool>(doors.loop, "ingest", in.options_.workers);
  in.push_handler_ = std::make_unique<PushHandler>(
      doors.loop, *in.workers_, *in.committer_, [&in] { return in.held_bytes(); }, in.numbers_, in.streams_,
      doors.limits, doors.clock, doors.registry, in.options_.push,
      [&in] {
        if (in.head_.growing_bytes() >= in.options_.flush.bytes) in.flusher_->poke();
      });
  in.flusher_ = std::make_unique<Flusher>(
      in.head_, *in.wal_, doors.store, doors.catalog, doors.clock, doors.registry, in.options_.flush,
      [&in] { in.push_handler_->on_room(); }, in.mark_.get());
  if (in.head_.growing_bytes() >= in.options_.flush.bytes) in.flusher_->poke();
  // Pushes wait for it: only the log's own frames may raise the number of the last one that is in objects.
  if (in.options_.ack == AckMode::kStore && in.head_.raw_bytes() > 0) in.flush([](Result<void>) {});
  if (in.log_left_) {
    in.recovery_ = in.make_recovery();
    in.recovery_->wait_for_replay(in.options_.replay_wait);
  }
  return ingest;
}

// What is small is replayed at once, into the head of the pushes that will come.
Result<void> Ingest::open_log(uint64_t flushed_frame) {
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(doors_.clock.wall() / 1000, 1));
  WalOptions options{options_.wal_folder, options_.segment_bytes, micros};
  TRY_LET(wal_, Wal::open(doors_.files, doors_.registry, std::move(options), flushed_frame));
  log_left_ = wal_->replay_bytes() > options_.push.budget_bytes / kSmallLogPart;
  mark_ = std::make_unique<FlushMark>(!log_left_);
  if (!log_left_)
    return wal_->replay([this](WalFrame frame) { return replay_frame(std::move(frame), head_, nullptr); });
  return {};
}

std::unique_ptr<Recovery> Ingest::make_recovery() {
  RecoveryOptions recovery;
  recovery.head_bytes = options_.push.budget_bytes / 2;
  recovery.retry = options_.flush.retry;
  Recovery::Doors doors{*wal_,
                        doors_.store,
                        doors_.catalog,
                        doors_.clock,
                        doors_.registry,
                        *mark_,
                        [this](WalFrame frame, Head& head, const std::shared_ptr<ColumnPool>& pool) {
                          return replay_frame(std::move(frame), head, pool);
                        },
                        [this] { push_handler_->on_room(); }};
  return std::make_unique<Recovery>(std::move(doors), recovery);
}

std::unique_ptr<Committer> Ingest::make_committer(uint64_t flushed_frame) {
  if (options_.ack == AckMode::kDisk) return std::make_unique<LogCommitter>(*wal_, head_, feed_);
  ObjectCommitterDoors doors{doors_.store,
                             doors_.catalog,
                             feed_,
                             doors_.clock,
                             doors_.registry,
                             [this] { return push_handler_->coming(); },
                             [this] { return log_is_stored(); }};
  return std::make_unique<ObjectCommitter>(std::move(doors), options_.objects,
                                           std::max(flushed_frame, wal_->last_number()));
}

Result<void> Ingest::replay_frame(WalFrame frame, Head& head, std::shared_ptr<ColumnPool> pool) {
  // Two copies of a batch are in the log when the sync of the first failed and the sender was told so.
  bool stored = frame.batch && numbers_.is_stored(frame.tenant, *frame.batch);
  PushedEntries entries;
  if (!stored) {
    auto rules = replayed_rules_.of(frame.tenant);
    PushDecoding decoding{frame.tenant, *rules, frame.received, UINT32_MAX};
    const LineLevels levels(std::move(frame.line_levels));
    decoding.line_levels = &levels;
    decoding.pool = std::move(pool);
    auto decoded = decode_push_request({frame.format, frame.encoding}, frame.body, decoding, replayed_streams_);
    if (!decoded) {  // whole by its sum, so written by a program that differs from us: keep going, but say so
      doors_.registry
          .counter("skidway_server_wal_undecodable_frames_total", "Whole frames of the log that cannot be decoded")
          .add();
      pipeline::log_error("wal: frame cannot be decoded", {{"number", frame.number}, {"error", decoded.error()}});
    } else {
      entries = std::move(decoded->entries);
      if (frame.batch) numbers_.add_stored(frame.tenant, *frame.batch);
    }
  }
  head.add(std::move(entries), frame.tenant, frame.number, stored ? std::nullopt : frame.batch);
  return {};
}

void Ingest::handle_push(PushProtocol protocol, std::string tenant, pipeline::HttpRequest request,
                         pipeline::HttpResponder responder) {
  push_handler_->handle(protocol, std::move(tenant), std::move(request), std::move(responder));
}

Result<ReadView> Ingest::view(std::string_view tenant) const {
  ReadView view;
  if (recovery_ && recovery_->replaying()) {
    view.incomplete = concat("entries acknowledged before the start could not be read yet: ",
                             recovery_->trouble().value_or(recovery_->progress().value_or("the log")));
  }
  // First: what is flushed meanwhile is then in both, and dropped here.
  if (recovery_) view.head = recovery_->head().snapshot(tenant);
  HeadSnapshot live = head_.snapshot(tenant);
  for (HeadPiece& piece : live.pieces) view.head.pieces.push_back(std::move(piece));
  TRY_LET(view.objects, doors_.catalog.snapshot());
  view.head.drop_flushed(view.objects->flushed_frame);
  return view;
}

bool Ingest::log_is_stored() const { return (!recovery_ || recovery_->done()) && head_.raw_bytes() == 0; }

uint64_t Ingest::held_bytes() const { return head_.raw_bytes() + (recovery_ ? recovery_->head().raw_bytes() : 0); }

std::optional<std::string> Ingest::trouble() const {
  if (recovery_) {
    if (auto text = recovery_->trouble()) return concat("replay: ", *text);
  }
  return committer_->trouble();
}

void Ingest::flush(Flusher::Done done) {
  if (!recovery_) return flusher_->flush_now(std::move(done));
  recovery_->flush([this, done = std::move(done)](Result<void> flushed) mutable {
    if (!flushed) return done(flushed);
    flusher_->flush_now(std::move(done));
  });
}

void Ingest::settle(Flusher::Done done) {
  if (!recovery_ || recovery_->done()) return flush(std::move(done));
  done(pipeline::fail(pipeline::Errc::kUnavailable,
                      "the log of an earlier run is not in the store yet; try again in a moment"));
}

void Ingest::stop() {
  if (push_handler_) push_handler_->stop();
  if (workers_) workers_->stop();
  if (committer_) committer_->stop();
  if (recovery_) recovery_->stop();
  if (flusher_) flusher_->stop();
}

}  // namespace server
