#include "pipeline/match/regex.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <re2/re2.h>

#include "pipeline/match/literal_search.h"
#include "pipeline/match/path_matcher.h"
#include "pipeline/match/regex_literals.h"
#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

// The second only for expressions that do not fit the first: RE2 lets the cache of its automaton grow as far, too.
constexpr int64_t kUsualBytes = 8 << 20, kMostBytes = 64 << 20;

// Texts looked for before an expression with groups is run: each costs a pass over the line.
constexpr size_t kMostNeeded = 4;

std::string_view go_reason(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repeat count";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
  }
}

// RE2 takes names of other letters than ASCII ones, Go does not. `rest` begins with (?P< or (?<.
Result<void> check_name(std::string_view rest) {
  std::string_view group = rest.substr(0, rest.find('>') + 1);  // empty: not closed, RE2 tells
  auto is_high = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::none_of(group.begin(), group.end(), is_high)) return {};
  return fail(Errc::kInvalid, concat("error parsing regexp: invalid named capture: `", group, "`"));
}

// RE2 of 2022 knows (?P<n>..) only; Go also (?<n>..). Leaves escapes, \Q..\E and classes alone. kInvalid for what RE2
// knows and Go does not.
Result<std::string> with_go_names(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    std::string_view rest = pattern.substr(i);
    if (rest.starts_with("\\Q") && !in_class) {
      size_t end = std::min(rest.find("\\E", 2), rest.size() - 1);
      out.append(rest.substr(0, end + 1));
      i += end;
    } else if (rest.starts_with("\\C")) {
      return fail(Errc::kInvalid, "error parsing regexp: invalid escape sequence: `\\C`");
    } else if (rest[0] == '\\') {
      out.append(rest.substr(0, 2));
      ++i;
    } else if (!in_class && rest.starts_with("(?P<")) {
      TRY(check_name(rest));
      out.append("(?P<");
      i += 3;
    } else if (!in_class && rest.starts_with("(?<")) {
      TRY(check_name(rest));
      out.append("(?P<");
      i += 2;
    } else {
      if (rest[0] == '[' && !in_class) {
        in_class = true;
        size_t skip = 1 + static_cast<size_t>(rest.substr(1).starts_with("^"));
        if (rest.substr(skip).starts_with("]")) ++skip;  // a ] that stands first is plain
        out.append(rest.substr(0, skip));
        i += skip - 1;
        continue;
      }
      if (rest[0] == ']') in_class = false;
      out.push_back(rest[0]);
    }
  }
  return out;
}

// Looking for groups, RE2 keeps the begin and the end of each for every place of the program where a match may be.
bool has_room_for_groups(const RE2& re2) {
  const auto groups = static_cast<int64_t>(re2.NumberOfCapturingGroups()) + 1;
  return groups == 1 || groups * re2.ProgramSize() * static_cast<int64_t>(2 * sizeof(char*)) <= kMostBytes;
}

// A piece of what with_go_names() made as it stands in `pattern`.
std::string as_written(std::string piece, std::string_view pattern) {
  if (pattern.find(piece) != std::string_view::npos) return piece;
  for (size_t at = 0; (at = piece.find("(?P<", at)) != std::string::npos; at += 3) piece.erase(at + 2, 1);
  return piece;
}

bool is_ascii(std::string_view text) {
  unsigned char seen = 0;
  for (char c : text) seen |= static_cast<unsigned char>(c);  // vectorised by the compiler
  return seen < 0x80;
}

// `text` with every bad byte as U+FFFD, and where each byte came from.
struct Mended {
  std::string text;
  std::vector<size_t> source;  // text.size() + 1 positions in the original

  explicit Mended(std::string_view original) {
    for (size_t at = 0; at < original.size();) {
      size_t begin = at;
      uint32_t code = take_utf8(original, at);
      size_t size = text.size();
      append_utf8(text, code);
      for (size_t k = size; k < text.size(); ++k) source.push_back(begin + (at - begin > 1 ? k - size : 0));
    }
    source.push_back(original.size());
  }

  // Groups that look into `text` made to look into the original.
  void translate(std::string_view original, std::span<std::string_view> groups) const {
    for (std::string_view& group : groups) {
      if (group.data() == nullptr) continue;
      auto begin = static_cast<size_t>(group.data() - text.data());
      group = original.substr(source[begin], source[begin + group.size()] - source[begin]);
    }
  }
};

}  // namespace

