// AnswerPrinter: entries, samples and names as text, one a line.
//
//   default  2026-11-01T10:00:00.5Z {app="api"} the line
//   raw      the line
//   jsonl    {"timestamp":"...","labels":{...},"line":"...","structured_metadata":{...}}
#pragma once

#include <iosfwd>
#include <set>
#include <string>

#include "server/cli/query_answer.h"

namespace server {

enum class OutputForm { kDefault, kRaw, kJsonLines };

struct OutputStyle {
  OutputForm form = OutputForm::kDefault;
  bool local_times = false;                 // else UTC
  std::string time_format = "rfc3339nano";  // of the default form; a name of Go's time package, lower case
  bool labels = true;                       // of the default form
  std::set<std::string, std::less<>> include_labels = {};  // empty: all
  std::set<std::string, std::less<>> exclude_labels = {};
  size_t labels_length = 0;  // padded to it
  bool colored = false;      // a colour for each stream, by ANSI escapes
};

// `format`: one of those that OutputStyle::time_format names.
std::string format_time(pipeline::UnixNanos time, const std::string& format, bool local);

class AnswerPrinter {
 public:
  AnswerPrinter(std::ostream& out, OutputStyle style) : out_(out), style_(std::move(style)) {}

  void print(const AnsweredEntry& entry);
  void print(const AnsweredSample& sample);
  void print(const std::string& name);
  void print(const pipeline::LabelSet& series);
  // Hands everything on. False: nobody reads any more.
  bool flush();

 private:
  std::string time_text(pipeline::UnixNanos time) const;
  pipeline::LabelSet shown(const pipeline::LabelSet& labels) const;
  void append_head(pipeline::UnixNanos time, const pipeline::LabelSet& labels);

  std::ostream& out_;
  const OutputStyle style_;
  std::string buffer_;
};

}  // namespace server
