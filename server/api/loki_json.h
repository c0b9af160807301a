// Loki's JSON for query answers (facts: Loki 3.x HTTP API): lines are escaped for HTML, label values are not, sample
// values are texts without exponents, sample times are seconds with up to three decimals, the body ends with a newline.
// Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/query/result.h"
#include "server/query/stream_labels.h"

namespace server {

// The whole answer of query and query_range. `encoding_flags`: what X-Loki-Response-Encoding-Flags asked for, echoed
// with streams.
std::string query_answer(const QueryResult& result, const std::vector<std::string>& encoding_flags);

// {"status":"success","data":["a","b"]}; no `data` member where there is none.
std::string names_answer(const std::vector<std::string>& names);

// {"values":["a","b"]}, as the legacy endpoints answer; {} where there is none.
std::string legacy_names_answer(const std::vector<std::string>& names);

// {"streams":[{"labels":"{app=\"x\"}","entries":[{"ts":"2026-11-01T10:00:44.5Z","line":"x"}]}],"stats":{...}}
std::string legacy_streams_answer(const ResultStreams& streams, const QueryStats& stats);

// The `stats` object of an answer.
std::string stats_json(const QueryStats& stats);

// {"status":"success","data":[{"app":"x"}]}
std::string series_answer(const SeriesList& series);

// {"app":"x"}
void append_labels(std::string& out, const std::vector<pipeline::Label>& labels);

// [1793527200.5,"3"]
void append_point(std::string& out, pipeline::UnixNanos time, double value);

// `answer`, a JSON object, with `warnings` and `"partial":true` as its last members; unchanged where there are none.
std::string with_warnings(std::string answer, const std::vector<std::string>& warnings);

// A JSON string with its quotes. `kLine` also escapes < > & for HTML. Invalid UTF-8 becomes \ufffd.
enum class JsonText { kPlain, kLine };
void append_json_text(std::string& out, std::string_view text, JsonText kind = JsonText::kPlain);
std::string json_text(std::string_view text, JsonText kind = JsonText::kPlain);

}  // namespace server
