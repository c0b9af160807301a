#include "server/logql/testing/naive_query.h"

#include <algorithm>
#include <set>

#include "pipeline/match/ip_filter.h"
#include "pipeline/match/loose_texts.h"
#include "pipeline/match/matcher.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/color_codes.h"
#include "pipeline/parse/go_template.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/json_path.h"
#include "pipeline/parse/logfmt.h"
#include "pipeline/parse/pattern.h"
#include "pipeline/parse/value_text.h"
#include "server/logql/log_pipeline.h"

namespace server {

using pipeline::Label;
using pipeline::LabelSet;
using pipeline::parse_go_duration;
using pipeline::parse_go_float;
using pipeline::parse_human_bytes;

namespace {

// An entry half way.
class NaiveEntryState {
 public:
  explicit NaiveEntryState(const NaiveEntry& entry) : line(entry.line), time_(entry.time) {
    for (const auto& [name, value] : entry.stream.labels()) original_[name] = stream_[name] = value;
    for (const auto& [name, value] : entry.metadata) {
      if (name == kErrorLabel) {
        error = value;
      } else if (name == kErrorDetailsLabel) {
        details = value;
      } else {
        metadata_[original_.count(name) ? name + "_extracted" : name] = value;
      }
    }
  }

  // Nothing: there is no such label.
  std::optional<std::string> get(const std::string& name) const {
    for (const NaiveLabels* labels : {&parsed_, &metadata_, &stream_})
      if (auto at = labels->find(name); at != labels->end() && (labels != &stream_ || !at->second.empty()))
        return at->second;
    return std::nullopt;
  }
  bool collides(const std::string& name) const { return original_.count(name) || metadata_.count(name); }
  // As a parser does it: a name of its own, and the first value wins.
  void extract(std::string name, const std::string& value) {
    if (collides(name)) name += "_extracted";
    if (extracted_.count(name) || parsed_.count(name)) return;
    set(name, value);
  }
  void set(const std::string& name, const std::string& value) {
    extracted_.insert(name);
    format(name, value);
  }
  void format(const std::string& name, const std::string& value) {
    metadata_.erase(name);
    stream_.erase(name);
    parsed_[name] = value;
  }
  void remove(const std::string& name) {
    for (NaiveLabels* labels : {&parsed_, &metadata_, &stream_}) labels->erase(name);
  }
  template <class Predicate>
  void remove_if(Predicate predicate) {
    for (NaiveLabels* labels : {&parsed_, &metadata_, &stream_})
      std::erase_if(*labels, [&](const auto& label) { return predicate(label.first, label.second); });
  }
  void fail(const std::string& kind, const std::string& why) {
    error = kind;
    details = why;
  }
  NaiveLabels all() const {
    NaiveLabels out;
    for (const NaiveLabels* labels : {&stream_, &metadata_, &parsed_})
      for (const auto& [name, value] : *labels) out[name] = value;
    if (!error.empty()) out[std::string(kErrorLabel)] = error;
    if (!details.empty()) out[std::string(kErrorDetailsLabel)] = details;
    return out;
  }
  UnixNanos time() const { return time_; }
  NaiveResult result() const {
    NaiveResult out{time_, line, stream_, metadata_, parsed_};
    if (!error.empty()) out.parsed[std::string(kErrorLabel)] = error;
    if (!details.empty()) out.parsed[std::string(kErrorDetailsLabel)] = details;
    return out;
  }

  std::string line, error, details;

