#include "pipeline/parse/go_format.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "pipeline/base/quantity.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_time_format.h"

namespace pipeline {

using Kind = TemplateValue::Kind;
using Integer = TemplateValue::Integer;

namespace {

constexpr std::string_view kDefaultTime = "2006-01-02 15:04:05.999999999 -0700 MST";

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The String method of Go's named types; nothing for plain values.
std::optional<std::string> own_text(const TemplateValue& value) {
  if (value.is(Kind::kTime)) {
    std::string out;
    append_go_time(out, kDefaultTime, value.as_time());
    return out;
  }
  if (!value.is(Kind::kInteger)) return std::nullopt;
  switch (value.integer_type()) {
    case Integer::kDuration: return format_duration(std::chrono::nanoseconds(value.as_integer()));
    case Integer::kMonth: return std::string(go_month_name(value.as_integer()));
    case Integer::kWeekday: return std::string(go_weekday_name(value.as_integer()));
    default: return std::nullopt;
  }
}

constexpr int kMaxPrintedDepth = 2000;         // of lists in lists; what is deeper is left out
constexpr size_t kMaxPrintedBytes = 64 << 20;  // lists that hold one another many times would have no end

struct Verb {
  char32_t letter = 'v';
  bool minus = false, plus = false, sharp = false, blank = false, zero = false;
  std::optional<int> width, precision;
};

// One operand of Printf, written by its verb.
class VerbWriter {
 public:
  VerbWriter(std::string& out, const Verb& verb) : out_(out), verb_(verb) {}

  void value(const TemplateValue& value, int depth = 0) {
    if (verb_.letter == 'T' && depth == 0) return padded(go_type(value));
    if (value.is_absent()) {
      if (verb_.letter == 'v') return padded("<nil>");
      return misfit(value);
    }
    if (!(verb_.sharp && verb_.letter == 'v') && std::u32string_view(U"vsxXq").find(verb_.letter) != npos) {
      if (auto text = own_text(value)) return text_value(TemplateValue::text(*text), *text);
    }
    switch (value.kind()) {
      case Kind::kText: return text_value(value, value.as_text());
      case Kind::kInteger: return integer(value, value.as_integer());
      case Kind::kNumber: return number(value, value.as_number());
      case Kind::kBool: return boolean(value);
      case Kind::kList: return list(value, depth);
      case Kind::kMap: return map(value, depth);
      case Kind::kComplex: return complex(value);
      default: return misfit(value);
    }
  }

  void padded(std::string_view text) {
    size_t width = verb_.width ? static_cast<size_t>(*verb_.width) : 0, size = width > 0 ? count_characters(text) : 0;
    size_t missing = width > size ? width - size : 0;
    char filler = verb_.zero && !verb_.minus ? '0' : ' ';
    if (!verb_.minus) out_.append(missing, filler);
    out_.append(text);
    if (verb_.minus) out_.append(missing, ' ');
  }

 private:
  static constexpr size_t npos = std::u32string_view::npos;

  // %!d(string=x)
  void misfit(const TemplateValue& value) {
    out_.append("%!");
    append_utf8(out_, verb_.letter);
    out_.push_back('(');
    if (value.is_absent()) {
      out_.append("<nil>");
    } else {
      out_.append(go_type(value)).push_back('=');
      Verb plain = verb_;  // with its width and flags, but # does not mean %#v
      plain.letter = 'v';
      plain.sharp = false;
      VerbWriter(out_, plain).value(value, 1);
    }
    out_.push_back(')');
  }

  std::string_view cut(std::string_view text) const {
    if (!verb_.precision) return text;
    size_t at = 0;
    for (int i = 0; i < *verb_.precision && at < text.size(); ++i) take_utf8(text, at);
    return text.substr(0, at);
  }

  void text_value(const TemplateValue& value, std::string_view text) {
    switch (verb_.letter) {
      case 'v':
        if (verb_.sharp) return quoted(text);
        [[fallthrough]];
      case 's': return padded(cut(text));
      case 'q': return quoted(cut(text));
      case 'x':
      case 'X': return hex(text);
      default: return misfit(value);
    }
  }

