#include "server/cli/answer_printer.h"

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

}  // namespace

void AnswerPrinter::print(const AnsweredEntry& entry) {
  switch (form_) {
    case OutputForm::kRaw: buffer_.append(entry.line).append("\n"); return;
    case OutputForm::kDefault:
      buffer_ +=
          pipeline::concat(pipeline::format_rfc3339(entry.time), " ", entry.labels.text(), " ", entry.line, "\n");
      return;
    case OutputForm::kJsonLines: break;
  }
  buffer_ += pipeline::concat("{\"timestamp\":\"", pipeline::format_rfc3339(entry.time), "\",\"labels\":");
  append_object(buffer_, entry.labels.labels());
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
  switch (form_) {
    case OutputForm::kRaw: buffer_.append(sample.value).append("\n"); return;
    case OutputForm::kDefault:
      buffer_ +=
          pipeline::concat(pipeline::format_rfc3339(sample.time), " ", sample.labels.text(), " ", sample.value, "\n");
      return;
    case OutputForm::kJsonLines: break;
  }
  buffer_ += pipeline::concat("{\"timestamp\":\"", pipeline::format_rfc3339(sample.time), "\",\"metric\":");
  append_object(buffer_, sample.labels.labels());
  buffer_ += ",\"value\":";
  pipeline::append_json_string(buffer_, sample.value);
  buffer_ += "}\n";
}

void AnswerPrinter::print(const std::string& name) {
  if (form_ == OutputForm::kJsonLines) {
    pipeline::append_json_string(buffer_, name);
  } else {
    buffer_ += name;
  }
  buffer_ += '\n';
}

void AnswerPrinter::print(const pipeline::LabelSet& series) {
  if (form_ == OutputForm::kJsonLines) {
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
