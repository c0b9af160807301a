#include "pipeline/match/glob.h"

#include <algorithm>
#include <optional>

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

constexpr size_t kMaxAlternatives = 4096;

Error syntax_error(std::string_view pattern) {
  return {Errc::kInvalid, concat("syntax error in pattern \"", pattern, "\"")};
}

// The end of the class that begins at text[at] == '[', behind its ]; nothing: malformed.
std::optional<size_t> class_end(std::string_view text, size_t at) {
  ++at;
  if (at < text.size() && (text[at] == '^' || text[at] == '!')) ++at;
  if (at < text.size() && text[at] == ']') return std::nullopt;  // an empty class
  for (; at < text.size() && text[at] != ']'; ++at) {
    if (text[at] == '\\') ++at;
  }
  if (at >= text.size()) return std::nullopt;
  return at + 1;
}

// The end of the piece at text[at]: an escape, a class, or one byte.
std::optional<size_t> piece_end(std::string_view text, size_t at) {
  if (text[at] == '[') return class_end(text, at);
  if (text[at] != '\\') return at + 1;
  return at + 1 < text.size() ? std::optional(at + 2) : std::nullopt;
}

// The first {...} of `pattern`: where it begins, ends (behind the brace) and its comma-separated parts.
struct Braces {
  size_t begin = std::string_view::npos, end = 0;
  std::vector<std::string_view> parts;
};

Result<Braces> find_braces(std::string_view pattern) {
  Braces out;
  size_t depth = 0, part = 0;
  for (size_t at = 0; at < pattern.size();) {
    char c = pattern[at];
    auto next = piece_end(pattern, at);
    if (!next) return fail(syntax_error(pattern));
    if (c == '{' && depth++ == 0) out.begin = at, part = at + 1;
    if (c == '}' && depth == 0) return fail(syntax_error(pattern));
    bool closes = c == '}' && --depth == 0;
    if (closes || (c == ',' && depth == 1)) out.parts.push_back(pattern.substr(part, at - part)), part = at + 1;
    at = *next;
    if (closes) {
      out.end = at;
      return out;
    }
  }
  if (depth > 0) return fail(syntax_error(pattern));
  return out;
}

Result<void> expand_braces(const std::string& pattern, std::vector<std::string>& out) {
  TRY_LET(auto braces, find_braces(pattern));
  if (braces.begin == std::string_view::npos) {
    if (out.size() >= kMaxAlternatives)
      return fail(Errc::kInvalid, concat("pattern \"", pattern, "\": too many alternatives"));
    out.push_back(pattern);
    return {};
  }
  std::string_view before = std::string_view(pattern).substr(0, braces.begin);
  std::string_view after = std::string_view(pattern).substr(braces.end);
  for (std::string_view part : braces.parts) TRY(expand_braces(concat(before, part, after), out));
  return {};
}

bool in_class(std::string_view set, uint32_t code) {  // `set` without brackets
  size_t at = 0;
  bool negative = set[0] == '^' || set[0] == '!';
  if (negative) ++at;
  auto take = [&] {
    if (set[at] == '\\' && at + 1 < set.size()) ++at;
    return take_utf8(set, at);
  };
  bool found = false;
  while (at < set.size() && !found) {
    uint32_t first = take(), last = first;
    if (at + 1 < set.size() && set[at] == '-') ++at, last = take();
    found = code >= first && code <= last;
  }
  return found != negative;
}

// One step of `pattern` (not *) against the character at name[at]; moves both on success.
bool match_one(std::string_view pattern, size_t& p, std::string_view name, size_t& n) {
  size_t p_next = p, n_next = n;
  if (pattern[p] == '?') {
    ++p_next;
    take_utf8(name, n_next);
  } else if (pattern[p] == '[') {
    p_next = *class_end(pattern, p);
    if (!in_class(pattern.substr(p + 1, p_next - p - 2), take_utf8(name, n_next))) return false;
  } else {
    if (pattern[p] == '\\') ++p_next;
    if (pattern[p_next++] != name[n_next++]) return false;
  }
  p = p_next, n = n_next;
  return true;
}