  void quoted(std::string_view text) {
    std::string out;
    bool raw = verb_.sharp && verb_.letter == 'q' && text.find('`') == text.npos && is_valid_utf8(text) &&
               std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c & 0xe0) != 0; });
    if (raw) {
      out = concat("`", text, "`");
    } else {
      append_go_quoted(out, text, verb_.plus);
    }
    padded(out);
  }

  void hex(std::string_view text) {
    const char* digits = verb_.letter == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
    const char* prefix = verb_.letter == 'x' ? "0x" : "0X";
    if (verb_.precision) text = text.substr(0, static_cast<size_t>(*verb_.precision));
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (verb_.blank && i > 0) out.push_back(' ');
      if (verb_.sharp && (i == 0 || verb_.blank)) out.append(prefix);
      out.push_back(digits[static_cast<unsigned char>(text[i]) >> 4]);
      out.push_back(digits[text[i] & 0xf]);
    }
    padded(out);
  }

  void boolean(const TemplateValue& value) {
    if (verb_.letter != 't' && verb_.letter != 'v') return misfit(value);
    padded(value.as_bool() ? "true" : "false");
  }

  void complex(const TemplateValue& value) {
    std::string out = "(0+";
    append_go_float(out, value.as_number(), 'g', -1);
    if (value.as_number() < 0) out.erase(2, 1);
    padded(out.append("i)"));
  }

  void integer(const TemplateValue& value, int64_t number) {
    switch (verb_.letter) {
      case 'v':
      case 'd': return digits(number, 10, "");
      case 'b': return digits(number, 2, verb_.sharp ? "0b" : "");
      case 'o': return digits(number, 8, verb_.sharp ? "0" : "");
      case 'O': return digits(number, 8, "0o");
      case 'x': return digits(number, 16, verb_.sharp ? "0x" : "");
      case 'X': return digits(number, 16, verb_.sharp ? "0X" : "");
      case 'c': {
        std::string out;
        append_utf8(out, character(number));
        return padded(out);
      }
      case 'q': {
        std::string text, out;
        append_utf8(text, character(number));
        append_go_quoted(out, text, verb_.plus);
        if (text == "\"") out = "\"\"\"";
        if (text == "'") out = "\"\\'\"";
        out.front() = out.back() = '\'';
        return padded(out);
      }
      case 'U': {
        char buffer[24];
        std::snprintf(buffer, sizeof buffer, "U+%04llX", static_cast<unsigned long long>(number));
        std::string out = buffer;
        if (verb_.sharp && number >= 0x20 && number <= 0x10ffff) {
          out += " '";
          append_utf8(out, character(number));
          out += "'";
        }
        return padded(out);
      }
      default: return misfit(value);
    }
  }

  static uint32_t character(int64_t number) {
    return number < 0 || number > 0x10ffff ? 0xfffd : static_cast<uint32_t>(number);
  }

  void digits(int64_t number, unsigned base, std::string_view prefix) {
    const char* all = verb_.letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    uint64_t rest = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::string text;
    bool nothing = verb_.precision && *verb_.precision == 0 && rest == 0;
    for (; rest > 0; rest /= base) text.insert(text.begin(), all[rest % base]);
    if (text.empty() && !nothing) text = "0";
    std::string sign = number < 0 ? "-" : verb_.plus ? "+" : verb_.blank ? " " : "";
    size_t least = verb_.precision ? static_cast<size_t>(*verb_.precision) : 0;
    if (!verb_.precision && verb_.zero && !verb_.minus && verb_.width) {
      least = static_cast<size_t>(*verb_.width) - std::min(static_cast<size_t>(*verb_.width), sign.size());
    }
    if (text.size() < least) text.insert(0, least - text.size(), '0');
    if (base == 8 && prefix == "0" && text.starts_with('0')) prefix = "";
    Verb plain = verb_;
    plain.zero = false;
    if (nothing && verb_.letter != 'O') prefix = "", sign = "";
    VerbWriter(out_, plain).padded(concat(sign, prefix, text));
  }

  void number(const TemplateValue& value, double number) {
    char form = static_cast<char>(verb_.letter);
    int precision = verb_.precision.value_or(-1);
    switch (verb_.letter) {
      case 'v': form = 'g'; break;
      case 'b':
      case 'g':
      case 'G':
      case 'x':
      case 'X': break;
      case 'e':
      case 'E':
      case 'f':
      case 'F': precision = verb_.precision.value_or(6); break;
      default: return misfit(value);
    }
    std::string text;
    append_go_float(text, number, form, precision);
    bool signed_text = text[0] == '-' || text[0] == '+';
    std::string sign = text[0] == '-' ? "-" : verb_.plus ? "+" : verb_.blank ? " " : "";
    if (signed_text) text.erase(0, 1);
    if (std::isinf(number) && number > 0 && !verb_.blank) sign = "+";
    Verb plain = verb_;
    if (!std::isfinite(number)) plain.zero = false;
    if (plain.zero && !plain.minus && plain.width) {  // the sign goes before the zeros
      size_t width = static_cast<size_t>(*plain.width), size = sign.size() + text.size();
      if (size < width) text.insert(0, width - size, '0');
    }
    plain.zero = false;
    VerbWriter(out_, plain).padded(sign + text);
  }

  void list(const TemplateValue& value, int depth) {
    const TemplateList& items = value.as_list();
    bool syntax = verb_.sharp && verb_.letter == 'v';
    if (verb_.letter == 'p') return misfit(value);
    out_.append(syntax ? concat(go_type(value), "{") : "[");
    for (size_t i = 0; i < items.size; ++i) {
      if (i > 0) out_.append(syntax ? ", " : " ");
      element(items.items[i], depth);
    }
    out_.push_back(syntax ? '}' : ']');
  }

  void map(const TemplateValue& value, int depth) {
    const TemplateMap& map = value.as_map();
    bool syntax = verb_.sharp && verb_.letter == 'v';
    out_.append(syntax ? concat(go_type(value), "{") : "map[");
    for (size_t i = 0; i < map.size; ++i) {
      if (i > 0) out_.append(syntax ? ", " : " ");
      element(TemplateValue::text(map.members[i].name), depth);
      out_.push_back(':');
      element(map.members[i].value, depth);
    }
    out_.push_back(syntax ? '}' : ']');
  }

  void element(const TemplateValue& item, int depth) {
    if (out_.size() > kMaxPrintedBytes || depth > kMaxPrintedDepth) return;
    if (item.is_absent()) {
      padded(verb_.sharp && verb_.letter == 'v' ? "interface {}(nil)" : "<nil>");
    } else {
      value(item, depth + 1);
    }
  }

  std::string& out_;
  const Verb& verb_;
};

