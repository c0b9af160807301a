// The stage `luhn` (agent.md 5.19, 11.8): replaces numbers that pass the check of payment cards.
#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct LuhnOptions {
  std::string source;  // "": the line
  std::string replacement;
  std::vector<uint32_t> delimiters;  // characters
  size_t min_length = 13;
  std::optional<Regex> skip;  // numbers inside of what it finds stay
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// Go's unicode.IsDigit behind ASCII: ten digits from each of these on (five sets of them at 0x1D7CE).
bool is_wide_digit(uint32_t code) {
  constexpr uint32_t kZeros[] = {
      0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,   0xC66,   0xCE6,   0xD66,
      0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,  0x1810,  0x1946,  0x19D0,  0x1A80,  0x1A90,
      0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,  0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,
      0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730,
      0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2,
      0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0};
  const auto* above = std::upper_bound(std::begin(kZeros), std::end(kZeros), code);
  return above != std::begin(kZeros) && code - above[-1] < 10;
}

bool passes_luhn(std::string_view digits) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc()) return false;  // more than 64 bits: upstream leaves it, too
  int sum = 0;
  for (size_t k = 0; k < digits.size(); ++k) {
    int digit = digits[digits.size() - 1 - k] - '0';
    if (k % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

struct Range {
  size_t begin, end;
};

struct LuhnMemory final : StageMemory {
  std::string out, digits;
  std::vector<Range> skipped;
};

class LuhnStage final : public Stage {
 public:
  explicit LuhnStage(LuhnOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<LuhnMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!options_.source.empty()) reads.names.insert(options_.source);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<LuhnMemory&>(stage_memory);
    FieldReader reader(batch, options_.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      std::string_view text = batch.lines[i];
      if (!options_.source.empty()) {  // the result becomes the line all the same, as upstream
        const FieldValue value = reader.at(i);
        if (value.kind != FieldValue::Kind::kText) continue;
        text = value.text;
      }
      batch.lines[i] = replaced(text, memory) ? batch.arena.copy(memory.out) : text;
    }
  }

 private:
  // True: the text with numbers replaced is in memory.out; false: it stays as it is.
  bool replaced(std::string_view text, LuhnMemory& memory) const {
    text = searchable(text);
    const bool valid = is_valid_utf8(text);
    if (valid && !has_long_number(text)) return false;
    find_skipped(text, memory.skipped);
    memory.out.clear();
    for (size_t at = 0; at < text.size();) {
      if (begins_number(text, at) && !is_skipped(at, memory.skipped)) {
        at = take_number(text, at, memory);
      } else if (valid || static_cast<unsigned char>(text[at]) < 0x80) {
        memory.out += text[at++];
      } else {
        append_utf8(memory.out, take_utf8(text, at));
      }
    }
    return true;
  }

  static bool begins_number(std::string_view text, size_t at) {
    return is_digit(text[at]) || (is_high(text[at]) && is_wide_digit(take_utf8(text, at)));
  }
  bool is_delimiter(uint32_t code) const {
    return std::find(options_.delimiters.begin(), options_.delimiters.end(), code) != options_.delimiters.end();
  }
  // Whether `c` may be a part of one.
  bool may_delimit(char c) const {
    if (!is_high(c)) return is_delimiter(static_cast<unsigned char>(c));
    return std::any_of(options_.delimiters.begin(), options_.delimiters.end(),
                       [](uint32_t code) { return code > 0x7f; });
  }

  // Enough digits, perhaps with delimiters between them.
  bool has_long_number(std::string_view text) const {
    size_t digits = 0;
    for (char c : text) {
      if (is_digit(c)) {
        if (++digits >= options_.min_length) return true;
      } else if (digits > 0 && !may_delimit(c)) {
        digits = 0;
      }
    }
    return false;
  }

  void find_skipped(std::string_view text, std::vector<Range>& skipped) const {
    skipped.clear();
    if (!options_.skip) return;
    std::string_view match;
    for (size_t at = 0; at <= text.size() && options_.skip->find(text.substr(at), {&match, 1});) {
      const auto begin = static_cast<size_t>(match.data() - text.data());
      skipped.push_back({begin, begin + match.size()});
      at = begin + std::max<size_t>(match.size(), 1);
    }
  }
  static bool is_skipped(size_t at, const std::vector<Range>& skipped) {
    return std::any_of(skipped.begin(), skipped.end(), [&](Range r) { return at >= r.begin && at < r.end; });
  }

  // The number that begins at `at`, with the delimiters in and behind it, goes to memory.out; returns where it ends. Of
  // the delimiters behind a replaced one the last stays, as upstream. Digits other than ASCII ones make it no number.
  size_t take_number(std::string_view text, size_t at, LuhnMemory& memory) const {
    const size_t begin = at;
    size_t digits_end = at, last_begin = at;
    bool wide = false;
    memory.digits.clear();
    for (size_t next = at; at < text.size() && !is_skipped(at, memory.skipped); at = next) {
      const uint32_t code = take_utf8(text, next);
      if (is_digit(text[at])) {
        memory.digits += text[at];
        digits_end = next;
      } else if (is_wide_digit(code)) {
        wide = true;
        digits_end = next;
      } else if (!is_delimiter(code)) {
        break;
      }
      last_begin = at;
    }
    if (wide || memory.digits.size() < options_.min_length || !passes_luhn(memory.digits)) {
      memory.out += text.substr(begin, at - begin);
      return at;
    }
    memory.out += options_.replacement;
    if (at > digits_end) memory.out += text.substr(last_begin, at - last_begin);
    return at;
  }

  const LuhnOptions options_;
};

constexpr StageArgument kArguments[] = {
    {"replacement", ArgumentType::kText, "**REDACTED**", false, "takes the place of the number"},
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line; it becomes the line"},
    {"min_length", ArgumentType::kInteger, "13", false, "digits that a number has at least"},
    {"delimiters", ArgumentType::kText, "", false, "characters that may stand between digits, for example \" -\""},
    {"skip_regex", ArgumentType::kText, "", false, "numbers inside of what this finds stay as they are"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  LuhnOptions options;
  options.source = arguments.text("source");
  options.replacement = arguments.text("replacement");
  const std::string& delimiters = arguments.text("delimiters");
  for (size_t at = 0; at < delimiters.size();) options.delimiters.push_back(take_utf8(delimiters, at));
  if (options.replacement.empty()) options.replacement = "**REDACTED**";
  if (arguments.integer("min_length") >= 1) options.min_length = static_cast<size_t>(arguments.integer("min_length"));
  if (!arguments.text("skip_regex").empty()) {
    auto skip = Regex::compile(arguments.text("skip_regex"));
    if (!skip) return fail(skip.error().within("could not compile regular expression"));
    options.skip = *std::move(skip);
  }
  return std::make_unique<LuhnStage>(std::move(options));
}

}  // namespace

const StageKind kLuhnStage = {"luhn", "replaces numbers that pass the check of payment cards", kArguments, build};

}  // namespace pipeline
