#include "agent/stream/stream_cursors.h"

#include <algorithm>
#include <set>

#include "pipeline/base/concat.h"

namespace agent {

namespace {
constexpr char kTab = '\t';
using Texts = std::map<std::string, std::string>;

std::string prefix_of(const std::string& sink) { return pipeline::concat(sink, std::string(1, kTab)); }

// Those of one sink by key, without the mark that it has begun.
Texts of_sink(const Texts& all, const std::string& prefix) {
  Texts own;
  for (auto at = all.upper_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at)
    own.emplace(at->first.substr(prefix.size()), at->second);
  return own;
}

// Of an older agent.
Texts of_all_sinks(const Texts& all) {
  Texts common;
  for (const auto& [key, text] : all)
    if (key.find(kTab) == key.npos) common.emplace(key, text);
  return common;
}
}  // namespace

void StreamCursors::begin(CheckpointStore& store, const std::string& source, const std::vector<std::string>& sinks) {
  const Texts all = store.cursors(source), common = of_all_sinks(all);
  auto has_begun = [&](const std::string& sink) { return all.contains(prefix_of(sink)); };
  Texts first = common;
  if (auto other = std::find_if(sinks.begin(), sinks.end(), has_begun); first.empty() && other != sinks.end())
    first = of_sink(all, prefix_of(*other));
  for (const std::string& sink : sinks) {
    if (has_begun(sink)) continue;
    store.save_cursor(source, prefix_of(sink), "1");
    for (const auto& [key, text] : first) store.save_cursor(source, prefix_of(sink) + key, text);
  }
  for (const auto& [key, text] : common) store.save_cursor(source, key, "");
}

StreamCursors::StreamCursors(CheckpointStore& store, const std::string& source, const std::string& sink)
    : store_(&store), source_(source), prefix_(prefix_of(sink)) {}

std::map<std::string, std::string> StreamCursors::saved() const { return of_sink(store_->cursors(source_), prefix_); }

void StreamCursors::save(const std::string& key, std::string text) const {
  store_->hold_cursor(source_, prefix_ + key, std::move(text));
}

void StreamCursors::write(CheckpointStore& store, const std::string& source, std::vector<StreamLine> lines) {
  std::set<std::string> told;
  for (const StreamLine& line : lines) told.insert(line.sink);
  for (StreamLine& line : stream_ledger_of(store.cursors(kLedgerCursors), source))
    if (!told.contains(line.sink)) lines.push_back(std::move(line));
  store.save_held(source, {kLedgerCursors, stream_ledger_key(source), stream_lines_text(lines)});
}

}  // namespace agent
