#include "server/query/testing/query_fixture.h"

#include <algorithm>
#include <map>

namespace server {

QueryFixture::QueryFixture() : store_(*open_local_store(files_, "/data")) {}

void QueryFixture::add_object(const std::vector<PlainEntry>& entries, const ObjectWriterOptions& options) {
  ObjectBuilder builder;
  for (const PlainEntry& entry : entries) builder.add(entry);
  ObjectRow row;
  row.key = pipeline::concat("objects/l0/", catalog_->objects.size(), ".lseg");
  row.summary = *builder.write(*store_, row.key, options);
  catalog_->objects.push_back(std::move(row));
  ++catalog_->version;
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

void QueryFixture::add_head(const std::vector<PlainEntry>& entries) {
  std::map<std::pair<std::string, pipeline::LabelSet>, std::shared_ptr<EntryColumns>> runs;
  for (const PlainEntry& entry : entries) {
    auto& columns = runs[{entry.tenant, entry.labels}];
    if (!columns) columns = std::make_shared<EntryColumns>();
    columns->append(entry.time, entry.line, MetadataView(entry.metadata));
  }
  auto streams = std::make_shared<HeadStreams>();
  for (auto& [key, columns] : runs) {
    streams->add(Stream::make(key.first, key.second),
                 {columns, columns->slice(), columns->min_time(), columns->max_time()});
  }
  head_.pieces.push_back({UINT64_MAX, std::move(streams)});
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

std::vector<PlainEntry> QueryFixture::distinct() const {
  std::vector<PlainEntry> out = entries_;
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

QueryEngine QueryFixture::engine(TenantLimits limits, QueryEngineOptions options) {
  limits_.replace({std::move(limits), {}});
  auto views = [this](std::string_view tenant) -> pipeline::Result<ReadView> {
    ReadView view{head_, catalog_, {}, erasures_};
    for (HeadPiece& piece : view.head.pieces) {
      auto own = std::make_shared<HeadStreams>();
      for (const HeadStream& stream : *piece.streams)
        if (stream.stream->tenant() == tenant)
          for (const HeadRun& run : stream.runs) own->add(stream.stream, run);
      piece.streams = std::move(own);
    }
    return view;
  };
  return QueryEngine(views, *store_, limits_, options);
}

}  // namespace server
