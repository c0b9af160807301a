#include "server/api/loki_json.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/time_format.h"
#include "pipeline/model/quoted_text.h"
#include "server/api/plan_json.h"

namespace server {

using pipeline::Label;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

// Bytes that are copied as they are.
bool is_plain(unsigned char c, JsonText kind) {
  if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80) return false;
  return kind == JsonText::kPlain || (c != '<' && c != '>' && c != '&');
}

void append_escape(std::string& out, uint32_t code) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[code >> shift & 15];
}

// One character that is not plain, at text[at].
void append_special(std::string& out, std::string_view text, size_t& at) {
  size_t begin = at;
  uint32_t c = pipeline::take_utf8(text, at);
  bool invalid = c == 0xfffd && at == begin + 1;
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      if (c < 0x80 || invalid || c == 0x2028 || c == 0x2029) {
        append_escape(out, c);
      } else {
        out += text.substr(begin, at - begin);
      }
  }
}

void append_seconds(std::string& out, UnixNanos time) {
  int64_t millis = time / 1'000'000;
  if (millis < 0) out += '-', millis = -millis;
  out += std::to_string(millis / 1000);
  if (int64_t fraction = millis % 1000) {
    std::string digits = std::to_string(1000 + fraction).substr(1);
    while (digits.back() == '0') digits.pop_back();
    out += '.', out += digits;
  }
}

void append_entry(std::string& out, const ResultEntry& entry, bool categorized) {
  out += "[\"";
  out += std::to_string(entry.time);
  out += "\",";
  append_json_text(out, entry.line, JsonText::kLine);
  if (categorized) {
    out += ",{";
    if (!entry.structured_metadata.empty())
      out += "\"structuredMetadata\":", append_labels(out, entry.structured_metadata);
    if (!entry.structured_metadata.empty() && !entry.parsed.empty()) out += ',';
    if (!entry.parsed.empty()) out += "\"parsed\":", append_labels(out, entry.parsed);
    out += '}';
  }
  out += ']';
}

// Writes elements with commas between them.
template <class List, class Write>
void append_list(std::string& out, const List& list, Write write) {
  out += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    write(list[i]);
  }
  out += ']';
}

struct DataWriter {
  std::string& out;
  const bool categorized;

  std::string_view type(const ResultStreams&) const { return "streams"; }
  std::string_view type(const ResultVector&) const { return "vector"; }
  std::string_view type(const ResultMatrix&) const { return "matrix"; }
  std::string_view type(const ResultScalar&) const { return "scalar"; }

  void write(const ResultStreams& streams) const {
    append_list(out, in_text_order(streams), [this](const ResultStream* stream) {
      out += "{\"stream\":";
      append_labels(out, stream->labels.labels());
      out += ",\"values\":";
      append_list(out, stream->entries, [this](const ResultEntry& entry) { append_entry(out, entry, categorized); });
      out += '}';
    });
  }
  void write(const ResultVector& vector) const {
    append_list(out, vector, [this](const Sample& sample) {
      out += "{\"metric\":";
      append_labels(out, sample.labels.labels());
      out += ",\"value\":";
      append_point(out, sample.time, sample.value);
      out += '}';
    });
  }
  void write(const ResultMatrix& matrix) const {
    append_list(out, matrix.matrix.series, [this, &matrix](const Series& series) {
      out += "{\"metric\":";
      append_labels(out, series.labels.labels());
      out += ",\"values\":";
      append_list(out, series.points,
                  [this, &matrix](const Point& point) { append_point(out, matrix.grid.at(point.step), point.value); });
      out += '}';
    });
  }
  void write(const ResultScalar& scalar) const { append_point(out, scalar.time, scalar.value); }
};

std::string number(double v) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed, 9).ptr);
}

}  // namespace

void append_point(std::string& out, UnixNanos time, double value) {
  out += '[';
  append_seconds(out, time);
  out += ",\"";
  out += value_text(value);
  out += "\"]";
}

template <class Labels>
void append_pairs(std::string& out, const Labels& labels) {
  out += '{';
  bool first = true;
  for (const auto& [name, value] : labels) {
    if (!first) out += ',';
    first = false;
    append_json_text(out, name);
    out += ':';
    append_json_text(out, value);
  }
  out += '}';
}

void append_labels(std::string& out, const std::vector<Label>& labels) { append_pairs(out, labels); }