 private:
  UnixNanos time_;
  NaiveLabels original_, stream_, metadata_, parsed_;
  std::set<std::string> extracted_;
};

bool matches(const LabelMatcher& matcher, const std::string& value, pipeline::Dot dot = pipeline::Dot::kAny) {
  if (matcher.op == MatchOp::kEqual) return value == matcher.value;
  if (matcher.op == MatchOp::kNotEqual) return value != matcher.value;
  return pipeline::Regex::compile(matcher.value, dot)->full_match(value) == (matcher.op == MatchOp::kRegex);
}

bool operand_in(const LineFilterStage& stage, const LineFilterOperand& operand, const std::string& line) {
  if (operand.is_ip) return pipeline::IpFilter::compile(operand.text)->found_in(line);
  switch (stage.op) {
    case LineFilterOp::kContains:
    case LineFilterOp::kNotContains: return line.find(operand.text) != std::string::npos;
    case LineFilterOp::kMatches:
    case LineFilterOp::kNotMatches: return pipeline::Regex::compile(operand.text)->partial_match(line);
    default: return pipeline::PatternFilter::compile(operand.text)->matches(line);
  }
}

template <class Number>
bool compares(CompareOp op, Number left, Number right) {
  switch (op) {
    case CompareOp::kEqual: return left == right;
    case CompareOp::kNotEqual: return left != right;
    case CompareOp::kGreater: return left > right;
    case CompareOp::kGreaterEqual: return left >= right;
    case CompareOp::kLess: return left < right;
    default: return left <= right;
  }
}

template <class Number>
bool compares(NaiveEntryState& entry, CompareOp op, const Result<Number>& left, Number right) {
  if (left) return compares(op, *left, right);
  if (entry.error.empty()) entry.fail("LabelFilterErr", left.error().message);
  return true;
}

bool label_filter(const LabelFilter& filter, NaiveEntryState& entry) {
  using Kind = LabelFilter::Kind;
  if (filter.kind == Kind::kAnd) {
    const bool left = label_filter(filter.operands[0], entry);
    const bool right = label_filter(filter.operands[1], entry);
    return left && right;
  }
  if (filter.kind == Kind::kOr) {
    if (label_filter(filter.operands[0], entry)) return true;
    return label_filter(filter.operands[1], entry);
  }
  if (filter.kind == Kind::kString) {
    const LabelMatcher& matcher = filter.matcher;
    std::string value = entry.get(matcher.name).value_or("");
    if (matcher.name == kErrorLabel) value = entry.error;
    if (matcher.name == kErrorDetailsLabel) value = "";
    const auto loose = matcher.op == MatchOp::kRegex || matcher.op == MatchOp::kNotRegex
                           ? pipeline::LooseTexts::of(matcher.value)
                           : std::nullopt;
    if (loose) return loose->matches(value) == (matcher.op == MatchOp::kRegex);
    return matches(matcher, value, pipeline::Dot::kNotNewline);
  }
  const auto value = entry.get(filter.name);
  switch (filter.kind) {
    case Kind::kIp:
      if (!entry.error.empty()) return true;
      return value && pipeline::IpFilter::compile(filter.ip)->found_in(*value) == (filter.compare == CompareOp::kEqual);
    case Kind::kNumber: return value && compares(entry, filter.compare, parse_go_float(*value), filter.number);
    case Kind::kDuration:
      return value && compares(entry, filter.compare, parse_go_duration(*value), filter.duration_ns);
    default: return value && compares(entry, filter.compare, parse_human_bytes(*value), filter.bytes);
  }
}

// False: the entry is dropped.
struct NaiveStage {
  NaiveEntryState& entry;
  pipeline::Arena arena{};

