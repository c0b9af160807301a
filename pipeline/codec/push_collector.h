// For tests: keeps what a decoder says, as copies that compare and print.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/codec/push_visitor.h"

namespace pipeline {

struct CollectedEntry {
  UnixNanos time = 0;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;
  bool operator==(const CollectedEntry&) const = default;
};

struct CollectedStream {
  std::string labels;
  size_t announced = 0;
  std::vector<CollectedEntry> entries;
  bool operator==(const CollectedStream&) const = default;
};

class PushCollector final : public PushVisitor {
 public:
  std::vector<CollectedStream> streams;

  void on_stream(std::string_view labels, size_t entries) override {
    streams.push_back({std::string(labels), entries, {}});
  }
  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    CollectedEntry entry{time, std::string(line), {}};
    for (const Metadata& m : metadata) entry.metadata.emplace_back(m.name, m.value);
    streams.back().entries.push_back(std::move(entry));
  }
};

}  // namespace pipeline
