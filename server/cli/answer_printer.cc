#include "server/cli/answer_printer.h"

#include <ctime>
#include <map>
#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/stage/entry_json.h"

namespace server {
namespace {

void append_object(std::string& out, const std::vector<pipeline::Label>& labels) {
  char separator = '{';
  for (const auto& [name, value] : labels) {
    out += separator;
    pipeline::append_json_string(out, name);
    out += ':';
    pipeline::append_json_string(out, value);
    separator = ',';
  }
  out += labels.empty() ? "{}" : "}";
}

// Names of Go's time package and what strftime calls the same.
const std::map<std::string, const char*, std::less<>>& time_formats() {
  static const std::map<std::string, const char*, std::less<>> kFormats = {{"ansic", "%a %b %e %H:%M:%S %Y"},
                                                                           {"unixdate", "%a %b %e %H:%M:%S %Z %Y"},
                                                                           {"rubydate", "%a %b %d %H:%M:%S %z %Y"},
                                                                           {"rfc822", "%d %b %y %H:%M %Z"},
                                                                           {"rfc822z", "%d %b %y %H:%M %z"},
                                                                           {"rfc850", "%A, %d-%b-%y %H:%M:%S %Z"},
                                                                           {"rfc1123", "%a, %d %b %Y %H:%M:%S %Z"},
                                                                           {"rfc1123z", "%a, %d %b %Y %H:%M:%S %z"},
                                                                           {"kitchen", "%I:%M%p"},
                                                                           {"stamp", "%b %e %H:%M:%S"}};
  return kFormats;
}

std::string strftime_text(const char* format, const tm& parts) {
  char text[128];
  return std::string(text, std::strftime(text, sizeof text, format, &parts));
}

}  // namespace

std::string format_time(pipeline::UnixNanos time, const std::string& format, bool local) {
  const int64_t fraction = (time % 1'000'000'000 + 1'000'000'000) % 1'000'000'000;
  const time_t seconds = (time - fraction) / 1'000'000'000;
  const bool nanos = format == "rfc3339nano";
  if (!local && nanos) return pipeline::format_rfc3339(time);
  if (!local && format == "rfc3339") return pipeline::format_rfc3339(time - fraction);
  tm parts{};
  if (local) {
    localtime_r(&seconds, &parts);
  } else {
    gmtime_r(&seconds, &parts);
  }
  if (const auto named = time_formats().find(format); named != time_formats().end()) {
    return strftime_text(named->second, parts);
  }
  std::string out = strftime_text("%Y-%m-%dT%H:%M:%S", parts);
  if (nanos && fraction != 0) {
    std::string digits = std::to_string(1'000'000'000 + fraction).substr(1);
    while (digits.back() == '0') digits.pop_back();
    out += pipeline::concat(".", digits);
  }
  std::string offset = strftime_text("%z", parts);  // +0100
  return out += offset.insert(3, ":");
}

std::string AnswerPrinter::time_text(pipeline::UnixNanos time) const {
  const bool json = style_.form == OutputForm::kJsonLines;
  return format_time(time, json ? "rfc3339nano" : style_.time_format, style_.local_times);
}

pipeline::LabelSet AnswerPrinter::shown(const pipeline::LabelSet& labels) const {
  if (style_.include_labels.empty() && style_.exclude_labels.empty()) return labels;
  std::vector<pipeline::Label> out;
  for (const pipeline::Label& label : labels.labels()) {
    const bool included = style_.include_labels.empty() || style_.include_labels.contains(label.first);
    if (included && !style_.exclude_labels.contains(label.first)) out.push_back(label);
  }
  return pipeline::LabelSet::from(std::move(out));
}

void AnswerPrinter::append_head(pipeline::UnixNanos time, const pipeline::LabelSet& labels) {
  buffer_.append(time_text(time)).append(" ");
  if (!style_.labels) return;
  std::string text = shown(labels).text();
  if (text.size() < style_.labels_length) text.resize(style_.labels_length, ' ');
  if (!style_.colored) {
    buffer_.append(text).append(" ");
    return;
  }
  const size_t color = 31 + std::hash<std::string>{}(labels.text()) % 6;  // red to cyan
  buffer_ += pipeline::concat("\x1b[", color, "m", text, "\x1b[0m ");
}

void AnswerPrinter::print(const AnsweredEntry& entry) {
  switch (style_.form) {
    case OutputForm::kRaw: buffer_.append(entry.line).append("\n"); return;
    case OutputForm::kDefault:
      append_head(entry.time, entry.labels);
      buffer_.append(entry.line).append("\n");
      return;
    case OutputForm::kJsonLines: break;
  }
  buffer_ += pipeline::concat("{\"timestamp\":\"", time_text(entry.time), "\"");
  if (style_.labels) {
    buffer_ += ",\"labels\":";
    append_object(buffer_, shown(entry.labels).labels());
  }
  buffer_ += ",\"line\":";
  pipeline::append_json_string(buffer_, entry.line);
  if (!entry.metadata.empty()) {
    buffer_ += ",\"structured_metadata\":";
    append_object(buffer_, entry.metadata);
  }
  if (!entry.parsed.empty()) {
    buffer_ += ",\"parsed\":";
    append_object(buffer_, entry.parsed);
  }
  buffer_ += "}\n";
}

void AnswerPrinter::print(const AnsweredSample& sample) {
  switch (style_.form) {
    case OutputForm::kRaw: buffer_.append(sample.value).append("\n"); return;
    case OutputForm::kDefault:
      append_head(sample.time, sample.labels);
      buffer_.append(sample.value).append("\n");
      return;
    case OutputForm::kJsonLines: break;
  }
  buffer_ += pipeline::concat("{\"timestamp\":\"", time_text(sample.time), "\",\"metric\":");
  append_object(buffer_, shown(sample.labels).labels());
  buffer_ += ",\"value\":";
  pipeline::append_json_string(buffer_, sample.value);
  buffer_ += "}\n";
}

void AnswerPrinter::print(const std::string& name) {
  if (style_.form == OutputForm::kJsonLines) {
    pipeline::append_json_string(buffer_, name);
  } else {
    buffer_ += name;
  }
  buffer_ += '\n';
}

void AnswerPrinter::print(const pipeline::LabelSet& series) {
  if (style_.form == OutputForm::kJsonLines) {
    append_object(buffer_, series.labels());
  } else {
    buffer_ += series.text();
  }
  buffer_ += '\n';
}

bool AnswerPrinter::flush() {
  out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  out_.flush();
  buffer_.clear();
  return out_.good();
}

}  // namespace server
