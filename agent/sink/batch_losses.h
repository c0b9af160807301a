// What was refused of a batch for good (ClosedBatch::lost), as the ledgers want it: the spool's, where that has the
// batch, else those of its files and of its stream. Thread: loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/checkpoint/loss_ledger.h"
#include "agent/sink/closed_batch.h"
#include "agent/spool/spool_losses.h"

namespace agent {

// `reason`: STEP:WHAT. Of halves of one batch that are refused for the same reason the entries are added.
void add_lost(ClosedBatch& batch, const std::string& reason, uint64_t entries, const std::string& detail);

// Before the positions of `sink` pass the batch. Each of its files has its share.
void note_losses(LossLedger& ledger, const std::string& sink, const ClosedBatch& batch);
std::vector<SpoolLoss> spool_losses(const ClosedBatch& batch);

// What is lost of the spool of `sink`, for who asks: of other stores' files, and of files that are not `known`, nobody
// does. `home`: of the sink.
void tell_losses(LossLedger& ledger, const std::string& sink, const LostFrame& frame, uint64_t home,
                 const std::function<bool(FileId)>& known);

}  // namespace agent
