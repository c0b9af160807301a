#include "agent/sink/spool_shares.h"

#include <algorithm>

namespace agent {

namespace {
// Whether it is told whose a frame is; of a stream only within its run.
enum class Whose { kKnown, kEarlierStream, kUnknown };

Whose whose(const std::optional<SpoolOrigins>& origins, uint64_t home, bool this_run) {
  if (!origins || origins->home != home) return Whose::kUnknown;
  for (const SpoolPart& part : origins->parts) {
    if (!part.file) return Whose::kUnknown;  // some of it
    if (is_stream(part.file) && !this_run) return Whose::kEarlierStream;
  }
  return Whose::kKnown;
}
}  // namespace

// Of several frames together: those that end lowest first.
void SpoolShares::File::take(uint64_t bytes) {
  const uint64_t below = std::min(passed, bytes);
  passed -= below, bytes -= below;
  while (bytes > 0 && !recent.empty()) {
    const uint64_t of_one = std::min(recent.front().bytes, bytes);
    recent.front().bytes -= of_one, bytes -= of_one;
    if (recent.front().bytes == 0) recent.erase(recent.begin());
  }
}

void SpoolShares::add(std::string_view bytes, bool this_run) {
  const auto origins = parse_origins(bytes);
  const Whose known = whose(origins, home_, this_run);
  if (known == Whose::kUnknown) unknown_++;
  if (known == Whose::kEarlierStream) earlier_streams_++;
  if (!origins || origins->home != home_ || known == Whose::kEarlierStream) return;
  for (const SpoolPart& part : origins->parts) {
    File& file = files_[part.file];
    const uint64_t position = position_(part.file);
    auto above = std::partition(file.recent.begin(), file.recent.end(), [&](auto& p) { return p.end <= position; });
    for (auto p = file.recent.begin(); p != above; ++p) file.passed += p->bytes;
    file.recent.erase(file.recent.begin(), above);
    if (part.end <= position)
      file.passed += part.bytes;
    else
      file.recent.push_back(part);
  }
}

void SpoolShares::remove(std::string_view bytes, bool this_run) {
  const auto origins = parse_origins(bytes);
  const Whose known = whose(origins, home_, this_run);
  if (known == Whose::kUnknown && unknown_ > 0) unknown_--;
  if (known == Whose::kEarlierStream && earlier_streams_ > 0) earlier_streams_--;
  if (!origins || origins->home != home_ || known == Whose::kEarlierStream) return;
  for (const SpoolPart& part : origins->parts) {
    auto at = files_.find(part.file);
    if (at == files_.end()) continue;
    File& file = at->second;
    if (auto same = std::find(file.recent.begin(), file.recent.end(), part); same != file.recent.end())
      file.recent.erase(same);
    else
      file.take(part.bytes);
    if (file.passed == 0 && file.recent.empty()) files_.erase(at);
  }
}

uint64_t SpoolShares::below_position(FileId id) const {
  auto at = files_.find(id);
  if (at == files_.end()) return 0;
  const uint64_t position = position_(id);
  uint64_t bytes = at->second.passed;
  for (const SpoolPart& part : at->second.recent)  // of one that is passed in part, as much as may lie below
    bytes += part.begin < position ? std::min(part.bytes, position - part.begin) : 0;
  return bytes;
}

bool SpoolShares::may_hold(FileId file) const {
  return unknown_ > 0 || (is_stream(file) && (files_.contains(file) || earlier_streams_ > 0));
}

}  // namespace agent
