#include "agent/sink/split_numbers.h"

#include <charconv>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

namespace {
std::string text_of(BatchNumber number) { return concat(number.epoch, "/", number.seq); }

std::optional<BatchNumber> parse_number(std::string_view text) {
  BatchNumber number;
  const char* end = text.data() + text.size();
  auto epoch = std::from_chars(text.data(), end, number.epoch);
  if (epoch.ec != std::errc() || epoch.ptr == end || *epoch.ptr != '/') return std::nullopt;
  auto seq = std::from_chars(epoch.ptr + 1, end, number.seq);
  if (seq.ec != std::errc() || seq.ptr != end) return std::nullopt;
  return number;
}
}  // namespace

SplitNumbers::SplitNumbers(CheckpointStore& store, const std::string& sink)
    : store_(store), sink_(sink), name_(concat("\x1fsplits of sink ", sink)) {
  auto kept = store.resume().cursors.find(name_);
  if (kept == store.resume().cursors.end()) return;
  for (const auto& [key, text] : kept->second) {
    size_t blank = std::min(text.find(' '), text.size());
    auto whole = parse_number(key);
    auto first = parse_number(std::string_view(text).substr(0, blank));
    auto second = parse_number(std::string_view(text).substr(std::min(blank + 1, text.size())));
    if (whole && first && second) halves_[*whole] = {*first, *second};
  }
}

std::optional<SplitNumbers::Halves> SplitNumbers::find(BatchNumber whole) const {
  auto at = halves_.find(whole);
  if (at == halves_.end()) return std::nullopt;
  return at->second;
}

void SplitNumbers::add(BatchNumber whole, const Halves& halves, CheckpointStore::Done done) {
  halves_[whole] = halves;
  store_.save_cursor(name_, text_of(whole), concat(text_of(halves.first), " ", text_of(halves.second)));
  store_.flush(std::move(done));
}

void SplitNumbers::settled(BatchNumber whole) {
  if (!halves_.contains(whole)) return;
  store_.ack(sink_, whole);
  forget(whole);
}

void SplitNumbers::forget(BatchNumber whole) {
  auto at = halves_.find(whole);
  if (at == halves_.end()) return;
  Halves halves = at->second;
  halves_.erase(at);
  store_.save_cursor(name_, text_of(whole), "");
  forget(halves.first);
  forget(halves.second);
}

}  // namespace agent