// Reads the format of Printf and hands out the operands.
class PrintfRun {
 public:
  PrintfRun(std::string& out, std::string_view format, std::span<const TemplateValue> values, size_t limit)
      : out_(out), format_(format), values_(values), limit_(out.size() + limit) {}

  Result<void> run() {
    while (at_ < format_.size()) {
      size_t percent = std::min(format_.find('%', at_), format_.size());
      out_.append(format_, at_, percent - at_);
      at_ = percent + 1;
      if (percent >= format_.size()) break;
      directive();
      if (out_.size() > limit_) return fail(Errc::kOverLimit, "printf writes too much");
    }
    if (!reordered_ && next_ < values_.size()) extra();
    return {};
  }

 private:
  void directive() {
    verb_ = Verb();
    good_index_ = true;
    bool after_index = false;
    flags();
    index(after_index);
    width(after_index);
    precision(after_index);
    if (!after_index) index(after_index);
    if (at_ >= format_.size()) return void(out_.append("%!(NOVERB)"));
    verb_.letter = take_utf8(format_, at_);
    if (verb_.letter == 'v') verb_.plus = false;  // means fields of structures there
    if (verb_.letter == '%') return out_.push_back('%');
    if (!good_index_) return fault("(BADINDEX)");
    if (next_ >= values_.size()) return fault("(MISSING)");
    if (verb_.letter == 'w') return fault("(" + type_and_value(values_[next_++]) + ")");
    VerbWriter(out_, verb_).value(values_[next_++]);
  }

  static std::string type_and_value(const TemplateValue& value) {
    std::string out(go_type(value));
    out.push_back('=');
    append_go_value(out, value);
    return out;
  }

