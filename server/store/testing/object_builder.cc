#include "server/store/testing/object_builder.h"

#include <numeric>

namespace server {

ObjectBuilder& ObjectBuilder::add(std::string_view tenant, std::vector<pipeline::Label> labels, UnixNanos time,
                                  std::string_view line, std::vector<MetadataPair> metadata) {
  auto key = std::pair(std::string(tenant), pipeline::LabelSet::from(std::move(labels)));
  streams_[std::move(key)].append(time, line, metadata);
  return *this;
}

ObjectBuilder& ObjectBuilder::add(const PlainEntry& entry) {
  streams_[{entry.tenant, entry.labels}].append(entry.time, entry.line, MetadataView(entry.metadata));
  return *this;
}

Result<ObjectSummary> ObjectBuilder::write(ObjectStore& store, const std::string& key, ObjectWriterOptions options) {
  TRY_LET(auto upload, store.create(key));
  ObjectWriter writer(std::move(options), *upload);
  for (auto& [stream, entries] : streams_) {
    entries.sort_and_dedup();
    TRY(writer.append(stream.first, stream.second, entries));
  }
  TRY_LET(ObjectSummary summary, writer.finish());
  TRY(upload->commit());
  return summary;
}

Result<std::vector<PlainEntry>> read_entries(std::shared_ptr<const ObjectReader> object) {
  std::vector<PlainEntry> out;
  std::vector<uint32_t> pages(object->pages().size());
  std::iota(pages.begin(), pages.end(), 0U);
  PageCursor cursor(object, std::move(pages));
  while (cursor.next()) {
    TRY_LET(EntrySlice entries, cursor.entries());
    for (const PageRun& run : object->runs(cursor.page())) {
      const StreamInfo& stream = object->streams()[run.stream];
      for (uint32_t row = run.first_row; row < run.first_row + run.rows; ++row) {
        out.push_back({object->tenants()[stream.tenant], object->labels(stream), entries.time(row),
                       std::string(entries.line(row)), std::string(entries.metadata(row).encoded())});
      }
    }
  }
  return out;
}

}  // namespace server