  bool operator()(const LineFilterStage& stage) {
    bool found = false;
    const bool texts_only = stage.op == LineFilterOp::kContains && stage.operands.size() > 1;
    for (LineFilterOperand operand : stage.operands) {
      if (texts_only) operand.is_ip = false;
      found = found || operand_in(stage, operand, entry.line);
    }
    const bool negative = stage.op == LineFilterOp::kNotContains || stage.op == LineFilterOp::kNotMatches ||
                          stage.op == LineFilterOp::kNotPattern;
    return found != negative;
  }
  bool operator()(const JsonStage& stage) {
    if (!stage.extractions.empty()) return json_paths(stage);
    std::vector<pipeline::JsonField> fields;
    const auto fault = pipeline::flatten_json(entry.line, fields, arena);
    for (const pipeline::JsonField& field : fields)
      entry.extract(std::string(field.name), std::string(pipeline::logql_text(field.value, arena)));
    if (fault) entry.fail("JSONParserErr", std::string(*fault));
    return true;
  }
  bool json_paths(const JsonStage& stage) {
    const std::string& line = entry.line;
    if (line.empty()) return true;
    if (line[0] != '{' && line[0] != '[' && line[0] != '"') {
      entry.fail("JSONParserErr", "");
      return true;
    }
    for (const Extraction& extraction : stage.extractions) {
      const auto found = pipeline::JsonPath::parse(extraction.expression)->find(line);
      if (found.fault) entry.fail("JSONParserErr", std::string(*found.fault));
      if (!found.value) continue;
      const std::string name = extraction.name + (entry.collides(extraction.name) ? "_extracted" : "");
      entry.set(name, std::string(pipeline::json_path_text(*found.value, arena)));
    }
    for (const Extraction& extraction : stage.extractions)
      if (!entry.get(extraction.name)) entry.set(extraction.name, "");
    return true;
  }
  bool operator()(const LogfmtStage& stage) {
    for (const Extraction& extraction : stage.extractions)
      if (!entry.collides(extraction.name)) entry.set(extraction.name, "");
    pipeline::LogfmtScanner scanner(entry.line);
    pipeline::LogfmtPair pair;
    for (;;) {
      const auto step = scanner.next(pair);
      if (step == pipeline::LogfmtScanner::Step::kEnd) return true;
      if (step == pipeline::LogfmtScanner::Step::kFault) {
        if (!stage.strict) continue;
        entry.fail("LogfmtParserErr", scanner.fault());
        return true;
      }
      const std::string key(pipeline::sanitise_label_name(pair.key, arena));
      const std::string value(pipeline::logfmt_text(pair, arena));
      if (stage.extractions.empty()) {
        if (!key.empty() && (!value.empty() || stage.keep_empty)) entry.extract(key, value);
        continue;
      }
      for (const Extraction& extraction : stage.extractions) {
        if (extraction.expression != key) continue;
        entry.set(extraction.name + (entry.collides(extraction.name) ? "_extracted" : ""), value);
        break;
      }
    }
  }
  bool operator()(const RegexpStage& stage) {
    const auto regex = pipeline::Regex::compile(stage.regex);
    std::vector<std::string_view> groups(regex->group_count());
    if (!regex->find(entry.line, groups)) return true;
    for (size_t i = 1; i < groups.size(); ++i)
      if (!regex->group_names()[i].empty()) entry.extract(regex->group_names()[i], std::string(groups[i]));
    return true;
  }
  bool operator()(const PatternStage& stage) {
    const auto pattern = pipeline::PatternParser::compile(stage.pattern);
    std::vector<std::string_view> values;
    if (entry.line.empty()) return true;
    const size_t found = pattern->parse(entry.line, values);
    for (size_t i = 0; i < found; ++i) entry.extract(pattern->names()[i], std::string(values[i]));
    return true;
  }
  bool operator()(const LabelFilterStage& stage) { return label_filter(stage.filter, entry); }
  // What a template gives for these labels; nothing, and the error is set, where it fails.
  std::optional<std::string> fill(std::string_view name, const std::string& form, const NaiveLabels& labels) {
    const auto compiled = *pipeline::GoTemplate::parse(name, form, pipeline::TemplateFunctions::kLogql);
    std::vector<pipeline::TemplateMap::Member> members;
    for (const auto& [key, value] : labels) members.push_back({key, pipeline::TemplateValue::text(value)});
    pipeline::TemplateMap all{members.data(), members.size(), members.size(), true};
    std::vector<pipeline::TemplateValue> fields;
    for (const std::string& field : compiled.fields()) {
      const auto* found = all.find(field);
      fields.push_back(found ? *found : pipeline::TemplateValue());
    }
    pipeline::TemplateRun run;
    std::string out;
    const auto done = compiled.run({fields, &all, 0, entry.line, entry.time()}, run, out);
    if (done) return out;
    entry.fail("TemplateFormatErr", done.error().message);
    return std::nullopt;
  }
  bool operator()(const LineFormatStage& stage) {
    if (auto made = fill("line", stage.form, entry.all())) entry.line = *made;
    return true;
  }
  bool operator()(const LabelFormatStage& stage) {
    NaiveLabels seen;
    for (const LabelFormat& format : stage.formats) {
      if (format.is_rename) {
        const auto value = entry.get(format.source);
        if (!value) continue;
        entry.format(format.target, *value);
        entry.remove(format.source);
        continue;
      }
      if (seen.empty()) seen = entry.all();
      if (auto made = fill("label", format.source, seen)) entry.format(format.target, *made);
    }
    return true;
  }
  bool operator()(const DropStage& stage) {
    for (const NamedLabel& label : stage.labels) {
      if (label.name == kErrorLabel || label.name == kErrorDetailsLabel) {
        std::string& slot = label.name == kErrorLabel ? entry.error : entry.details;
        if (!label.matcher || matches(*label.matcher, slot)) slot.clear();
      } else if (!label.matcher || matches(*label.matcher, entry.get(label.name).value_or(""))) {
        entry.remove(label.name);
      }
    }
    return true;
  }
  bool operator()(const KeepStage& stage) {
    entry.remove_if([&](const std::string& name, const std::string& value) {
      return std::none_of(stage.labels.begin(), stage.labels.end(), [&](const NamedLabel& label) {
        return label.name == name && (!label.matcher || matches(*label.matcher, value));
      });
    });
    return true;
  }
  bool operator()(const DecolorizeStage&) {
    std::string plain;
    pipeline::append_without_colors(plain, entry.line);
    entry.line = plain;
    return true;
  }
  bool operator()(const UnpackStage&) {
    const std::string line = entry.line;
    if (line.empty()) return true;
    std::vector<pipeline::JsonField> fields;
    const auto fault = pipeline::flatten_json(line, fields, arena);
    if (line[0] != '{' || fault) {
      entry.fail("JSONParserErr", line[0] != '{' ? "expecting json object(6), but it is not" : std::string(*fault));
      return true;
    }
    std::vector<pipeline::JsonMember> members;
    pipeline::check_json(line, &members);
    std::vector<std::pair<std::string, std::string>> texts;
    std::optional<std::string> packed;
    for (const pipeline::JsonMember& member : members) {
      if (member.value.kind != pipeline::JsonKind::kString) continue;
      const std::string name(pipeline::sanitise_label_name(member.name.raw, arena));
      const std::string text(pipeline::logql_text(member.value, arena));
      if (name == "_entry") {
        packed = text;
      } else {
        texts.emplace_back(name, text);
      }
    }
    if (!packed) return true;
    for (const auto& [name, text] : texts) entry.extract(name, text);
    entry.line = *packed;
    return true;
  }
};

// The number in the label, or nothing where there is no such label. What does not convert is 0 and an error.
std::optional<double> unwrapped(const Unwrap& unwrap, NaiveEntryState& entry) {
  const auto text = entry.get(unwrap.label);
  if (!text || text->empty()) return std::nullopt;
  auto failed = [&](const pipeline::Error& error) {
    entry.fail("SampleExtractionErr", error.message);
    return 0.0;
  };
  if (unwrap.conversion == UnwrapConversion::kDuration) {
    const auto value = parse_go_duration(*text);
    return value ? static_cast<double>(*value) / 1e9 : failed(value.error());
  }
  if (unwrap.conversion == UnwrapConversion::kBytes) {
    const auto value = parse_human_bytes(*text);
    return value ? static_cast<double>(*value) : failed(value.error());
  }
  const auto value = parse_go_float(*text);
  return value ? *value : failed(value.error());
}

}  // namespace

LabelSet NaiveResult::all() const {
  std::vector<Label> labels;
  for (const NaiveLabels* part : {&stream, &metadata, &parsed}) labels.insert(labels.end(), part->begin(), part->end());
  return LabelSet::from(std::move(labels));
}

std::optional<NaiveResult> naive_stages(const std::vector<Stage>& stages, const NaiveEntry& entry) {
  NaiveEntryState state(entry);
  for (const Stage& stage : stages)
    if (!std::visit(NaiveStage{state}, stage)) return std::nullopt;
  return state.result();
}

namespace {

bool selects(const Selector& selector, const LabelSet& stream) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const LabelMatcher& matcher) {
    return matches(matcher, std::string(stream.get(matcher.name).value_or("")));
  });
}

}  // namespace