// What Loki has no name for: a page is 256 KiB of one column.
std::string pages_json(const QueryStats& s) {
  return pipeline::concat(R"("pages":{"read":)", s.pages_read, R"(,"skippedByTime":)", s.pages_skipped_by_time,
                          R"(,"skippedByFilter":)", s.pages_skipped_by_filter, R"(,"skippedByLimit":)",
                          s.pages_skipped_by_limit, R"(,"withoutMatch":)", s.pages_without_match, R"(,"filterReads":)",
                          s.filter_reads, R"(,"filterBytes":)", s.filter_bytes, R"(,"objectsSkippedByFilter":)",
                          s.objects_skipped_by_filter, "}");
}

std::string results_json(const QueryStats& s) {
  return pipeline::concat(R"({"entriesFound":)", s.results_found, R"(,"entriesRequested":)", s.results_asked,
                          R"(,"entriesStored":)", s.results_kept, R"(,"bytesReceived":)", s.results_bytes,
                          R"(,"bytesSent":0,"requests":)", s.results_asked,
                          R"(,"downloadTime":0,"queryLengthServed":0})");
}

// The members that Grafana and logcli read carry our numbers under Loki's names; what we do not have is 0.
std::string stats_json(const QueryStats& s) {
  uint64_t bytes = s.decompressed_bytes + s.head_bytes, lines = s.store_lines + s.head_lines;
  double seconds = s.exec_seconds > 0 ? s.exec_seconds : 1e-9;
  auto n = [](uint64_t v) { return std::to_string(v); };
  auto store = [&](bool head) {
    std::string out = R"({"totalChunksRef":)";
    out += n(head ? 0 : s.pages_read + s.pages_skipped()) + R"(,"totalChunksDownloaded":)" + n(head ? 0 : s.pages_read);
    out +=
        R"(,"chunksDownloadTime":0,"queryReferencedStructuredMetadata":false,"queryUsedV2Engine":false,"chunk":{"headChunkBytes":)";
    out += n(head ? s.head_bytes : 0) + R"(,"headChunkLines":)" + n(head ? s.head_lines : 0);
    out += R"(,"decompressedBytes":)" + n(head ? 0 : s.decompressed_bytes) + R"(,"decompressedLines":)" +
           n(head ? 0 : s.store_lines);
    out += R"(,"compressedBytes":)" + n(head ? 0 : s.compressed_bytes) + R"(,"totalDuplicates":)" +
           n(head ? 0 : s.duplicates);
    out += R"(,"postFilterLines":)" + n(head ? 0 : s.lines_after_filters);
    out += R"(,"headChunkStructuredMetadataBytes":0,"decompressedStructuredMetadataBytes":)" +
           n(head ? 0 : s.metadata_bytes);
    out += R"(},"chunkRefsFetchTime":0,"congestionControlLatency":0,"pipelineWrapperFilteredLines":0,"dataobj":{}})";
    return out;
  };
  static constexpr std::string_view kCache =
      R"({"entriesFound":0,"entriesRequested":0,"entriesStored":0,"bytesReceived":0,"bytesSent":0,"requests":0,"downloadTime":0,"queryLengthServed":0})";
  std::string out = R"({"summary":{"bytesProcessedPerSecond":)";
  out += n(static_cast<uint64_t>(static_cast<double>(bytes) / seconds));
  out += R"(,"linesProcessedPerSecond":)" + n(static_cast<uint64_t>(static_cast<double>(lines) / seconds));
  out += R"(,"totalBytesProcessed":)" + n(bytes) + R"(,"totalLinesProcessed":)" + n(lines);
  out += R"(,"execTime":)" + number(s.exec_seconds) + R"(,"queueTime":)" + number(s.queue_seconds);
  out += R"(,"subqueries":0,"totalEntriesReturned":)" + n(s.entries_returned) +
         R"(,"splits":0,"shards":0,"totalPostFilterLines":)" + n(s.lines_after_filters);
  out +=
      R"(,"totalStructuredMetadataBytesProcessed":)" + n(s.metadata_bytes) + R"(},"querier":{"store":)" + store(false);
  out += R"(},"ingester":{"totalReached":)" + n(s.head_streams > 0) + R"(,"totalChunksMatched":)" + n(s.head_streams);
  out += R"(,"totalBatches":0,"totalLinesSent":)" + n(s.head_lines) + R"(,"store":)" + store(true) + R"(},"cache":{)";
  bool first = true;
  for (std::string_view name : {"chunk", "index", "result", "statsResult", "volumeResult", "seriesResult",
                                "labelResult", "instantMetricResult"}) {
    out +=
        pipeline::concat(first ? "\"" : ",\"", name, "\":", name == "result" ? results_json(s) : std::string(kCache));
    first = false;
  }
  out += R"(},"index":{"totalChunks":)" + n(s.objects_considered) + R"(,"postFilterChunks":)" + n(s.objects_opened);
  out += R"(,"shardsDuration":0,"usedBloomFilters":false,"totalStreams":)" + n(s.streams) + "},";
  return out + pages_json(s) + "}";
}

