#include "server/ingest/l0_writer.h"

#include <algorithm>
#include <numeric>

#include "pipeline/base/failpoint.h"
#include "server/ingest/batch_number.h"

namespace server {

using pipeline::failpoint;
using pipeline::Result;

namespace {

constexpr size_t kKeptRows = 64 << 10;  // a larger `merged_` is given back after its stream

bool strictly_rising(const EntrySlice& slice) {
  return std::adjacent_find(slice.times.begin(), slice.times.end(), std::greater_equal<>()) == slice.times.end();
}

// The runs in an order in which they can be written one after the other as they are; empty where there is none.
std::vector<HeadRun> rising_order(const HeadRuns& runs) {
  std::vector<HeadRun> order;
  for (const HeadRun& run : runs) order.push_back(run);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.min_time < b.min_time; });
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && order[i - 1].max_time >= order[i].min_time) return {};
    if (!strictly_rising(order[i].entries)) return {};
  }
  return order;
}

}  // namespace

std::vector<ProducerRange> ranges_of(const SealedHead& head) {
  std::vector<ProducerRange> out;
  for (const auto& [producer, batches] : head.batches) {
    for (const auto& [first, last] : batches.ranges())
      out.push_back({producer.tenant, format_producer(producer.id), producer.epoch, first, last});
  }
  return out;
}

L0Writer::L0Writer(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry)
    : store_(store),
      catalog_(catalog),
      ulids_(clock),
      duplicates_(registry.counter("skidway_server_dropped_entries_total", "Entries dropped on purpose",
                                   {{"reason", "duplicate"}})) {}

Result<ObjectRow> L0Writer::write(const SealedHead& head, uint64_t frames_through) {
  ObjectRow row;
  row.summary.object = ulids_.make();
  row.key = object_key(catalog_.cluster(), 0, row.summary.object);
  TRY(catalog_.plan_output(kIngestJob, {row.summary.object, row.key}));
  TRY(failpoint("l0.planned"));
  auto written = write(head, frames_through, row);
  if (written) return row;
  // What there may be of it is deleted. Where even that cannot be noted it goes with this program, or by its age.
  (void)catalog_.abandon_output(row.summary.object);
  return pipeline::fail(written.error());
}

Result<void> L0Writer::write(const SealedHead& head, uint64_t frames_through, ObjectRow& row) {
  ObjectWriterOptions options;
  options.cluster = catalog_.cluster();
  options.object = row.summary.object;
  options.producers = ranges_of(head);
  options.last_frame = frames_through;
  TRY_LET(auto snapshot, catalog_.snapshot());
  options.deletes_applied = snapshot->last_delete;  // what is in the head came after all requests to delete
  TRY(failpoint("l0.before_create"));
  TRY_LET(auto upload, store_.create(row.key));
  ObjectWriter writer(std::move(options), *upload);
  for (const auto& [tenant, streams] : head.tenants) {
    std::vector<uint32_t> order(streams.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return *streams[a].stream < *streams[b].stream; });
    for (uint32_t number : order) TRY(write_stream(writer, streams[number]));
  }
  TRY_LET(row.summary, writer.finish());
  TRY(failpoint("l0.before_put"));
  TRY(upload->commit());
  return failpoint("l0.after_put");
}

Result<void> L0Writer::write_stream(ObjectWriter& writer, const HeadStream& stream) {
  const std::string_view tenant = stream.stream->tenant();
  const pipeline::LabelSet labels = stream.stream->labels();
  if (auto order = rising_order(stream.runs); !order.empty()) {
    for (const HeadRun& run : order) TRY(writer.append(tenant, labels, run.entries));
    return {};
  }
  merged_.clear();
  for (const HeadRun& run : stream.runs) merged_.append(run.entries);
  duplicates_.add(merged_.sort_and_dedup());
  auto written = writer.append(tenant, labels, merged_);
  if (merged_.size() > kKeptRows) merged_ = EntryColumns();
  return written;
}

}  // namespace server
