// Which fields a person finds in a sample of entries, as Loki's detected_fields tells them: structured metadata, what
// the query's own parsers set, and what a json, else a logfmt parser finds in the line.
//
// Thread: any; one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/query/result.h"

namespace server {

// By what a value of it reads as, the first that does: int, float, boolean, duration, bytes, string.
std::string_view field_type(std::string_view value);

struct DetectedField {
  std::string label;
  std::string_view type;
  uint64_t cardinality = 0;            // exact, in the sample
  std::vector<std::string> parsers;    // "json", "logfmt"; none: structured metadata
  std::vector<std::string> json_path;  // where a json parser found it
};

// `streams` with categorised labels. At most `limit` fields, the first met; sorted by label.
std::vector<DetectedField> detect_fields(const ResultStreams& streams, uint32_t limit);

// The values of the field `name`, sorted: about `limit` of them, the first met.
std::vector<std::string> detect_field_values(const ResultStreams& streams, std::string_view name, uint32_t limit);

// {"fields":[...],"limit":1000} and {"values":[...],"limit":1000}; {} where there is nothing.
std::string detected_fields_answer(const std::vector<DetectedField>& fields, uint32_t limit);
std::string detected_values_answer(const std::vector<std::string>& values, uint32_t limit);

}  // namespace server
