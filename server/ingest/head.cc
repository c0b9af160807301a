#include "server/ingest/head.h"

#include <algorithm>

#include "pipeline/base/invariant.h"

namespace server {

namespace {

constexpr uint64_t kSmallPushBytes = 32 << 10;  // below: copied into a shared block
constexpr size_t kSmallPushRows = 512;
constexpr uint64_t kEntryBytes = sizeof(pipeline::UnixNanos) + sizeof(uint32_t);
constexpr uint64_t kRunBytes = sizeof(HeadRun);

uint64_t cost_of(const EntrySlice& slice) {
  return slice.line_bytes() + slice.metadata_bytes() + slice.size() * kEntryBytes + kRunBytes;
}

}  // namespace

struct Head::Growing {
  struct Place {
    std::vector<HeadStream>* streams;
    size_t index;
  };
  SealedHead content;
  std::unordered_map<pipeline::StreamId, Place> places;  // map nodes of `content.tenants` never move
  std::shared_ptr<HeadBlock> block;                      // that small pushes go into
};

Head::Head() : growing_(std::make_unique<Growing>()) {}
Head::~Head() = default;

void Head::add(PushedEntries entries, std::string_view tenant, uint64_t frame, const std::optional<BatchNumber>& batch,
               std::vector<HeadAddition>* added) {
  bool small = entries.raw_bytes() < kSmallPushBytes && entries.columns.size() < kSmallPushRows;
  std::shared_ptr<const EntryColumns> columns;
  if (!small) columns = std::make_shared<const EntryColumns>(std::move(entries.columns));
  std::lock_guard lock(mutex_);
  SealedHead& content = growing_->content;
  INVARIANT(frame > content.last_frame);
  content.last_frame = frame;
  if (batch) content.batches[{std::string(tenant), batch->producer, batch->epoch}].add(batch->seq, batch->seq);
  if (small && !entries.empty()) {
    auto& block = growing_->block;
    if (!block || !block->has_room_for(entries.columns)) block = std::make_shared<HeadBlock>();
    for (const auto& part : entries.parts) {
      const HeadRun& run = add_part(part, block->append(entries.columns.slice(part.begin, part.end)), block);
      if (added) added->push_back({part.stream, run});
    }
  } else if (!small) {
    for (const auto& part : entries.parts) {
      const HeadRun& run = add_part(part, columns->slice(part.begin, part.end), columns);
      if (added) added->push_back({part.stream, run});
    }
  }
}

// Under mutex_.
const HeadRun& Head::add_part(const PushedEntries::Part& part, EntrySlice slice, std::shared_ptr<const void> owner) {
  SealedHead& content = growing_->content;
  auto [place, fresh] = growing_->places.try_emplace(part.stream->id);
  if (fresh) {
    auto& streams = content.tenants[part.stream->tenant];
    place->second = {&streams, streams.size()};
    streams.push_back({part.stream, {}});
  }
  uint64_t cost = cost_of(slice);
  content.raw_bytes += cost;
  content.entries += slice.size();
  raw_bytes_ += cost;
  growing_bytes_ += cost;
  auto& runs = (*place->second.streams)[place->second.index].runs;
  return runs.emplace_back(HeadRun{std::move(owner), slice, part.min_time, part.max_time});
}

HeadSnapshot Head::snapshot(std::string_view tenant) const {
  HeadSnapshot out;
  auto take = [&](const SealedHead& content) {
    auto found = content.tenants.find(std::string(tenant));
    if (found != content.tenants.end()) out.pieces.push_back({content.last_frame, found->second});
  };
  std::lock_guard lock(mutex_);
  if (sealed_) take(*sealed_);
  take(growing_->content);
  return out;
}

std::shared_ptr<const SealedHead> Head::seal() {
  std::lock_guard lock(mutex_);
  if (sealed_ || growing_->content.last_frame == 0) return sealed_;
  sealed_ = std::make_shared<const SealedHead>(std::move(growing_->content));
  growing_ = std::make_unique<Growing>();
  growing_bytes_ = 0;
  return sealed_;
}

void Head::drop_sealed() {
  std::shared_ptr<const SealedHead> last;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  INVARIANT(sealed_);
  raw_bytes_ -= sealed_->raw_bytes;
  last = std::move(sealed_);
}

}  // namespace server
