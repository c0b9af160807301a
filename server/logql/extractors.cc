#include "server/logql/extractors.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/logql/log_pipeline.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

constexpr std::string_view kJsonError = "JSONParserErr";
constexpr std::string_view kLogfmtError = "LogfmtParserErr";

void set_parser_error(EntryLabels& labels, const NeededLabels& needed, std::string_view error,
                      std::string_view details) {
  labels.set_error(error, labels.arena().copy(details));
  if (needed.preserves_errors()) labels.set_parsed(kPreserveErrorLabel, "true");
}

// Which of the needed labels a parser has still to find in this line.
class Search {
 public:
  Search(EntryLabels& labels, const NeededLabels& needed) : labels_(labels), needed_(needed) {}

  // False: every needed label has been found, the rest of the line does not matter.
  bool offer(std::string_view name, std::string_view value) {
    labels_.set_parsed(name, value);
    if (needed_.all()) return true;
    return !std::all_of(needed_.names().begin(), needed_.names().end(),
                        [&](const std::string& n) { return labels_.was_parsed(n); });
  }
  bool wants(std::string_view name) const { return needed_.has(name) && !labels_.was_parsed(name); }

 private:
  EntryLabels& labels_;
  const NeededLabels& needed_;
};

}  // namespace

namespace {

// Which of a few needed labels a parser has still to find in this line; cheap to ask.
class NeededFields {
 public:
  static constexpr size_t kMostNames = 64, kNone = SIZE_MAX;

  NeededFields(EntryLabels& labels, const NeededLabels& needed)
      : labels_(labels), needed_(needed), names_(needed.names()) {
    for (size_t i = 0; i < names_.size(); ++i)
      if (labels.was_parsed(names_[i])) found_ |= uint64_t{1} << i;
  }
  // The number of the label that a field of this name becomes; kNone: none that is still to be found.
  size_t wanted(std::string_view field) const {
    if ((needed_.mask() & EntryLabels::mask_of(field)) == 0) return kNone;
    size_t at = index_of(field);
    if (at == names_.size()) return kNone;
    const std::string_view name = labels_.parsed_name(field);
    if (name.size() != field.size()) at = index_of(name);
    return at == names_.size() || (found_ & uint64_t{1} << at) != 0 ? kNone : at;
  }
  // True: every one has been found, the rest of the line does not matter.
  bool take(size_t number) {
    found_ |= uint64_t{1} << number;
    return found_ == ~uint64_t{0} >> (kMostNames - names_.size());
  }
  const std::string& name(size_t number) const { return names_[number]; }
  bool any_begins_with(std::string_view prefix) const {
    return std::any_of(names_.begin(), names_.end(), [&](const std::string& n) { return n.starts_with(prefix); });
  }

 private:
  size_t index_of(std::string_view name) const {
    return static_cast<size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
  }

  EntryLabels& labels_;
  const NeededLabels& needed_;
  const std::vector<std::string>& names_;
  uint64_t found_ = 0;  // a bit per name
};

// Takes the first field of each needed name that no parser has set yet.
class NeededMembers final : public pipeline::JsonFieldChoice {
 public:
  NeededMembers(EntryLabels& labels, const NeededLabels& needed) : fields_(labels, needed) {}
  Answer choose(std::string_view field) override {
    const size_t number = fields_.wanted(field);
    if (number == NeededFields::kNone) return Answer::kSkip;
    return fields_.take(number) ? Answer::kTakeAndStop : Answer::kTake;
  }
  bool wants_inside(std::string_view prefix) override { return fields_.any_begins_with(prefix); }

 private:
  NeededFields fields_;
};

}  // namespace

void JsonExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                            ExtractScratch& scratch) const {
  scratch.json_fields.clear();
  if (!needed.all() && needed.names().size() <= NeededFields::kMostNames) {
    NeededMembers choice(labels, needed);
    const auto fault = pipeline::flatten_json(line, scratch.json_fields, labels.arena(), &choice);
    for (const pipeline::JsonField& field : scratch.json_fields)
      labels.set_parsed(labels.parsed_name(field.name), pipeline::logql_text(field.value, labels.arena()));
    if (fault) set_parser_error(labels, needed, kJsonError, *fault);
    return;
  }
  const auto fault = pipeline::flatten_json(line, scratch.json_fields, labels.arena());
  Search search(labels, needed);
  for (const pipeline::JsonField& field : scratch.json_fields) {
    if (!needed.has(field.name) && !needed.all()) continue;
    const std::string_view name = labels.parsed_name(field.name);
    if (!search.wants(name)) continue;
    if (!search.offer(name, pipeline::logql_text(field.value, labels.arena()))) return;
  }
  if (fault) set_parser_error(labels, needed, kJsonError, *fault);
}

