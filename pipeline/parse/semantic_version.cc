#include "pipeline/parse/semantic_version.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "pipeline/parse/go_text.h"

namespace pipeline {

namespace {

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_wildcard(std::string_view part) { return part == "x" || part == "X" || part == "*"; }

// A version of which parts may be missing or wildcards: known[i] says whether numbers[i] was given.
struct PartialVersion {
  SemanticVersion version;
  size_t known = 0;  // parts given, from the left
};

std::optional<PartialVersion> partial(std::string_view text) {
  PartialVersion out;
  if (text.starts_with('v')) text.remove_prefix(1);
  if (size_t plus = text.find('+'); plus != text.npos) {
    out.version.metadata = text.substr(plus + 1);
    text = text.substr(0, plus);
  }
  if (size_t minus = text.find('-'); minus != text.npos) {
    out.version.prerelease = text.substr(minus + 1);
    if (out.version.prerelease.empty()) return std::nullopt;
    text = text.substr(0, minus);
  }
  auto parts = go_text::split(text, ".", -1);
  if (parts.size() > 3) return std::nullopt;
  bool open = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    open = open || is_wildcard(parts[i]);
    if (open) {
      if (!is_wildcard(parts[i])) return std::nullopt;
      continue;
    }
    auto number = number_of(parts[i]);
    if (!number) return std::nullopt;
    out.version.numbers[i] = *number;
    out.known = i + 1;
  }
  return out;
}

// Numbers by size and below texts, part by part (semver.org 11.4).
int compare_prereleases(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty() ? 0 : a.empty() ? 1 : -1;
  auto x = go_text::split(a, ".", -1), y = go_text::split(b, ".", -1);
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    auto m = number_of(x[i]), n = number_of(y[i]);
    if (m.has_value() != n.has_value()) return m ? -1 : 1;
    int by = m ? (*m < *n ? -1 : *m > *n ? 1 : 0) : x[i].compare(y[i]);
    if (by != 0) return by < 0 ? -1 : 1;
  }
  return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
}

// The first version behind all that begin with the first `parts` numbers.
SemanticVersion next_after(const SemanticVersion& version, size_t parts) {
  SemanticVersion out;
  for (size_t i = 0; i < parts; ++i) out.numbers[i] = version.numbers[i];
  ++out.numbers[parts - 1];
  return out;
}

bool in_caret(const SemanticVersion& version, const PartialVersion& limit) {
  if (version.compare(limit.version) < 0) return false;
  size_t fixed = 1;  // the first number that is not 0 may not change
  while (fixed < limit.known && limit.version.numbers[fixed - 1] == 0) ++fixed;
  return version.compare(next_after(limit.version, fixed)) < 0;
}

bool in_tilde(const SemanticVersion& version, const PartialVersion& limit) {
  return version.compare(limit.version) >= 0 &&
         version.compare(next_after(limit.version, std::clamp<size_t>(limit.known, 1, 2))) < 0;
}

// Of a limit with parts missing: any version that begins like it.
bool begins_like(const SemanticVersion& version, const PartialVersion& limit) {
  if (limit.known == 3) return version.compare(limit.version) == 0;
  return std::equal(version.numbers.begin(), version.numbers.begin() + static_cast<std::ptrdiff_t>(limit.known),
                    limit.version.numbers.begin());
}

Result<Fit> fit_one(std::string_view sign, std::string_view text, const SemanticVersion& version) {
  auto limit = partial(text);
  if (!limit) return fail(Errc::kInvalid, concat("improper constraint: ", sign, text));
  bool holds = false;
  if (limit->known == 0 && sign != "!=") {
    holds = true;  // any
  } else if (!version.prerelease.empty() && limit->version.prerelease.empty()) {
    holds = false;
  } else if (sign.empty() || sign == "=") {
    holds = begins_like(version, *limit);
  } else if (sign == "!=") {
    holds = !begins_like(version, *limit);
  } else if (sign == ">") {
    holds = version.compare(limit->version) > 0 && !begins_like(version, *limit);
  } else if (sign == "<") {
    holds = version.compare(limit->version) < 0;
  } else if (sign == ">=" || sign == "=>") {
    holds = version.compare(limit->version) >= 0;
  } else if (sign == "<=" || sign == "=<") {
    holds = version.compare(limit->version) <= 0 || begins_like(version, *limit);
  } else if (sign == "^") {
    holds = in_caret(version, *limit);
  } else {
    holds = in_tilde(version, *limit);
  }
  return holds ? Fit::kYes : Fit::kNo;
}

// What is joined by and: "1.2 - 1.4", ">= 1.2, <2".
Result<Fit> fit_all(std::string_view text, const SemanticVersion& version) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    size_t begin = text.find_first_not_of(" ,\t", at);
    if (begin == text.npos) break;
    at = std::min(text.find_first_of(" ,\t", begin), text.size());
    words.push_back(text.substr(begin, at - begin));
  }
  if (words.empty()) return fail(Errc::kInvalid, concat("improper constraint: ", text));
  if (words.size() == 3 && words[1] == "-") {
    TRY_LET(Fit above, fit_one(">=", words[0], version));
    TRY_LET(Fit below, fit_one("<=", words[2], version));
    return above == Fit::kYes ? below : above;
  }
  Fit all = Fit::kYes;
  for (size_t i = 0; i < words.size(); ++i) {
    size_t size = std::min(words[i].find_first_not_of("<>=!~^"), words[i].size());
    std::string_view sign = words[i].substr(0, size), rest = words[i].substr(size);
    if (rest.empty() && i + 1 < words.size()) rest = words[++i];  // ">= 1.2"
    constexpr std::string_view kSigns[] = {"", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"};
    if (std::find(std::begin(kSigns), std::end(kSigns), sign) == std::end(kSigns)) {
      return fail(Errc::kInvalid, concat("improper constraint: ", text));
    }
    TRY_LET(Fit one, fit_one(sign, rest, version));
    if (one == Fit::kNo) all = one;
  }
  return all;
}

}  // namespace

Result<SemanticVersion> SemanticVersion::parse(std::string_view text) {
  auto out = partial(text);
  bool wild = text.substr(0, text.find_first_of("-+")).find_first_of("xX*") != std::string_view::npos;
  if (!out || out->known == 0 || wild) return fail(Errc::kInvalid, "Invalid Semantic Version");
  return std::move(out->version);
}

int SemanticVersion::compare(const SemanticVersion& other) const {
  if (numbers != other.numbers) return numbers < other.numbers ? -1 : 1;
  return compare_prereleases(prerelease, other.prerelease);
}

std::string SemanticVersion::text() const {
  return concat(numbers[0], ".", numbers[1], ".", numbers[2], prerelease.empty() ? "" : "-", prerelease,
                metadata.empty() ? "" : "+", metadata);
}

Result<Fit> fit_version(std::string_view range, const SemanticVersion& version) {
  Fit any = Fit::kNo;
  for (std::string_view part : go_text::split(range, "||", -1)) {
    TRY_LET(Fit one, fit_all(part, version));
    if (one == Fit::kYes) any = one;
  }
  return any;
}

}  // namespace pipeline
