#include "agent/sink/open_batch.h"

#include <algorithm>

#include "agent/sink/body_encoding.h"
#include "pipeline/base/invariant.h"
#include "pipeline/codec/push_writer.h"

namespace agent {

using pipeline::ByteRange;
using pipeline::UnixNanos;

uint32_t OpenBatch::stream(const std::string& labels) {
  if (auto at = by_labels_.find(labels); at != by_labels_.end()) return at->second;
  auto index = static_cast<uint32_t>(streams_.size());
  streams_.push_back({.labels = labels, .entries = {}, .equal = {}});
  by_labels_.emplace(streams_.back().labels, index);
  return index;
}

void OpenBatch::add(uint32_t index, UnixNanos time, std::string_view line,
                    std::span<const pipeline::Metadata> metadata) {
  Stream& stream = streams_[index];
  size_t before = stream.entries.size();
  if (before == 0) {
    used_.push_back(index);
    size_bytes_ += stream.labels.size() + 16;
  }
  if (before == 0 || time > stream.last_time) [[likely]] {
    pipeline::append_push_entry(stream.entries, time, line, metadata);
    stream.last_time = time;
  } else {
    stream.last_time = std::max(stream.last_time, stream.equal.append(stream.entries, time, line, metadata));
  }
  size_bytes_ += stream.entries.size() - before;
  volume_.entries++, volume_.bytes += line.size();
}

bool OpenBatch::note(FileId file, const std::shared_ptr<const std::string>& labels, const ByteRange& origin,
                     bool continues) {
  if (segments_.empty() || segments_.back().file != file || segments_.back().labels != labels ||
      (segments_.back().continues && !continues)) {
    auto at = std::find_if(begins_.begin(), begins_.end(), [&](auto& b) { return b.first == file; });
    if (at == begins_.end()) at = begins_.insert(at, {file, origin.begin + 1});
    current_ = static_cast<size_t>(at - begins_.begin());
    segments_.push_back({file, labels, {}, continues && !segments_.empty()});
  }
  std::vector<LineRange>& ranges = segments_.back().ranges;
  if (!ranges.empty() && ranges.back().end == origin.begin && next_read_time_ == origin.read_time) [[likely]] {
    ranges.back().end = origin.end;
  } else {
    ranges.push_back({origin.begin, origin.end, origin.read_time});
  }
  next_read_time_ = origin.read_time + 1;
  if (origin.begin >= begins_[current_].second) return false;
  begins_[current_].second = origin.begin;
  return true;
}

bool OpenBatch::note_stream(FileId stream, uint64_t begin, uint64_t end) {
  if (!entries_.empty() && begin >= entries_.back().first && begin <= entries_.back().second)
    entries_.back().second = std::max(entries_.back().second, end);
  else
    entries_.emplace_back(begin, end);
  for (auto& [id, lowest] : begins_) {
    if (id != stream) continue;
    if (begin >= lowest) return false;
    lowest = begin;
    return true;
  }
  begins_.emplace_back(stream, begin);
  return true;
}

OpenBatch::Content OpenBatch::take(Compression compression) {
  Content content{encode(compression), std::move(segments_), {}, std::move(entries_), volume_};
  for (auto& [file, begin] : begins_) content.files.push_back(file);
  empty_streams();
  segments_.clear(), begins_.clear(), used_.clear(), entries_.clear();
  size_bytes_ = 0, volume_ = {};
  return content;
}

std::string OpenBatch::encode(Compression compression) const {
  pipeline::PushBody body;
  for (uint32_t index : used_) body.add_stream(streams_[index].labels, streams_[index].entries.view());
  std::string out = compress_body(body.fragments(), compression);
  if (out.capacity() > out.size() + out.size() / 2) out.shrink_to_fit();  // it may wait long
  return out;
}

// Streams stay for the next batch unless most of them, or most of their memory, were of no use to this one.
void OpenBatch::empty_streams() {
  uint64_t kept_bytes = 0;
  for (uint32_t index : used_) {
    streams_[index].entries.clear();
    streams_[index].equal.clear();
  }
  for (const Stream& stream : streams_) kept_bytes += stream.entries.capacity();
  if (kept_bytes <= 2 * keep_bytes_ && streams_.size() <= 2 * used_.size() + 64) return;
  by_labels_.clear(), streams_.clear();
  generation_++;
}

}  // namespace agent
