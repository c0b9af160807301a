// TemplateMiner: templates of log lines and how often each occurs over time, in one pass.
//
//   user 17 logged in from 10.0.0.1        ->   user <_> logged in from <_>
//   user 4711 logged in from 10.0.0.9
//
// A line is words and the separators between them. Words with a digit are variable from the start. A line joins the
// template of the same form (number of words, separators, first word) with which it shares most words, at least
// kSimilarity of them; words that differ become variable. Lines whose form and words were seen before cost one look-up.
//
// Thread:  one at a time.
// Limits:  kMaxTemplates templates, further lines are counted in left_out(); kMaxWords words of a line are told apart,
//          the rest is one variable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace server {

inline constexpr std::string_view kVariable = "<_>";

// A template with its counts: bucket (a number that rises with time) and lines in it.
struct MinedTemplate {
  std::string text;
  std::map<int64_t, uint64_t> counts;
  uint64_t total() const;
};

class TemplateMiner {
 public:
  static constexpr size_t kMaxTemplates = 1000;
  static constexpr size_t kMaxWords = 100;
  static constexpr double kSimilarity = 0.6;

  TemplateMiner();
  ~TemplateMiner();
  TemplateMiner(TemplateMiner&&) noexcept;
  TemplateMiner& operator=(TemplateMiner&&) noexcept;

  // `line` may be a template itself: <_> is a variable.
  void add(std::string_view line, int64_t bucket, uint64_t count = 1);

  // Equal texts once; the most frequent first. Neighbouring variables are one.
  std::vector<MinedTemplate> templates() const;
  uint64_t left_out() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
