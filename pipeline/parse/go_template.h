// GoTemplate: Go's text/template (Go 1.26) for the `template` and `replace` stages and LogQL's line_format and
// label_format: actions, pipelines, variables, if, range, with, define, block, template, break and continue.
//
//   auto compiled = GoTemplate::parse("line", text, TemplateFunctions::kLogql);
//   for (const std::string& name : compiled->fields()) ...          // once: what of the data it looks at
//   compiled->run({.fields = values, .now = now}, memory, out);     // per line
//
// Life:    a GoTemplate is immutable and shared. What a run needs lives in a TemplateRun with one owner; values made by
// a
//          run are gone with the next one.
// Thread:  any; a TemplateRun one at a time.
// Limits:  of a text: kMaxTemplateBytes, and kMaxTemplateDepth levels of nesting. Of a run: TemplateLimits.
// Errors:  parse(): kInvalid, Go's text `template: line:1: unclosed action`. run(): kInvalid, Go's text `template:
//          line:1:3: executing "line" at <substr 5 2 "abcdef">: error calling substr: ...`; kOverLimit: a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/template_value.h"

namespace pipeline {

inline constexpr size_t kMaxTemplateBytes = 1 << 20;
inline constexpr int kMaxTemplateDepth = 200;  // what people write has less than ten; a run nests 500 in all

// Which functions there are, and what a key that is missing gives.
enum class TemplateFunctions {
  kStage,  // agent.md 5.9: Alloy's and Sprig's; a missing key prints <no value>
  kLogql   // logql.md 5: Loki's; the data is a map of texts, a missing key is ""
};

struct TemplateLimits {
  uint64_t steps = 1'000'000;              // nodes evaluated and functions called: some 0.1 s
  size_t output_bytes = 4 << 20;           // as large as the largest line
  size_t memory_bytes = size_t{32} << 20;  // of all values made on the way
};

// What a template is run on.
struct TemplateInput {
  // The members of the data, by GoTemplate::fields(); kMissing where there is none.
  std::span<const TemplateValue> fields{};
  // The data itself; needed where GoTemplate::reads_all(), and then `fields` is not looked at.
  TemplateMap* all = nullptr;
  UnixNanos now = 0;        // for `now` and `ago`
  std::string_view line{};  // __line__
  UnixNanos timestamp = 0;  // __timestamp__
};

struct TemplateNode;   // template_node.h
struct TemplateTrees;  // template_node.h

// What runs remember: memory, compiled regular expressions, time zones.
class TemplateRun {
 public:
  explicit TemplateRun(TemplateLimits limits = {}) : limits_(limits) {}

  const TemplateLimits& limits() const { return limits_; }
  TemplateMemory& memory() { return memory_; }

  // --- for template functions
  const TemplateInput& input() const { return *input_; }
  // Compiled once while it is among the last kMaxRegexes; kInvalid: as Regex::compile.
  Result<const Regex*> regex(std::string_view pattern);
  // Null: no such zone. Valid as long as the run.
  const TimeZone* zone(std::string_view name);

 private:
  friend class TemplateExecutor;
  static constexpr size_t kMaxRegexes = 64;

  const TemplateLimits limits_;
  TemplateMemory memory_;
  const TemplateInput* input_ = nullptr;
  std::vector<std::pair<std::string_view, TemplateValue>> variables_;  // the innermost last
  std::vector<TemplateValue> arguments_;
  std::deque<std::pair<std::string, Regex>> regexes_;
  std::deque<std::pair<std::string, TimeZone>> zones_;
};

class GoTemplate {
 public:
  // `name` is what the messages call it.
  static Result<GoTemplate> parse(std::string_view name, std::string_view text, TemplateFunctions functions);

  // The members of the data that are looked at by name, each once.
  const std::vector<std::string>& fields() const;
  // It looks at the data as a whole ({{ . }}, range over it, an index that is computed).
  bool reads_all() const;
  // The template is one text without actions; nothing else.
  const std::string* constant() const;

  // Appends what the template gives. After an error `out` has what was written before it.
  Result<void> run(const TemplateInput& input, TemplateRun& run, std::string& out) const;

 private:
  explicit GoTemplate(std::shared_ptr<const TemplateTrees> trees) : trees_(std::move(trees)) {}
  std::shared_ptr<const TemplateTrees> trees_;
};

}  // namespace pipeline