std::vector<NaiveResult> naive_log(const LogExpr& log, const std::vector<NaiveEntry>& entries, UnixNanos begin,
                                   UnixNanos end) {
  std::vector<NaiveResult> out;
  for (const NaiveEntry& entry : entries) {
    if (entry.time < begin || entry.time >= end || !selects(log.selector, entry.stream)) continue;
    if (auto kept = naive_stages(log.stages, entry)) out.push_back(*std::move(kept));
  }
  return out;
}

std::vector<NaiveSample> naive_samples(const LogRange& range, const std::vector<NaiveEntry>& entries, UnixNanos begin,
                                       UnixNanos end) {
  std::vector<NaiveSample> out;
  for (const NaiveEntry& entry : entries) {
    if (entry.time < begin || entry.time >= end || !selects(range.log.selector, entry.stream)) continue;
    NaiveEntryState state(entry);
    NaiveStage run{state};
    bool kept = std::all_of(range.log.stages.begin(), range.log.stages.end(),
                            [&](const Stage& stage) { return std::visit(run, stage); });
    double value = 0;
    if (kept && range.unwrap) {
      const auto found = unwrapped(*range.unwrap, state);
      kept = found && std::all_of(range.unwrap->post_filters.begin(), range.unwrap->post_filters.end(),
                                  [&](const LabelFilter& filter) { return label_filter(filter, state); });
      value = found.value_or(0);
    }
    if (kept) out.push_back({state.result(), value});
  }
  return out;
}

}  // namespace server
