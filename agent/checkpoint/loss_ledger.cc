#include "agent/checkpoint/loss_ledger.h"

#include <algorithm>

namespace agent {

LossLedger::LossLedger(const Resume& resume) {
  for (const auto& [name, sink] : resume.sinks) add_sink(name, sink);
}

void LossLedger::add_sink(const std::string& sink, const SinkResume& resume) {
  std::lock_guard lock(mutex_);
  for (const DroppedBytes& dropped : resume.dropped)
    add(sinks_[sink][dropped.file], {reason_text(dropped.reason), dropped.detail, dropped.bytes, 0});
  faults_[sink] = resume.fault;
}

pipeline::SharedText LossLedger::reason_text(std::string_view reason) {
  return *reasons_.emplace(std::string(reason)).first;
}

void LossLedger::note(const std::string& sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end,
                      std::string_view detail) {
  if (bytes == 0 || !file || is_stream(file)) return;
  std::lock_guard lock(mutex_);
  std::vector<Pending>& pending = sinks_[sink][file].pending;
  if (pending.size() >= kMostPending && pending.front().reason == pending[1].reason) {
    pending[1].bytes += pending.front().bytes;
    pending[1].end = std::max(pending[1].end, pending.front().end);
    pending.erase(pending.begin());
  }
  pending.push_back({reason_text(reason), std::string(detail), bytes, end});
}

void LossLedger::forget(FileId file) {
  std::lock_guard lock(mutex_);
  for (auto& [sink, files] : sinks_) files.erase(file);
}

void LossLedger::add(Account& account, const Pending& pending) {
  auto sum = std::lower_bound(account.sums.begin(), account.sums.end(), pending.reason,
                              [](const Sum& s, const pipeline::SharedText& reason) { return s.reason < reason; });
  if (sum == account.sums.end() || sum->reason != pending.reason) {
    const auto at = sum - account.sums.begin();
    account.sums.reserve(account.sums.size() + 1);
    sum = account.sums.insert(account.sums.begin() + at, {pending.reason, {}, 0});
  }
  sum->bytes += pending.bytes;
  if (!pending.detail.empty()) sum->detail = pending.detail;
}

void LossLedger::append(const Account& account, FileId file, std::vector<DroppedBytes>& out) {
  for (const Sum& sum : account.sums) out.push_back({file, sum.reason, sum.bytes, sum.detail});
}

std::vector<DroppedBytes> LossLedger::below(const std::string& sink, FileId file, uint64_t position) const {
  std::lock_guard lock(mutex_);
  auto files = sinks_.find(sink);
  if (files == sinks_.end()) return {};
  auto found = files->second.find(file);
  if (found == files->second.end()) return {};
  Account account = found->second;
  for (const Pending& pending : account.pending)
    if (pending.end <= position) add(account, pending);
  std::vector<DroppedBytes> all;
  append(account, file, all);
  return all;
}

std::vector<DroppedBytes> LossLedger::pass(const std::string& sink, const std::vector<FilePosition>& positions) {
  std::lock_guard lock(mutex_);
  std::vector<DroppedBytes> changed;
  auto files = sinks_.find(sink);
  if (files == sinks_.end()) return changed;
  for (const FilePosition& p : positions) {
    auto found = files->second.find(p.file);
    if (found == files->second.end()) continue;
    Account& account = found->second;
    auto above = std::stable_partition(account.pending.begin(), account.pending.end(),
                                       [&](const Pending& pending) { return pending.end <= p.position; });
    if (above == account.pending.begin()) continue;
    for (auto it = account.pending.begin(); it != above; ++it) add(account, *it);
    account.pending.erase(account.pending.begin(), above);
    if (account.pending.empty()) account.pending = {};
    append(account, p.file, changed);
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
