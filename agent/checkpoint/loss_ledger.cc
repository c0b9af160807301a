#include "agent/checkpoint/loss_ledger.h"

#include <algorithm>

namespace agent {

void add_dropped(std::vector<DroppedEntries>& all, const DroppedEntries& more) {
  auto same =
      std::find_if(all.begin(), all.end(), [&](const DroppedEntries& one) { return one.reason == more.reason; });
  if (same == all.end()) return all.push_back(more);
  same->volume.add(more.volume);
  if (!more.detail.empty()) same->detail = more.detail;
}

LossLedger::LossLedger(const Resume& resume) {
  for (const auto& [name, sink] : resume.sinks) add_sink(name, sink);
}

void LossLedger::add_sink(const std::string& sink, const SinkResume& resume) {
  std::lock_guard lock(mutex_);
  for (const DroppedBytes& dropped : resume.dropped)
    add(sinks_[sink].sums[dropped.file], {reason_text(dropped.reason), dropped.detail, dropped.bytes, 0});
  faults_[sink] = resume.fault;
}

pipeline::SharedText LossLedger::reason_text(std::string_view reason) {
  auto there = reasons_.find(reason);
  return there != reasons_.end() ? *there : *reasons_.emplace(reason).first;
}

void LossLedger::note(const std::string& sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end,
                      std::string_view detail) {
  if (bytes == 0 || !file || is_stream(file)) return;
  std::lock_guard lock(mutex_);
  add_pending(sink, file, {reason_text(reason), detail, bytes, end});
}

void LossLedger::note_spooled_bytes(const std::string& sink, FileId file, std::string_view reason, uint64_t bytes,
                                    uint64_t end, std::string_view detail) {
  if (bytes == 0 || !file || is_stream(file)) return;
  std::lock_guard lock(mutex_);
  add_pending(sink, file, {reason_text(reason), detail, bytes, end, true});
}

void LossLedger::add_pending(const std::string& sink, FileId file, Pending more) {
  std::vector<Pending>& pending = sinks_[sink].pending[file];
  if (pending.size() >= kMostPending && pending.front().reason == pending[1].reason &&
      pending.front().spooled == pending[1].spooled) {
    pending[1].bytes += pending.front().bytes;
    pending[1].end = std::max(pending[1].end, pending.front().end);
    pending.erase(pending.begin());
  }
  pending.push_back(std::move(more));
}

void LossLedger::forget(FileId file) {
  std::lock_guard lock(mutex_);
  for (auto& [sink, accounts] : sinks_) {
    accounts.sums.erase(file);
    accounts.spooled_sums.erase(file);
    accounts.pending.erase(file);
    accounts.entries.erase(file);
  }
}

void LossLedger::note_entries(const std::string& sink, FileId stream, LostEntries lost) {
  if (lost.refused == 0 || lost.ranges.empty()) return;
  std::lock_guard lock(mutex_);
  sinks_[sink].entries[stream].push_back(std::move(lost));
}

std::vector<LostEntries> LossLedger::take_entries(const std::string& sink, FileId stream) {
  std::lock_guard lock(mutex_);
  auto accounts = sinks_.find(sink);
  if (accounts == sinks_.end()) return {};
  auto found = accounts->second.entries.find(stream);
  if (found == accounts->second.entries.end()) return {};
  std::vector<LostEntries> taken = std::move(found->second);
  accounts->second.entries.erase(found);
  return taken;
}

void LossLedger::note_spooled(const std::string& sink, std::string_view reason, EntryVolume volume,
                              std::string_view detail, bool is_known) {
  if (volume.entries == 0) return;
  std::lock_guard lock(mutex_);
  const DroppedEntries dropped{std::string(reason), volume, std::string(detail)};
  add_dropped(sinks_[sink].spooled, dropped);
  if (!is_known) add_dropped(sinks_[sink].spooled_unknown, dropped);
}

void LossLedger::forget_spooled(const std::string& sink) {
  std::lock_guard lock(mutex_);
  Accounts& accounts = sinks_[sink];
  accounts.spooled.clear(), accounts.spooled_unknown.clear();
  accounts.spooled_sums = {};
  for (auto& [file, pending] : accounts.pending) std::erase_if(pending, [](const Pending& p) { return p.spooled; });
}

std::vector<DroppedEntries> LossLedger::spooled(const std::string& sink) const {
  std::lock_guard lock(mutex_);
  auto accounts = sinks_.find(sink);
  return accounts == sinks_.end() ? std::vector<DroppedEntries>() : accounts->second.spooled;
}

std::vector<DroppedEntries> LossLedger::spooled_unknown(const std::string& sink) const {
  std::lock_guard lock(mutex_);
  auto accounts = sinks_.find(sink);
  return accounts == sinks_.end() ? std::vector<DroppedEntries>() : accounts->second.spooled_unknown;
}

void LossLedger::add(Sum& sums, const Pending& pending) {
  Sum* at = &sums;
  while (at->reason < pending.reason && at->next) at = at->next.get();
  if (at->reason < pending.reason && !at->reason.empty()) {  // behind the last one
    at->next = std::make_unique<Sum>();
    at = at->next.get();
  } else if (pending.reason < at->reason) {  // before this one
    auto behind = std::make_unique<Sum>(std::move(*at));
    *at = Sum();
    at->next = std::move(behind);
  }
  at->reason = pending.reason;
  at->bytes += pending.bytes;
  if (!pending.detail.empty()) at->detail = pending.detail;
}

void LossLedger::append(const Sum& sums, FileId file, std::vector<DroppedBytes>& out) {
  for (const Sum* sum = &sums; sum != nullptr && !sum->reason.empty(); sum = sum->next.get())
    out.push_back({file, sum->reason, sum->bytes, sum->detail});
}

std::vector<DroppedBytes> LossLedger::below(const std::string& sink, FileId file, uint64_t position) const {
  std::lock_guard lock(mutex_);
  auto accounts = sinks_.find(sink);
  if (accounts == sinks_.end()) return {};
  Sum sums;
  for (const auto* all : {&accounts->second.sums, &accounts->second.spooled_sums})
    for (const Sum* sum = all->find(file); sum != nullptr && !sum->reason.empty(); sum = sum->next.get())
      add(sums, {sum->reason, sum->detail, sum->bytes, 0});
  if (auto found = accounts->second.pending.find(file); found != accounts->second.pending.end())
    for (const Pending& pending : found->second)
      if (pending.end <= position) add(sums, pending);
  std::vector<DroppedBytes> all;
  append(sums, file, all);
  return all;
}

std::vector<DroppedBytes> LossLedger::pass(const std::string& sink, const std::vector<FilePosition>& positions) {
  std::lock_guard lock(mutex_);
  std::vector<DroppedBytes> changed;
  auto accounts = sinks_.find(sink);
  if (accounts == sinks_.end()) return changed;
  auto& all_sums = accounts->second.sums;
  auto& all_pending = accounts->second.pending;
  for (const FilePosition& p : positions) {
    auto found = all_pending.find(p.file);
    if (found == all_pending.end()) continue;
    std::vector<Pending>& pending = found->second;
    auto above = std::stable_partition(pending.begin(), pending.end(),
                                       [&](const Pending& one) { return one.end <= p.position; });
    if (above == pending.begin()) continue;
    bool is_changed = false;
    for (auto it = pending.begin(); it != above; ++it) {
      add(it->spooled ? accounts->second.spooled_sums[p.file] : all_sums[p.file], *it);
      is_changed |= !it->spooled;
    }
    pending.erase(pending.begin(), above);
    if (is_changed) append(all_sums[p.file], p.file, changed);
    if (pending.empty()) all_pending.erase(found);
  }
  return changed;
}

bool LossLedger::note_fault(const std::string& sink, std::string_view text, pipeline::UnixNanos now) {
  std::lock_guard lock(mutex_);
  SinkFault& fault = faults_[sink];
  if (fault.text == text) return false;
  bool goes_on = !fault.text.empty() && !text.empty();
  fault = {std::string(text), text.empty() ? 0 : goes_on ? fault.since : now};
  return true;
}

SinkFault LossLedger::fault(const std::string& sink) const {
  std::lock_guard lock(mutex_);
  auto found = faults_.find(sink);
  return found == faults_.end() ? SinkFault() : found->second;
}

}  // namespace agent
