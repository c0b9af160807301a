// Regular expressions: the first line is the expression, the rest the text. The matcher of our own finds what RE2
// finds, group by group, or gives up.
#include <re2/re2.h>
#include <vector>

#include "pipeline/match/path_matcher.h"
#include "pipeline/model/quoted_text.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

// The packaged RE2 forgets the other case of a letter in some alternations (a|(?i:a)): no judge there.
bool folds_case(std::string_view pattern) {
  for (size_t at = pattern.find("(?"); at != std::string_view::npos; at = pattern.find("(?", at + 1)) {
    std::string_view flags = pattern.substr(at, pattern.find_first_of(":)<", at) - at);
    if (flags.find('i') != std::string_view::npos) return true;
  }
  return false;
}

void compare(PathMatcher::Verdict verdict, const std::vector<std::string_view>& groups, const RE2& judge,
             std::string_view text, RE2::Anchor anchor) {
  if (verdict == PathMatcher::Verdict::kGaveUp) return;
  std::vector<re2::StringPiece> others(groups.size());
  bool found =
      judge.Match({text.data(), text.size()}, 0, text.size(), anchor, others.data(), static_cast<int>(others.size()));
  fuzz::demand(found == (verdict == PathMatcher::Verdict::kYes), "the same texts match");
  for (size_t i = 0; found && i < groups.size(); ++i) {
    fuzz::demand(groups[i].data() == others[i].data() && groups[i].size() == others[i].size(), "the same groups");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size), pattern = fuzz::first_line(rest);
  if (!is_valid_utf8(pattern) || !is_valid_utf8(rest) || folds_case(pattern)) return 0;
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  RE2 judge({pattern.data(), pattern.size()}, options);
  if (!judge.ok()) return 0;
  auto path = PathMatcher::compile(pattern, false);
  if (!path) return 0;
  std::vector<std::string_view> groups(static_cast<size_t>(judge.NumberOfCapturingGroups()) + 1);
  auto verdict = path->find(rest, groups);
  compare(verdict, groups, judge, rest, RE2::UNANCHORED);
  verdict = path->full_find(rest, groups);
  compare(verdict, groups, judge, rest, RE2::ANCHOR_BOTH);
  return 0;
}