// Within one component. A failure goes back to the last * and lets it take one more byte.
bool match_component(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, star_n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, star_n = n;
    } else if (p < pattern.size() && match_one(pattern, p, name, n)) {
      continue;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++star_n;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// The name a component without special characters stands for.
std::optional<std::string> literal_name(std::string_view component) {
  std::string name;
  for (size_t at = 0; at < component.size(); ++at) {
    char c = component[at];
    if (c == '*' || c == '?' || c == '[') return std::nullopt;
    if (c == '\\') ++at;
    name.push_back(component[at]);
  }
  return name;
}

// The next component of `path` and what follows its slash; at_end: there is none.
std::string_view take_component(std::string_view& path, bool& at_end) {
  size_t slash = path.find('/');
  std::string_view component = path.substr(0, slash);
  at_end = slash == std::string_view::npos;
  path = at_end ? std::string_view() : path.substr(slash + 1);
  return component;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> kept;
  bool rooted = path.starts_with('/');
  for (bool at_end = false; !at_end;) {
    std::string_view component = take_component(path, at_end);
    if (component.empty() || component == ".") continue;
    if (component == ".." && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (component != ".." || !rooted) {
      kept.push_back(component);
    }
  }
  std::string out;
  if (rooted) out.push_back('/');
  for (std::string_view component : kept) {
    if (!out.empty() && out.back() != '/') out.push_back('/');
    out.append(component);
  }
  if (out.empty()) out.push_back('.');
  return out;
}

Result<Glob> Glob::compile(std::string_view pattern) {
  Glob glob;
  glob.pattern_ = clean_path(pattern);
  std::vector<std::string> expanded;
  TRY(expand_braces(glob.pattern_, expanded));
  for (const std::string& alternative : expanded) {
    Path path;
    std::string_view rest = alternative;
    for (bool at_end = false; !at_end;) {
      std::string_view text = take_component(rest, at_end);
      for (size_t at = 0; at < text.size();) {
        auto next = piece_end(text, at);
        if (!next) return fail(syntax_error(pattern));
        at = *next;
      }
      auto name = literal_name(text);
      path.push_back(
          {.any_folders = text == "**", .literal = name.has_value(), .text = name.value_or(std::string(text))});
    }
    glob.alternatives_.push_back(std::move(path));
  }

  // The literal folders that all alternatives share; the last component is a name, not a folder.
  const Path& first = glob.alternatives_.front();
  size_t shared = first.size() - 1;
  for (const Path& path : glob.alternatives_) {
    size_t same = 0;
    while (same < std::min(shared, path.size() - 1) && path[same].literal && first[same].literal &&
           path[same].text == first[same].text) {
      ++same;
    }
    shared = same;
  }
  for (size_t i = 0; i < shared; ++i) {
    if (i > 0) glob.folder_.push_back('/');
    glob.folder_.append(first[i].text);
  }
  if (glob.folder_.empty()) glob.folder_.push_back(shared > 0 ? '/' : '.');
  glob.literal_ = glob.alternatives_.size() == 1 &&
                  std::all_of(first.begin(), first.end(), [](const Component& c) { return c.literal; });
  return glob;
}

bool Glob::matches_from(const Path& pattern, size_t component, std::string_view path, AtEnd end) {
  for (bool at_end = false; component < pattern.size(); ++component) {
    const Component& wanted = pattern[component];
    if (wanted.any_folders) {
      if (component + 1 == pattern.size()) return true;
      for (std::string_view rest = path; !at_end; take_component(rest, at_end)) {
        if (matches_from(pattern, component + 1, rest, end)) return true;
      }
      return false;
    }
    if (at_end) {  // the path is used up: only ** may follow
      return false;
    }
    std::string_view name = take_component(path, at_end);
    if (wanted.literal ? name != wanted.text : !match_component(wanted.text, name)) return false;
    if (at_end) {
      ++component;
      while (end == AtEnd::kMaybeNothing && component < pattern.size() && pattern[component].any_folders) ++component;
      return component == pattern.size();
    }
  }
  return false;  // the path goes on
}

bool Glob::matches(std::string_view path) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Path& pattern) { return matches_from(pattern, 0, path, AtEnd::kSomething); });
}

bool Glob::fits(std::string_view path) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Path& pattern) { return matches_from(pattern, 0, path, AtEnd::kMaybeNothing); });
}

bool Glob::may_match_below(std::string_view folder) const {
  if (folder == "/") folder = "";
  for (const Path& pattern : alternatives_) {
    std::string_view rest = folder;
    size_t i = 0;
    for (bool at_end = false; i < pattern.size(); ++i) {
      if (pattern[i].any_folders) return true;
      std::string_view name = take_component(rest, at_end);
      if (pattern[i].literal ? name != pattern[i].text : !match_component(pattern[i].text, name)) break;
      if (at_end) {
        if (i + 1 < pattern.size()) return true;
        break;
      }
    }
  }
  return false;
}

}  // namespace pipeline
