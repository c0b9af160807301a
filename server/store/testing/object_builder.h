// Makes objects for tests in a few words, and reads them back as plain entries.
//
//   ObjectBuilder builder;
//   builder.add("fake", {{"app", "api"}}, 100, "a line", {{"trace", "1"}});
//   ObjectRow-like summary = builder.write(store, key);
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "server/store/object_reader.h"
#include "server/store/object_writer.h"

namespace server {

// One entry with all that belongs to it, in the order in which objects hold them (tenant, labels, time, then as given).
struct PlainEntry {
  std::string tenant;
  pipeline::LabelSet labels;
  UnixNanos time = 0;
  std::string line;
  std::string metadata;  // encoded
  auto operator<=>(const PlainEntry&) const = default;
};

class ObjectBuilder {
 public:
  // In any order.
  ObjectBuilder& add(std::string_view tenant, std::vector<pipeline::Label> labels, UnixNanos time,
                     std::string_view line, std::vector<MetadataPair> metadata = {});
  ObjectBuilder& add(const PlainEntry& entry);
  // Writes `key`; the options' object and cluster are what they are.
  Result<ObjectSummary> write(ObjectStore& store, const std::string& key, ObjectWriterOptions options = {});

 private:
  std::map<std::pair<std::string, pipeline::LabelSet>, EntryColumns> streams_;
};

// Every entry of an object, in its order.
Result<std::vector<PlainEntry>> read_entries(std::shared_ptr<const ObjectReader> object);

}  // namespace server
