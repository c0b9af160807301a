// The streams that have entries in a time range, from directories and the head alone: their label names, the values of
// one, or whole label sets. Answers are as exact as the directory: a stream counts where its first to last entry in an
// object touches the range.
//
// Thread: a worker of the query pool.
// Errors: kInvalid (a selector does not parse), kCancelled. An object that cannot be opened is a warning.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/ingest/read_view.h"
#include "server/query/query_turn.h"
#include "server/query/reader_cache.h"
#include "server/query/result.h"

namespace server {

// Streams with entries in [start, end], the end included; matchers of several selectors are joined by "or". No
// selector: all streams.
struct StreamQuery {
  std::string tenant;
  std::vector<std::string> selectors;
  pipeline::UnixNanos start = 0, end = 0;
};

// Label sets, each once, sorted. They stay where they are, in directories and the head: 8 bytes for each.
class SeriesList {
 public:
  size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  // Of the i-th: name and value, sorted by name. The views live as long as the list.
  void labels(size_t i, std::vector<MetadataPair>& out) const;
  pipeline::LabelSet label_set(size_t i) const;

 private:
  friend class SeriesGatherer;
  struct Place {
    uint32_t object = 0, stream = 0;  // object == objects_.size(): of streams_
  };
  void labels(const Place& place, std::vector<MetadataPair>& out) const;

  std::vector<std::shared_ptr<const ObjectReader>> objects_;
  std::vector<std::shared_ptr<const Stream>> streams_;
  std::vector<Place> places_;
};

struct StreamSource {
  const ReadViewSource& views;
  ReaderCache& readers;
  QueryTurn& turn;
};

// Sorted, each once.
pipeline::Result<Readable<std::vector<std::string>>> label_names_of(const StreamQuery& query,
                                                                    const StreamSource& source);
pipeline::Result<Readable<std::vector<std::string>>> label_values_of(const StreamQuery& query, std::string_view name,
                                                                     const StreamSource& source);
pipeline::Result<Readable<SeriesList>> series_of(const StreamQuery& query, const StreamSource& source);

}  // namespace server