void append_json_text(std::string& out, std::string_view text, JsonText kind) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]), kind)) ++at;
    out += text.substr(begin, at - begin);
    if (at < text.size()) {
      char c = text[at];
      if (kind == JsonText::kLine && (c == '<' || c == '>' || c == '&')) {
        append_escape(out, static_cast<unsigned char>(c));
        ++at;
      } else {
        append_special(out, text, at);
      }
    }
  }
  out += '"';
}

std::string json_text(std::string_view text, JsonText kind) {
  std::string out;
  append_json_text(out, text, kind);
  return out;
}

std::string query_answer(const QueryResult& result, const std::vector<std::string>& encoding_flags) {
  std::string out = R"({"status":"success",)";
  auto append_text = [&out](const std::string& text) { append_json_text(out, text); };
  if (!result.warnings.empty()) {
    out += "\"warnings\":";
    append_list(out, result.warnings, append_text);
    out += ',';
  }
  if (result.partial) out += "\"partial\":true,";
  bool categorized =
      std::find(encoding_flags.begin(), encoding_flags.end(), "categorize-labels") != encoding_flags.end();
  std::visit(
      [&](const auto& data) {
        DataWriter writer{out, categorized};
        out += pipeline::concat(R"("data":{"resultType":")", writer.type(data), "\"");
        if (!encoding_flags.empty() && std::holds_alternative<ResultStreams>(result.data)) {
          out += ",\"encodingFlags\":";
          append_list(out, encoding_flags, append_text);
        }
        out += ",\"result\":";
        writer.write(data);
      },
      result.data);
  out += pipeline::concat(",\"stats\":", stats_json(result.stats), "}");
  if (result.plan) out += pipeline::concat(",\"explain\":", plan_json(*result.plan));
  return out += "}\n";
}

std::string with_warnings(std::string answer, const std::vector<std::string>& warnings) {
  if (warnings.empty()) return answer;
  answer.resize(answer.rfind('}'));
  answer += answer.ends_with('{') ? "\"warnings\":" : ",\"warnings\":";
  append_list(answer, warnings, [&answer](const std::string& warning) { append_json_text(answer, warning); });
  return answer += ",\"partial\":true}\n";
}

std::string names_answer(const std::vector<std::string>& names) {
  std::string out = R"({"status":"success")";
  if (!names.empty()) {
    out += ",\"data\":";
    append_list(out, names, [&out](const std::string& name) { append_json_text(out, name); });
  }
  return out += "}\n";
}

std::string legacy_names_answer(const std::vector<std::string>& names) {
  if (names.empty()) return "{}\n";
  std::string out = R"({"values":)";
  append_list(out, names, [&out](const std::string& name) { append_json_text(out, name); });
  return out += "}\n";
}

std::string legacy_streams_answer(const ResultStreams& streams, const QueryStats& stats) {
  std::string out = R"({"streams":)";
  append_list(out, in_text_order(streams), [&out](const ResultStream* stream) {
    out += "{\"labels\":";
    append_json_text(out, stream->labels.text());
    out += ",\"entries\":";
    append_list(out, stream->entries, [&out](const ResultEntry& entry) {
      out += pipeline::concat("{\"ts\":\"", pipeline::format_rfc3339(entry.time), "\",\"line\":");
      append_json_text(out, entry.line, JsonText::kLine);
      out += '}';
    });
    out += '}';
  });
  return out += pipeline::concat(",\"stats\":", stats_json(stats), "}\n");
}

std::string series_answer(const SeriesList& series) {
  std::string out = R"({"status":"success","data":[)";
  std::vector<MetadataPair> labels;
  for (size_t i = 0; i < series.size(); ++i) {
    constexpr size_t kSample = 1024;
    if (i == kSample) out.reserve(out.size() / kSample * series.size() / 15 * 16);  // else it may be there twice
    if (i > 0) out += ',';
    series.labels(i, labels);
    append_pairs(out, labels);
  }
  return out += "]}\n";
}

}  // namespace server