  void fault(std::string_view what) {
    out_.append("%!");
    append_utf8(out_, verb_.letter);
    out_.append(what);
  }

  void flags() {
    for (; at_ < format_.size(); ++at_) {
      switch (format_[at_]) {
        case '#': verb_.sharp = true; break;
        case '0': verb_.zero = true; break;
        case '+': verb_.plus = true; break;
        case '-': verb_.minus = true; break;
        case ' ': verb_.blank = true; break;
        default: return;
      }
    }
  }

  // [3]: the operand that comes next.
  void index(bool& found) {
    found = false;
    if (at_ >= format_.size() || format_[at_] != '[') return;
    reordered_ = true;
    size_t close = format_.find(']', at_);
    if (close == std::string_view::npos) {
      good_index_ = false;
      at_ += 1;
      return;
    }
    auto number = parse_go_integer(format_.substr(at_ + 1, close - at_ - 1), 10);
    at_ = close + 1;
    found = true;
    if (number && *number >= 1 && static_cast<size_t>(*number) <= values_.size()) {
      next_ = static_cast<size_t>(*number) - 1;
    } else {
      good_index_ = false;
    }
  }

  std::optional<int> number() {
    std::optional<int> value;
    for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
      value = value.value_or(0) * 10 + (format_[at_] - '0');
      if (*value > kMaxFormatWidth) return std::nullopt;
    }
    return value;
  }

  // The operand of *.
  std::optional<int> star() {
    ++at_;
    if (next_ >= values_.size()) return std::nullopt;
    const TemplateValue& value = values_[next_++];
    if (!value.is(Kind::kInteger)) return std::nullopt;
    int64_t number = value.as_integer();
    if (number > kMaxFormatWidth || number < -kMaxFormatWidth) return std::nullopt;
    return static_cast<int>(number);
  }

  void width(bool& after_index) {
    if (at_ < format_.size() && format_[at_] == '*') {
      verb_.width = star();
      if (!verb_.width) out_.append("%!(BADWIDTH)");
      if (verb_.width && *verb_.width < 0) verb_.width = -*verb_.width, verb_.minus = true, verb_.zero = false;
      after_index = false;
      return;
    }
    verb_.width = number();
    if (after_index && verb_.width) good_index_ = false;
  }

  void precision(bool& after_index) {
    if (at_ >= format_.size() || format_[at_] != '.') return;
    ++at_;
    if (after_index) good_index_ = false;
    index(after_index);
    if (at_ < format_.size() && format_[at_] == '*') {
      verb_.precision = star();
      if (verb_.precision && *verb_.precision < 0) verb_.precision.reset();
      if (!verb_.precision) out_.append("%!(BADPREC)");
      after_index = false;
      return;
    }
    verb_.precision = number().value_or(0);
  }

  // %!(EXTRA int=1, string=x)
  void extra() {
    out_.append("%!(EXTRA ");
    for (size_t i = next_; i < values_.size(); ++i) {
      if (i > next_) out_.append(", ");
      out_.append(values_[i].is_absent() ? "<nil>" : type_and_value(values_[i]));
    }
    out_.push_back(')');
  }

  std::string& out_;
  std::string_view format_;
  std::span<const TemplateValue> values_;
  const size_t limit_;
  size_t at_ = 0, next_ = 0;
  bool reordered_ = false, good_index_ = true;
  Verb verb_;
};

}  // namespace

void append_go_value(std::string& out, const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kText: return void(out.append(value.as_text()));
    case Kind::kNumber: return append_go_float(out, value.as_number(), 'g', -1);
    default: VerbWriter(out, Verb()).value(value);
  }
}

void append_go_print(std::string& out, std::span<const TemplateValue> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && !values[i].is(Kind::kText) && !values[i - 1].is(Kind::kText)) out.push_back(' ');
    append_go_value(out, values[i]);
  }
}

void append_go_println(std::string& out, std::span<const TemplateValue> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out.push_back(' ');
    append_go_value(out, values[i]);
  }
  out.push_back('\n');
}

Result<void> append_go_printf(std::string& out, std::string_view format, std::span<const TemplateValue> values,
                              size_t limit_bytes) {
  return PrintfRun(out, format, values, limit_bytes).run();
}

}  // namespace pipeline