// Whether PathMatcher is worth trying: where it gives up time and again it is left out for most texts.
class Trust {
 public:
  bool is_given() {
    int doubt = doubt_.load(std::memory_order_relaxed);
    if (doubt < kMostDoubt) return true;
    doubt_.store(doubt - 1, std::memory_order_relaxed);
    return false;
  }
  void disappoint() { doubt_.fetch_add(kDisappointment, std::memory_order_relaxed); }
  void confirm() {
    if (int doubt = doubt_.load(std::memory_order_relaxed); doubt > 0) {
      doubt_.store(doubt - 1, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr int kDisappointment = 16, kMostDoubt = 256;  // at most one text in 17 is tried in vain
  std::atomic<int> doubt_{0};
};

struct Regex::Program {
  std::string pattern;
  std::unique_ptr<RE2> re2;
  std::optional<PathMatcher> path;
  std::vector<std::string> names;
  RegexLiterals literals;
  std::vector<LiteralSearcher> needed;  // one of them is in every match; empty where it does not pay to look
  mutable Trust trust;                  // any thread

  bool search(std::string_view text, RE2::Anchor anchor, std::span<std::string_view> groups, size_t from = 0) const {
    text = searchable(text);
    if (is_ascii(text) || is_valid_utf8(text)) return search_utf8(text, anchor, groups, from);
    Mended mended(text);
    auto mended_from = std::lower_bound(mended.source.begin(), mended.source.end(), from) - mended.source.begin();
    if (!search_utf8(mended.text, anchor, groups, static_cast<size_t>(mended_from))) return false;
    mended.translate(text, groups);
    return true;
  }

  void each_match(std::string_view text, const Visit& visit) const {
    text = searchable(text);
    if (is_ascii(text) || is_valid_utf8(text)) return each_match_utf8(text, visit);
    Mended mended(text);
    std::vector<std::string_view> translated;
    each_match_utf8(mended.text, [&](std::span<const std::string_view> groups) {
      translated.assign(groups.begin(), groups.end());
      mended.translate(text, translated);
      return visit(translated);
    });
  }

 private:
  static constexpr size_t kUsualGroups = 16;

  void each_match_utf8(std::string_view text, const Visit& visit) const {
    std::vector<std::string_view> groups(names.size());
    size_t last_end = std::string_view::npos;
    for (size_t at = 0; at <= text.size();) {
      if (!search_utf8(text, RE2::UNANCHORED, groups, at)) return;
      auto begin = static_cast<size_t>(groups[0].data() - text.data());
      size_t end = begin + groups[0].size();
      bool counts = begin != end || begin != last_end;
      at = end;
      if (begin == end) at < text.size() ? void(take_utf8(text, at)) : void(++at);
      last_end = end;
      if (counts && !visit(groups)) return;
    }
  }

  bool search_utf8(std::string_view text, RE2::Anchor anchor, std::span<std::string_view> groups, size_t from) const {
    size_t count = std::min(groups.size(), names.size());
    if (!search_known(text, anchor, groups.first(count), from)) return false;
    for (std::string_view& group : groups.subspan(count)) group = {};
    return true;
  }

  bool search_known(std::string_view text, RE2::Anchor anchor, std::span<std::string_view> groups, size_t from) const {
    if (!needed.empty() && !groups.empty() && anchor == RE2::UNANCHORED) {
      auto is_in = [&](const LiteralSearcher& literal) { return literal.find(text, from) != LiteralSearcher::npos; };
      if (std::none_of(needed.begin(), needed.end(), is_in)) return false;
    }
    if (path && trust.is_given()) {
      auto verdict = anchor == RE2::UNANCHORED ? path->find(text, groups, from) : path->full_find(text, groups);
      if (verdict != PathMatcher::Verdict::kGaveUp) {
        trust.confirm();
        return verdict == PathMatcher::Verdict::kYes;
      }
      trust.disappoint();
    }
    return search_by_re2(text, anchor, groups, from);
  }

  bool search_by_re2(std::string_view text, RE2::Anchor anchor, std::span<std::string_view> groups, size_t from) const {
    re2::StringPiece piece(text.data(), text.size());
    if (groups.empty()) return re2->Match(piece, from, text.size(), anchor, nullptr, 0);
    std::array<re2::StringPiece, kUsualGroups> usual;
    std::vector<re2::StringPiece> many;
    re2::StringPiece* found = usual.data();
    if (groups.size() > kUsualGroups) many.resize(groups.size()), found = many.data();
    if (!re2->Match(piece, from, text.size(), anchor, found, static_cast<int>(groups.size()))) return false;
    for (size_t i = 0; i < groups.size(); ++i) groups[i] = {found[i].data(), found[i].size()};
    return true;
  }
};

Result<Regex> Regex::compile(std::string_view pattern, Dot dot) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kUsualBytes);
  options.set_dot_nl(dot == Dot::kAny);
  auto program = std::make_shared<Program>();
  program->pattern = pattern;
  TRY_LET(const std::string translated, with_go_names(pattern));
  program->re2 = std::make_unique<RE2>(translated, options);
  if (program->re2->error_code() == RE2::ErrorPatternTooLarge) {
    options.set_max_mem(kMostBytes);
    program->re2 = std::make_unique<RE2>(translated, options);
  }
  const RE2& re2 = *program->re2;
  if (!re2.ok()) {
    bool names_none = re2.error_code() == RE2::ErrorTrailingBackslash;
    const std::string fragment =
        re2.error_arg().empty() && !names_none ? std::string(pattern) : as_written(re2.error_arg(), pattern);
    return fail(Errc::kInvalid, concat("error parsing regexp: ", go_reason(re2.error_code()), ": `", fragment, "`"));
  }
  if (!has_room_for_groups(re2))
    return fail(Errc::kInvalid, concat("error parsing regexp: expression too large: `", pattern, "`"));
  program->names.resize(static_cast<size_t>(re2.NumberOfCapturingGroups()) + 1);
  for (const auto& [index, name] : re2.CapturingGroupNames()) program->names[static_cast<size_t>(index)] = name;
  program->literals = find_literals(pattern);
  program->path = PathMatcher::compile(pattern, dot == Dot::kAny);
  if (program->literals.required.size() <= kMostNeeded && !(program->path && program->path->fails_fast())) {
    for (const RequiredLiteral& literal : program->literals.required) {
      program->needed.emplace_back(literal.text, literal.ignore_case ? Case::kIgnoreAscii : Case::kExact);
    }
  }
  return Regex(std::move(program));
}

const std::string& Regex::pattern() const { return program_->pattern; }
const std::vector<std::string>& Regex::group_names() const { return program_->names; }
const std::vector<RequiredLiteral>& Regex::required_literals() const { return program_->literals.required; }
bool Regex::is_literals_only() const { return program_->literals.decides; }
const std::vector<std::string>& Regex::literal_values() const { return program_->literals.values; }

bool Regex::full_match(std::string_view text) const { return program_->search(text, RE2::ANCHOR_BOTH, {}); }
bool Regex::partial_match(std::string_view text) const { return program_->search(text, RE2::UNANCHORED, {}); }
bool Regex::find(std::string_view text, std::span<std::string_view> groups, size_t from) const {
  return from <= text.size() && program_->search(text, RE2::UNANCHORED, groups, from);
}
bool Regex::full_find(std::string_view text, std::span<std::string_view> groups) const {
  return program_->search(text, RE2::ANCHOR_BOTH, groups);
}

void Regex::each_match(std::string_view text, const Visit& visit) const { program_->each_match(text, visit); }

namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The name behind the $ that ends at `at`; moves behind it. Empty: malformed.
std::string_view take_reference(std::string_view form, size_t& at) {
  size_t i = at;
  bool braced = i < form.size() && form[i] == '{';
  if (braced) ++i;
  size_t begin = i;
  while (i < form.size() && is_word(form[i])) ++i;
  std::string_view name = form.substr(begin, i - begin);
  if (name.empty() || (braced && (i >= form.size() || form[i] != '}'))) return {};
  at = i + static_cast<size_t>(braced);
  return name;
}

}  // namespace

void Regex::expand(std::string& out, std::string_view form, std::span<const std::string_view> groups) const {
  for (size_t at = 0; at < form.size();) {
    size_t dollar = std::min(form.find('$', at), form.size());
    out.append(form.substr(at, dollar - at));
    at = dollar + 1;
    if (at > form.size()) return;
    if (at < form.size() && form[at] == '$') {
      out.push_back('$');
      ++at;
      continue;
    }
    std::string_view name = take_reference(form, at);
    if (name.empty()) {
      out.push_back('$');
      continue;
    }
    bool numeric = name.size() <= 8 && (name.size() == 1 || name[0] != '0') &&
                   std::all_of(name.begin(), name.end(), [](char c) { return c <= '9'; });
    const std::vector<std::string>& names = group_names();
    size_t index = names.size();
    if (numeric) {
      index = static_cast<size_t>(std::atoi(std::string(name).c_str()));
    } else {
      // As Go: of groups with one name the first that took part.
      for (size_t i = 1; i < names.size() && i < groups.size(); ++i) {
        if (names[i] == name && groups[i].data() != nullptr) {
          index = i;
          break;
        }
      }
    }
    if (index < groups.size()) out.append(groups[index]);
  }
}

}  // namespace pipeline
