// The parsers json, logfmt, regexp, pattern and unpack, compiled: they set labels from the line (logql.md 4.4 to 4.9).
//
// Each extract() takes the line, sets parsed labels and maybe the error, and never drops an entry.
// Thread: any (immutable); ExtractScratch has one owner.
// Errors: kInvalid: the texts of JsonPath and the like.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/json_path.h"
#include "pipeline/parse/logfmt.h"
#include "pipeline/parse/pattern.h"
#include "server/logql/entry_labels.h"
#include "server/logql/needed_labels.h"
#include "server/logql/syntax.h"

namespace server {

// Buffers that are used again for each line.
struct ExtractScratch {
  std::vector<pipeline::JsonField> json_fields;
  std::vector<std::string_view> values;
};

class JsonExtractor {
 public:
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;
};

class JsonPathExtractor {
 public:
  static pipeline::Result<JsonPathExtractor> compile(const JsonStage& stage);
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;

 private:
  struct Target {
    std::string name;
    pipeline::JsonPath path;
  };
  std::vector<Target> targets_;
};

class LogfmtExtractor {
 public:
  explicit LogfmtExtractor(const LogfmtStage& stage) : strict_(stage.strict), keep_empty_(stage.keep_empty) {}
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;

 private:
  void extract_few(std::string_view line, EntryLabels& labels, const NeededLabels& needed) const;
  template <class See>
  void each_pair(std::string_view line, EntryLabels& labels, const NeededLabels& needed, See see) const;
  static std::string_view text_of(const pipeline::LogfmtPair& pair, EntryLabels& labels);

  bool strict_, keep_empty_;
};

class LogfmtKeyExtractor {
 public:
  static pipeline::Result<LogfmtKeyExtractor> compile(const LogfmtStage& stage);
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;

 private:
  struct Target {
    std::string name, key;  // key: sanitised
  };
  bool strict_ = false;
  std::vector<Target> targets_;
};

class RegexpExtractor {
 public:
  static pipeline::Result<RegexpExtractor> compile(const RegexpStage& stage);
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;

 private:
  explicit RegexpExtractor(pipeline::Regex regex) : regex_(std::move(regex)) {}
  pipeline::Regex regex_;
  std::vector<std::string> names_;  // of the groups, sanitised; empty: no label
};

class PatternExtractor {
 public:
  static pipeline::Result<PatternExtractor> compile(const PatternStage& stage);
  void extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed, ExtractScratch& scratch) const;

 private:
  explicit PatternExtractor(pipeline::PatternParser parser) : parser_(std::move(parser)) {}
  pipeline::PatternParser parser_;
};

// Lines that Promtail's pack stage made: an object whose member _entry is the line, and the others labels.
class UnpackExtractor {
 public:
  // The line that was packed; `line` itself where none was.
  std::string_view unpack(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                          ExtractScratch& scratch) const;
};

}  // namespace server
