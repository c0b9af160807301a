#include "agent/sink/batch_losses.h"

#include <algorithm>

namespace agent {

namespace {
uint64_t entries_of(const ClosedBatch& batch) { return std::max<uint64_t>(1, batch.volume.entries); }
}  // namespace

void add_lost(ClosedBatch& batch, const std::string& reason, uint64_t entries, const std::string& detail) {
  if (entries == 0) return;
  auto same = std::find_if(batch.lost.begin(), batch.lost.end(), [&](auto& lost) { return lost.reason == reason; });
  if (same == batch.lost.end()) return batch.lost.push_back({reason, detail, entries});
  same->entries += entries;
  if (!detail.empty()) same->detail = detail;
}

void note_losses(LossLedger& ledger, const std::string& sink, const ClosedBatch& batch) {
  if (batch.lost.empty()) return;
  const SpoolOrigins all = spool_origins(0, batch.record->segments);
  for (const auto& [reason, detail, entries] : batch.lost) {
    if (!batch.entries.empty())
      ledger.note_entries(sink, batch.files.front(), {batch.entries, entries, entries_of(batch), reason, detail});
    for (const SpoolPart& part : share_of(all, entries, entries_of(batch)).parts)
      ledger.note(sink, part.file, reason, part.bytes, part.end, detail);
  }
}

std::vector<SpoolLoss> spool_losses(const ClosedBatch& batch) {
  std::vector<SpoolLoss> losses;
  const auto origins = parse_origins(batch.origins);
  for (const auto& [reason, detail, entries] : batch.lost) {
    SpoolLoss& loss = losses.emplace_back(SpoolLoss{reason, detail, {}, {}});
    loss.volume = {0, entries, batch.volume.bytes * entries / entries_of(batch)};
    if (origins) loss.origins = encode_origins(share_of(*origins, entries, entries_of(batch)));
  }
  return losses;
}

void tell_losses(LossLedger& ledger, const std::string& sink, const LostFrame& frame, uint64_t home,
                 const std::function<bool(FileId)>& known) {
  for (const SpoolLoss& loss : frame.losses) {
    if (loss.reason.empty()) continue;  // the batch is built again
    const auto origins = parse_origins(loss.origins);
    const bool is_ours = origins && origins->home == home;
    bool is_known = is_ours;
    for (const SpoolPart& part : is_ours ? origins->parts : std::vector<SpoolPart>()) {
      is_known &= static_cast<bool>(part.file);
      if (known(part.file)) ledger.note_spooled_bytes(sink, part.file, loss.reason, part.bytes, part.end, loss.detail);
    }
    ledger.note_spooled(sink, loss.reason, {loss.volume.entries, loss.volume.line_bytes}, loss.detail, is_known);
  }
}

}  // namespace agent
