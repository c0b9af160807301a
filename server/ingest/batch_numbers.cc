#include "server/ingest/batch_numbers.h"

#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"

namespace server {

void BatchNumbers::add_stored(std::span<const ProducerRange> ranges) {
  std::lock_guard lock(mutex_);
  for (const ProducerRange& range : ranges) {
    auto producer = parse_producer(range.producer);
    if (!producer) {
      pipeline::log_warn("batch numbers of an unknown producer left out", {{"producer", range.producer}});
      continue;
    }
    stored_[{range.tenant, *producer, range.epoch}].add(range.first, range.last);
  }
}

void BatchNumbers::add_stored(std::string_view tenant, const BatchNumber& number) {
  std::lock_guard lock(mutex_);
  stored_[{std::string(tenant), number.producer, number.epoch}].add(number.seq, number.seq);
}

bool BatchNumbers::is_stored(std::string_view tenant, const BatchNumber& number) const {
  std::lock_guard lock(mutex_);
  auto epoch = stored_.find({std::string(tenant), number.producer, number.epoch});
  return epoch != stored_.end() && epoch->second.contains(number.seq);
}

BatchNumbers::Claim BatchNumbers::claim(std::string_view tenant, const BatchNumber& number, Waiter& waiter) {
  std::lock_guard lock(mutex_);
  auto epoch = stored_.find({std::string(tenant), number.producer, number.epoch});
  if (epoch != stored_.end() && epoch->second.contains(number.seq)) return Claim::kStored;
  auto [place, first] = on_their_way_.try_emplace({std::string(tenant), number});
  if (first) return Claim::kFirst;
  place->second.push_back(std::move(waiter));
  return Claim::kWaiting;
}

void BatchNumbers::finish(std::string_view tenant, const BatchNumber& number, const PushAnswer& answer) {
  std::vector<Waiter> waiters;
  {
    std::lock_guard lock(mutex_);
    if (answer.stored) stored_[{std::string(tenant), number.producer, number.epoch}].add(number.seq, number.seq);
    auto place = on_their_way_.find({std::string(tenant), number});
    INVARIANT(place != on_their_way_.end());
    waiters = std::move(place->second);
    on_their_way_.erase(place);
  }
  for (Waiter& waiter : waiters) waiter(answer);
}

}  // namespace server
