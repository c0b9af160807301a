#include "server/ingest/head.h"

#include <algorithm>

#include "pipeline/base/invariant.h"

namespace server {

namespace {

constexpr uint64_t kSmallPushBytes = 32 << 10;  // below: copied into a shared block
constexpr size_t kSmallPushRows = 512;
constexpr uint64_t kEntryBytes = sizeof(pipeline::UnixNanos) + 2 * sizeof(uint32_t);
constexpr uint64_t kStreamBytes = HeadStreams::kStreamBytes + StreamIndex::kBytesPerStream;

uint64_t cost_of(const EntrySlice& slice) {
  return slice.line_bytes() + slice.metadata_bytes() + slice.size() * kEntryBytes + HeadStreams::kRunBytes;
}

// What a pool lent; goes back when the last one that looks at it is done.
struct Lent {
  Lent(ColumnPool::Loan l, std::shared_ptr<ColumnPool> p) : loan(std::move(l)), pool(std::move(p)) {}
  ~Lent() { pool->give(std::move(loan)); }
  ColumnPool::Loan loan;
  const std::shared_ptr<ColumnPool> pool;
};

std::shared_ptr<const EntryColumns> shared_columns(PushedEntries& entries) {
  if (!entries.pool) return std::make_shared<const EntryColumns>(std::move(entries.columns));
  ColumnPool::Loan loan{std::move(entries.columns), entries.text_room};
  auto lent = std::make_shared<Lent>(std::move(loan), std::move(entries.pool));
  const EntryColumns* columns = &lent->loan.columns;
  return {std::move(lent), columns};
}

}  // namespace

struct Head::Tenant {
  HeadStreams streams;
  StreamIndex index;
  const HeadBlock* block = nullptr;  // the last that entries of it went into, and its number in `streams`
  uint32_t block_number = 0;
};

struct Head::Growing {
  std::map<std::string, Tenant, std::less<>> tenants;
  SealedHead content;                // but for its tenants
  std::shared_ptr<HeadBlock> block;  // that small pushes go into
};

Head::Head() : growing_(std::make_unique<Growing>()) {}
Head::~Head() = default;

void Head::add(PushedEntries entries, std::string_view tenant, uint64_t frame, const std::optional<BatchNumber>& batch,
               std::vector<HeadAddition>* added) {
  bool small = entries.raw_bytes() < kSmallPushBytes && entries.columns.size() < kSmallPushRows;
  std::shared_ptr<const EntryColumns> columns;
  if (!small) columns = shared_columns(entries);
  std::lock_guard lock(mutex_);
  SealedHead& content = growing_->content;
  INVARIANT(frame > content.last_frame);
  content.last_frame = frame;
  if (batch) content.batches[{std::string(tenant), batch->producer, batch->epoch}].add(batch->seq, batch->seq);
  if (entries.parts.empty()) return;
  auto found = growing_->tenants.find(tenant);
  if (found == growing_->tenants.end()) found = growing_->tenants.try_emplace(std::string(tenant)).first;
  Tenant& own = found->second;
  if (!small) {
    const uint32_t number = own.streams.add_entries(columns, *columns);
    for (const auto& part : entries.parts)
      add_part(own, part, columns->slice(part.begin, part.end), number, part.begin, added);
    return;
  }
  auto& block = growing_->block;
  if (!block || !block->has_room_for(entries.columns)) block = std::make_shared<HeadBlock>();
  if (own.block != block.get()) {
    own.block = block.get();
    own.block_number = own.streams.add_entries(block, block->entries());
  }
  for (const auto& part : entries.parts) {
    const EntrySlice slice = entries.columns.slice(part.begin, part.end);
    add_part(own, part, slice, own.block_number, block->append(slice), added);
  }
}

// Under mutex_. `slice`: rows of these entries, from `first` on.
void Head::add_part(Tenant& tenant, const PushedEntries::Part& part, const EntrySlice& slice, uint32_t entries,
                    uint32_t first, std::vector<HeadAddition>* added) {
  const size_t before = tenant.streams.size();
  const uint32_t stream = tenant.index.place(tenant.streams, part.stream);
  uint64_t cost = cost_of(slice);
  if (tenant.streams.size() > before) cost += part.stream->memory_bytes() + kStreamBytes;
  tenant.streams.add_run(stream, {entries, first, static_cast<uint32_t>(slice.size()), slice.has_metadata(),
                                  part.min_time, part.max_time});
  growing_->content.raw_bytes += cost;
  growing_->content.entries += slice.size();
  raw_bytes_ += cost;
  growing_bytes_ += cost;
  if (added) added->push_back({part.stream, tenant.streams.last_run(stream)});
}

HeadSnapshot Head::snapshot(std::string_view tenant) const {
  HeadSnapshot out;
  std::lock_guard lock(mutex_);
  if (sealed_) {
    auto found = sealed_->tenants.find(std::string(tenant));
    if (found != sealed_->tenants.end())
      out.pieces.push_back({sealed_->last_frame, {sealed_, &found->second}});  // keeps all of it
  }
  auto found = growing_->tenants.find(tenant);
  if (found != growing_->tenants.end())
    out.pieces.push_back({growing_->content.last_frame, std::make_shared<const HeadStreams>(found->second.streams)});
  return out;
}

std::shared_ptr<const SealedHead> Head::seal() {
  std::lock_guard lock(mutex_);
  if (sealed_ || growing_->content.last_frame == 0) return sealed_;
  for (auto& [tenant, own] : growing_->tenants) growing_->content.tenants.emplace(tenant, std::move(own.streams));
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
