#include "server/store/stream_list.h"

#include <limits>

namespace server {

namespace {
constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
}  // namespace

void StreamList::reserve(size_t streams) {
  times_.reserve(streams);
  counts_.reserve(streams);
}

bool StreamList::add(const StreamInfo& stream) {
  const bool is_wide = stream.first_page != stream.last_page;
  if (stream.rows == 0 || stream.last_page < stream.first_page || stream.max_time < stream.min_time) return false;
  if (stream.first_label != labels_end_ || stream.tenant + size_t{1} < tenant_begins_.size()) return false;
  if (!is_wide && std::max({stream.rows, stream.raw_bytes, stream.volume_bytes}) > kMost) return false;
  while (tenant_begins_.size() <= stream.tenant) {
    if (tenant_begins_.size() > size()) return false;  // a tenant without a stream
    tenant_begins_.push_back(static_cast<uint32_t>(size()));
  }
  const auto number = static_cast<uint32_t>(size());
  times_.push_back({stream.min_time, stream.max_time});
  if (is_wide) {
    counts_.push_back({stream.first_label, stream.first_page, 0, static_cast<uint32_t>(wide_.size()), 0});
    wide_.push_back({stream.rows, stream.raw_bytes, stream.volume_bytes, stream.last_page, 0});
  } else {
    counts_.push_back({stream.first_label, stream.first_page, static_cast<uint32_t>(stream.rows), 0,
                       static_cast<uint32_t>(stream.raw_bytes)});
  }
  labels_end_ += stream.label_count;
  if (!volumes_.empty()) volumes_.push_back(0);
  set_volume(number, stream.volume_bytes);
  return true;
}

void StreamList::set_volume(uint32_t stream, uint64_t bytes) {
  Counts& counts = counts_[stream];
  if (counts.rows == 0) {
    wide_[counts.first_row].volume_bytes = bytes;
    return;
  }
  if (volumes_.empty()) {
    if (bytes == counts.raw_bytes) return;
    volumes_.reserve(counts_.capacity());
    for (const Counts& each : counts_) volumes_.push_back(each.raw_bytes);
  }
  volumes_[stream] = static_cast<uint32_t>(std::min(bytes, kMost));
}

bool StreamList::add_run(uint32_t page, const PageRun& run) {
  if (run.stream >= size()) return false;
  Counts& counts = counts_[run.stream];
  const bool goes_on = run.stream + size_t{1} == next_;
  if (goes_on) {
    if (!expects_more() || page != last_page_ + 1) return false;
  } else {
    if (run.stream != next_ || counts.first_page != page || expects_more()) return false;
    ++next_;
  }
  last_page_ = page;
  const Times& times = times_[run.stream];
  if (counts.rows != 0) {
    counts.first_row = run.first_row;
    return run.rows == counts.rows && run.min_time == times.min && run.max_time == times.max;
  }
  Wide& wide = wide_[counts.first_row];
  if (!goes_on) wide.first_run = static_cast<uint32_t>(wide_runs_.size());
  if (goes_on && wide_runs_.back().max_time > run.min_time) return false;
  wide_runs_.push_back(run);
  return true;
}

StreamInfo StreamList::operator[](size_t stream) const {
  const Counts& counts = counts_[stream];
  StreamInfo out;
  out.tenant = tenant(stream);
  out.first_label = counts.first_label;
  out.label_count = labels_end(stream) - counts.first_label;
  out.min_time = times_[stream].min, out.max_time = times_[stream].max;
  out.first_page = out.last_page = counts.first_page;
  if (const Wide* all = wide(stream)) {
    out.rows = all->rows, out.raw_bytes = all->raw_bytes, out.volume_bytes = all->volume_bytes;
    out.last_page = all->last_page;
  } else {
    out.rows = counts.rows, out.raw_bytes = counts.raw_bytes;
    out.volume_bytes = volumes_.empty() ? counts.raw_bytes : volumes_[stream];
  }
  return out;
}

uint32_t StreamList::tenant(size_t stream) const {
  auto behind = std::upper_bound(tenant_begins_.begin(), tenant_begins_.end(), stream);
  return static_cast<uint32_t>(behind - tenant_begins_.begin() - 1);
}

std::pair<uint32_t, uint32_t> StreamList::of_tenant(uint32_t tenant) const {
  const auto end = static_cast<uint32_t>(size());
  if (tenant >= tenant_begins_.size()) return {end, end};
  return {tenant_begins_[tenant], tenant + size_t{1} < tenant_begins_.size() ? tenant_begins_[tenant + 1] : end};
}

PageRun StreamList::run(size_t stream, uint32_t page) const {
  const Counts& counts = counts_[stream];
  if (counts.rows == 0) {
    const Wide& all = wide_[counts.first_row];
    return wide_runs_[all.first_run + (page - counts.first_page)];
  }
  return {static_cast<uint32_t>(stream), counts.first_row, counts.rows, times_[stream].min, times_[stream].max};
}

size_t StreamList::memory_bytes() const {
  return times_.capacity() * sizeof(Times) + counts_.capacity() * sizeof(Counts) +
         volumes_.capacity() * sizeof(uint32_t) + wide_.capacity() * sizeof(Wide) +
         wide_runs_.capacity() * sizeof(PageRun) + tenant_begins_.capacity() * sizeof(uint32_t);
}

}  // namespace server
