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
  HeadPiece piece{UINT64_MAX, {}};
  for (auto& [key, columns] : runs) {
    auto stream = std::make_shared<Stream>(
        Stream{key.first, key.second, key.second.text(), pipeline::stream_id(key.first, key.second)});
    HeadRun run{columns, columns->slice(), columns->min_time(), columns->max_time()};
    piece.streams.push_back({std::move(stream), {std::move(run)}});
  }
  head_.pieces.push_back(std::move(piece));
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
      std::erase_if(piece.streams, [&](const HeadStream& stream) { return stream.stream->tenant != tenant; });
    }
    return view;
  };
  return QueryEngine(views, *store_, limits_, options);
}

}  // namespace server
