#include "server/ingest/ingest.h"

#include "pipeline/base/log.h"

namespace server {

using pipeline::Result;

Ingest::Ingest(IngestDoors doors, IngestOptions options) : doors_(doors), options_(std::move(options)) {
  doors_.registry.gauge_callback("skidway_server_head_bytes", "Entries acknowledged and not yet flushed, in memory",
                                 [this] { return static_cast<double>(head_.raw_bytes()); });
}

Ingest::~Ingest() {
  stop();
  doors_.registry.remove("skidway_server_head_bytes", {});
}

Result<std::unique_ptr<Ingest>> Ingest::open(IngestDoors doors, IngestOptions options) {
  std::unique_ptr<Ingest> ingest(new Ingest(doors, std::move(options)));
  TRY(doors.catalog.forget_batches());
  TRY_LET(auto batches, doors.catalog.batches());
  ingest->numbers_.add_stored(batches);
  TRY_LET(auto snapshot, doors.catalog.snapshot());
  TRY(ingest->replay(snapshot->flushed_frame));
  Ingest& in = *ingest;
  in.committer_ = in.make_committer(snapshot->flushed_frame);
  in.workers_ = std::make_unique<pipeline::WorkerPool>(doors.loop, "ingest", in.options_.workers);
  in.push_handler_ =
      std::make_unique<PushHandler>(doors.loop, *in.workers_, *in.committer_, in.head_, in.numbers_, in.streams_,
                                    doors.limits, doors.clock, doors.registry, in.options_.push, [&in] {
                                      if (in.head_.growing_bytes() >= in.options_.flush.bytes) in.flusher_->poke();
                                    });
  in.flusher_ = std::make_unique<Flusher>(in.head_, *in.wal_, doors.store, doors.catalog, doors.clock, doors.registry,
                                          in.options_.flush, [&in] { in.push_handler_->on_room(); });
  if (in.head_.growing_bytes() >= in.options_.flush.bytes) in.flusher_->poke();
  // Pushes wait for it: only the log's own frames may raise the number of the last one that is in objects.
  if (in.options_.ack == AckMode::kStore && in.head_.raw_bytes() > 0) in.flush([](Result<void>) {});
  return ingest;
}

std::unique_ptr<Committer> Ingest::make_committer(uint64_t flushed_frame) {
  if (options_.ack == AckMode::kDisk) return std::make_unique<LogCommitter>(*wal_, head_, feed_);
  ObjectCommitterDoors doors{doors_.store,
                             doors_.catalog,
                             feed_,
                             doors_.clock,
                             doors_.registry,
                             [this] { return push_handler_->coming(); },
                             [this] { return head_.raw_bytes() == 0; }};
  return std::make_unique<ObjectCommitter>(std::move(doors), options_.objects,
                                           std::max(flushed_frame, wal_->last_number()));
}

Result<void> Ingest::replay(uint64_t flushed_frame) {
  StreamTable streams;
  PushRuleBook rules(doors_.limits, PushRuleBook::Kind::kLifted);
  WalOptions options{options_.wal_folder, options_.segment_bytes};
  TRY_LET(wal_, Wal::open(doors_.files, doors_.registry, std::move(options), flushed_frame,
                          [&](WalFrame frame) { return replay_frame(std::move(frame), streams, rules); }));
  return {};
}

Result<void> Ingest::replay_frame(WalFrame frame, StreamTable& streams, PushRuleBook& book) {
  // Two copies of a batch are in the log when the sync of the first failed and the sender was told so.
  bool stored = frame.batch && numbers_.is_stored(frame.tenant, *frame.batch);
  PushedEntries entries;
  if (!stored) {
    auto rules = book.of(frame.tenant);
    PushDecoding decoding{frame.tenant, *rules, frame.received, UINT32_MAX};
    auto decoded = decode_push_request({frame.format, frame.encoding}, frame.body, decoding, streams);
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
  head_.add(std::move(entries), frame.tenant, frame.number, stored ? std::nullopt : frame.batch);
  return {};
}

void Ingest::handle_push(std::string tenant, pipeline::HttpRequest request, pipeline::HttpResponder responder) {
  push_handler_->handle(std::move(tenant), std::move(request), std::move(responder));
}

Result<ReadView> Ingest::view(std::string_view tenant) const {
  ReadView view;
  view.head = head_.snapshot(tenant);  // first: what is flushed meanwhile is then in both, and dropped here
  TRY_LET(view.objects, doors_.catalog.snapshot());
  view.head.drop_flushed(view.objects->flushed_frame);
  return view;
}

void Ingest::stop() {
  if (push_handler_) push_handler_->stop();
  if (workers_) workers_->stop();
  if (committer_) committer_->stop();
  if (flusher_) flusher_->stop();
}

}  // namespace server
