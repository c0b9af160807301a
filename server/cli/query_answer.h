// QueryAnswer: Loki's JSON answers as values (facts: Loki 3.x HTTP API).
//
// Errors: kCorrupt for anything that is not such an answer. Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/model/label_set.h"

namespace server {

struct AnsweredEntry {
  pipeline::UnixNanos time = 0;
  pipeline::LabelSet labels = {};
  std::string line = {};
  std::vector<pipeline::Label> metadata = {};  // only when the answer tells labels and metadata apart
  std::vector<pipeline::Label> parsed = {};    // likewise
  bool operator==(const AnsweredEntry&) const = default;
};

struct AnsweredSample {
  pipeline::UnixNanos time = 0;
  pipeline::LabelSet labels = {};
  std::string value = {};  // as the server wrote it: "1", "NaN"
};

struct QueryAnswer {
  std::string type = {};                     // streams, matrix, vector, scalar
  std::vector<AnsweredEntry> entries = {};   // of streams: one stream after the other
  std::vector<AnsweredSample> samples = {};  // of the others
  std::vector<std::string> warnings = {};
  std::vector<std::pair<std::string, std::string>> stats = {};  // "summary.execTime" and its number, as written
};

struct AnsweredField {
  std::string name = {}, type = {}, cardinality = {};
  std::vector<std::string> parsers = {};
};

// A request to delete.
struct AnsweredDelete {
  std::string id = {}, query = {}, status = {};
  pipeline::UnixNanos start = 0, end = 0, created = 0;
};

// One frame of a tail.
struct TailAnswer {
  std::vector<AnsweredEntry> entries = {};
  size_t dropped = 0;  // entries that the server says we have missed
};

pipeline::Result<TailAnswer> parse_tail_answer(std::string_view json);
pipeline::Result<std::vector<AnsweredField>> parse_fields_answer(std::string_view json);
// The member `member` of the object, a list of texts; empty where it is absent.
pipeline::Result<std::vector<std::string>> parse_list_answer(std::string_view json, std::string_view member);
// An object's members with plain values, as written: {"streams":1,"bytes":5}.
pipeline::Result<std::vector<std::pair<std::string, std::string>>> parse_numbers_answer(std::string_view json);

pipeline::Result<std::vector<AnsweredDelete>> parse_deletes_answer(std::string_view json);
pipeline::Result<QueryAnswer> parse_query_answer(std::string_view json);
pipeline::Result<std::vector<std::string>> parse_names_answer(std::string_view json);
pipeline::Result<std::vector<pipeline::LabelSet>> parse_series_answer(std::string_view json);

}  // namespace server
