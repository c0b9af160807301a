// Entries as JSON lines: `skidway-agent test`, --dry-run and the stdout sink.
//
//   {"timestamp":"2026-11-01T10:00:00.000000001Z","labels":{...},"line":"...","structured_metadata":{...}}
// A line that is not UTF-8 travels as "line_b64", a label or metadata value that is not as {"b64":"..."}. Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/model/batch.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

// Appends one line with its newline. Empty labels are kept; without metadata the member is left out.
void append_entry_json(std::string& out, UnixNanos time, const LabelSet& labels, std::string_view line,
                       const std::vector<Metadata>& metadata);

// The text as a JSON string in quotes; what is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

struct JsonEntry {
  UnixNanos time = 0;  // 0: the line has none
  LabelSet labels;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;
};
// kInvalid says what is wrong with the line. Only `line` is required.
Result<JsonEntry> parse_entry_json(std::string_view text);

// {"labels":{...}}, as a line with its newline.
void append_labels_json(std::string& out, const LabelSet& labels);
Result<LabelSet> parse_labels_json(std::string_view text);

}  // namespace pipeline