pipeline::Result<JsonPathExtractor> JsonPathExtractor::compile(const JsonStage& stage) {
  JsonPathExtractor out;
  for (const Extraction& extraction : stage.extractions) {
    TRY_LET(pipeline::JsonPath path, pipeline::JsonPath::parse(extraction.expression));
    out.targets_.push_back({extraction.name, std::move(path)});
  }
  return out;
}

void JsonPathExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                                ExtractScratch&) const {
  if (line.empty()) return;
  if (line[0] != '{' && line[0] != '[' && line[0] != '"') {
    set_parser_error(labels, needed, kJsonError, {});
    return;
  }
  for (const Target& target : targets_) {
    const pipeline::JsonPath::Found found = target.path.find(line);
    if (found.fault) set_parser_error(labels, needed, kJsonError, *found.fault);
    if (found.value)
      labels.set_parsed(labels.parsed_name(target.name), pipeline::json_path_text(*found.value, labels.arena()));
  }
  for (const Target& target : targets_)
    if (!labels.get(target.name)) labels.set_parsed(target.name, {});
}

void LogfmtExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                              ExtractScratch&) const {
  if (!needed.all() && needed.names().size() <= NeededFields::kMostNames) return extract_few(line, labels, needed);
  Search search(labels, needed);
  each_pair(line, labels, needed, [&](const pipeline::LogfmtPair& pair) {
    const std::string_view key = pipeline::sanitise_label_name(pair.key, labels.arena());
    if (key.empty() || !needed.has(key)) return true;
    const std::string_view name = labels.parsed_name(key);
    if (!search.wants(name)) return true;
    const std::string_view value = text_of(pair, labels);
    return (value.empty() && !keep_empty_) || search.offer(name, value);
  });
}

void LogfmtExtractor::extract_few(std::string_view line, EntryLabels& labels, const NeededLabels& needed) const {
  NeededFields fields(labels, needed);
  each_pair(line, labels, needed, [&](const pipeline::LogfmtPair& pair) {
    if (pair.ascii_key && !needed.may_become_one(pair.key)) return true;
    const size_t number = fields.wanted(pipeline::sanitise_label_name(pair.key, labels.arena()));
    if (number == NeededFields::kNone) return true;
    const std::string_view value = text_of(pair, labels);
    if (value.empty() && !keep_empty_) return true;
    labels.set_parsed(fields.name(number), value);
    return !fields.take(number);
  });
}

// `see` answers false when the rest of the line does not matter.
template <class See>
void LogfmtExtractor::each_pair(std::string_view line, EntryLabels& labels, const NeededLabels& needed, See see) const {
  pipeline::LogfmtScanner scanner(line);
  pipeline::LogfmtPair pair;
  for (;;) {
    const auto step = scanner.next(pair);
    if (step == pipeline::LogfmtScanner::Step::kEnd) return;
    if (step == pipeline::LogfmtScanner::Step::kPair) {
      if (!see(pair)) return;
    } else if (strict_) {
      return set_parser_error(labels, needed, kLogfmtError, scanner.fault());
    }
  }
}

std::string_view LogfmtExtractor::text_of(const pipeline::LogfmtPair& pair, EntryLabels& labels) {
  return pipeline::without_bad_characters(pipeline::logfmt_text(pair, labels.arena()), labels.arena());
}

namespace {

// A key of logfmt as an expression: one identifier, or one text in double quotes.
pipeline::Result<std::string> parse_logfmt_key(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return fail(Errc::kInvalid, concat("cannot parse expression [", text, "]: ", why));
  };
  if (text.empty()) return refuse("syntax error: unexpected $end, expecting STRING or KEY");
  std::string_view key = text;
  if (key.starts_with('"')) {
    if (key.size() < 2 || !key.ends_with('"')) return refuse("syntax error: unexpected $end, expecting STRING or KEY");
    return std::string(key.substr(1, key.size() - 2));
  }
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (letter || (i > 0 && c >= '0' && c <= '9')) continue;
    return refuse(concat("unexpected char ", std::string_view(&c, 1)));
  }
  return std::string(key);
}

}  // namespace

pipeline::Result<LogfmtKeyExtractor> LogfmtKeyExtractor::compile(const LogfmtStage& stage) {
  LogfmtKeyExtractor out;
  out.strict_ = stage.strict;
  for (const Extraction& extraction : stage.extractions) {
    TRY_LET(std::string key, parse_logfmt_key(extraction.expression));
    out.targets_.push_back({extraction.name, std::move(key)});
  }
  return out;
}

void LogfmtKeyExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                                 ExtractScratch&) const {
  for (const Target& target : targets_)
    if (!labels.is_taken(target.name)) labels.set_parsed(target.name, {});
  pipeline::LogfmtScanner scanner(line);
  pipeline::LogfmtPair pair;
  for (;;) {
    const auto step = scanner.next(pair);
    if (step == pipeline::LogfmtScanner::Step::kEnd) return;
    if (step == pipeline::LogfmtScanner::Step::kFault) {
      if (!strict_) continue;
      set_parser_error(labels, needed, kLogfmtError, scanner.fault());
      return;
    }
    const std::string_view key = pipeline::sanitise_label_name(pair.key, labels.arena());
    const auto target =
        std::find_if(targets_.begin(), targets_.end(), [&](const Target& target) { return target.key == key; });
    if (target == targets_.end()) continue;
    const std::string_view value = pipeline::logfmt_text(pair, labels.arena());
    const bool bad = pipeline::without_bad_characters(value, labels.arena()).data() != value.data();
    labels.set_parsed(labels.parsed_name(target->name), bad ? std::string_view() : value);
  }
}

pipeline::Result<RegexpExtractor> RegexpExtractor::compile(const RegexpStage& stage) {
  TRY_LET(pipeline::Regex regex, pipeline::Regex::compile(stage.regex));
  RegexpExtractor out(std::move(regex));
  pipeline::Arena arena;
  for (const std::string& name : out.regex_.group_names())
    out.names_.emplace_back(pipeline::sanitise_label_name(name, arena));
  return out;
}

void RegexpExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                              ExtractScratch& scratch) const {
  scratch.values.assign(names_.size(), {});
  if (!regex_.find(line, scratch.values)) return;
  Search search(labels, needed);
  for (size_t i = 1; i < names_.size(); ++i) {
    if (names_[i].empty()) continue;
    const std::string_view name = labels.parsed_name(names_[i]);
    if (search.wants(name) && !search.offer(name, scratch.values[i])) return;
  }
}

pipeline::Result<PatternExtractor> PatternExtractor::compile(const PatternStage& stage) {
  TRY_LET(pipeline::PatternParser parser, pipeline::PatternParser::compile(stage.pattern));
  return PatternExtractor(std::move(parser));
}

void PatternExtractor::extract(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                               ExtractScratch& scratch) const {
  if (line.empty()) return;
  const size_t found = parser_.parse(line, scratch.values);
  Search search(labels, needed);
  for (size_t i = 0; i < found; ++i) {
    const std::string_view name = labels.parsed_name(parser_.names()[i]);
    if (search.wants(name) && !search.offer(name, scratch.values[i])) return;
  }
}

namespace {

constexpr std::string_view kPackedLine = "_entry";

// Takes the members of the object itself.
class PackedMembers final : public pipeline::JsonFieldChoice {
 public:
  explicit PackedMembers(const NeededLabels& needed) : needed_(needed) {}
  Answer choose(std::string_view name) override {
    return name == kPackedLine || needed_.has(name) ? Answer::kTake : Answer::kSkip;
  }
  bool wants_inside(std::string_view) override { return false; }

 private:
  const NeededLabels& needed_;
};

}  // namespace

std::string_view UnpackExtractor::unpack(std::string_view line, EntryLabels& labels, const NeededLabels& needed,
                                         ExtractScratch& scratch) const {
  if (line.empty()) return line;
  if (line[0] != '{') {
    set_parser_error(labels, needed, kJsonError, "expecting json object(6), but it is not");
    return line;
  }
  PackedMembers choice(needed);
  scratch.json_fields.clear();
  if (const auto fault = pipeline::flatten_json(line, scratch.json_fields, labels.arena(), &choice)) {
    set_parser_error(labels, needed, kJsonError, *fault);
    return line;
  }
  auto is_packed = [](const pipeline::JsonField& field) {
    return field.name == kPackedLine && field.value.kind == pipeline::JsonKind::kString;
  };
  const auto packed = std::find_if(scratch.json_fields.rbegin(), scratch.json_fields.rend(), is_packed);
  if (packed == scratch.json_fields.rend()) return line;
  const auto text = pipeline::json_text(packed->value, labels.arena());
  if (!text) {
    set_parser_error(labels, needed, kJsonError, "Encountered an invalid escape sequence in a string");
    return line;
  }
  for (const pipeline::JsonField& field : scratch.json_fields) {
    if (field.value.kind != pipeline::JsonKind::kString || field.name == kPackedLine) continue;
    const std::string_view name = labels.parsed_name(field.name);
    if (!labels.was_parsed(name)) labels.set_parsed(name, pipeline::logql_text(field.value, labels.arena()));
  }
  return *text;
}

}  // namespace server
