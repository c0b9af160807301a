#include "server/tail/tail_frame.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "server/api/loki_json.h"

namespace server {

using pipeline::Label;
using pipeline::UnixNanos;

namespace {

void append_categories(std::string& out, const std::vector<Label>& metadata, const std::vector<Label>& parsed) {
  out += ",{";
  if (!metadata.empty()) {
    out += "\"structuredMetadata\":";
    append_labels(out, metadata);
  }
  if (!metadata.empty() && !parsed.empty()) out += ',';
  if (!parsed.empty()) {
    out += "\"parsed\":";
    append_labels(out, parsed);
  }
  out += '}';
}

}  // namespace

TailFormat::TailFormat(bool legacy, std::vector<std::string> flags)
    : legacy_(legacy),
      flags_(std::move(flags)),
      categorized_(!legacy && std::find(flags_.begin(), flags_.end(), "categorize-labels") != flags_.end()) {}

TailEntry TailFormat::entry(UnixNanos time, std::string_view line, const std::vector<Label>& labels,
                            const std::vector<Label>& metadata, const std::vector<Label>& parsed) const {
  TailEntry entry;
  entry.time = time;
  std::string& out = entry.text;
  out.reserve(line.size() + 128);
  out = legacy_ ? "{\"labels\":" : "{\"stream\":";
  entry.labels_begin = static_cast<uint32_t>(out.size());
  if (legacy_) {
    append_json_text(out, pipeline::LabelSet::from(labels).text());
  } else {
    append_labels(out, labels);
  }
  entry.labels_size = static_cast<uint32_t>(out.size()) - entry.labels_begin;
  if (legacy_) {
    out += pipeline::concat(",\"entries\":[{\"ts\":\"", pipeline::format_rfc3339(time), "\",\"line\":");
    append_json_text(out, line, JsonText::kLine);
    out += "}]}";
    return entry;
  }
  out += pipeline::concat(",\"values\":[[\"", time, "\",");
  append_json_text(out, line, JsonText::kLine);
  if (categorized_) append_categories(out, metadata, parsed);
  out += "]]}";
  return entry;
}

std::string TailFormat::frame(std::span<const TailEntry> entries, std::span<const DroppedEntry> dropped) const {
  std::string out = "{\"streams\":[";
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out += ',';
    out += entries[i].text;
  }
  out += ']';
  if (!dropped.empty()) {
    out += ",\"dropped_entries\":[";
    for (size_t i = 0; i < dropped.size(); ++i) {
      if (i > 0) out += ',';
      out += "{\"timestamp\":\"";
      out += legacy_ ? pipeline::format_rfc3339(dropped[i].time) : std::to_string(dropped[i].time);
      out += "\",\"labels\":";
      out += dropped[i].labels;
      out += '}';
    }
    out += ']';
  }
  if (!flags_.empty() && !legacy_) {
    out += ",\"encodingFlags\":[";
    for (size_t i = 0; i < flags_.size(); ++i) {
      if (i > 0) out += ',';
      append_json_text(out, flags_[i]);
    }
    out += ']';
  }
  return out += '}';
}

}  // namespace server
