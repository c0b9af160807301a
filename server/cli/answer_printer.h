// AnswerPrinter: entries, samples and names as text, one a line.
//
//   default  2026-11-01T10:00:00.5Z {app="api"} the line        (times in UTC)
//   raw      the line
//   jsonl    {"timestamp":"...","labels":{...},"line":"...","structured_metadata":{...}}
#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/query_answer.h"

namespace server {

enum class OutputForm { kDefault, kRaw, kJsonLines };

class AnswerPrinter {
 public:
  AnswerPrinter(std::ostream& out, OutputForm form) : out_(out), form_(form) {}

  void print(const AnsweredEntry& entry);
  void print(const AnsweredSample& sample);
  void print(const std::string& name);
  void print(const pipeline::LabelSet& series);
  // Hands everything on. False: nobody reads any more.
  bool flush();

 private:
  std::ostream& out_;
  const OutputForm form_;
  std::string buffer_;
};

}  // namespace server
