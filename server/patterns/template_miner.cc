#include "server/patterns/template_miner.h"

#include <algorithm>
#include <array>
#include <deque>

#include "pipeline/base/hash.h"

namespace server {

namespace {

constexpr size_t kMaxKnownForms = 1 << 15;  // bounds the memory of lines that are all different
constexpr size_t kMaxCandidates = 64;       // templates of one form that a line is compared with

// What stands between words; everything else makes words.
constexpr std::array<bool, 256> kSeparators = [] {
  std::array<bool, 256> table{};
  for (char c : std::string_view(" \t\r\n=,;\"'()[]{}<>|&?")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_separator(char c) { return kSeparators[static_cast<unsigned char>(c)]; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A line taken apart. before[i] stands before words[i]; `after` ends the line. A variable is an empty word.
struct Words {
  std::vector<std::string_view> before, words;
  std::string_view after;

  void split(std::string_view line) {
    before.clear(), words.clear(), after = {};
    size_t at = 0;
    for (;;) {
      const size_t gap = at;
      while (at < line.size() && separates(line, gap, at) && !is_variable(line, at)) ++at;
      const std::string_view separators = line.substr(gap, at - gap);
      if (at == line.size()) {
        after = separators;
        return;
      }
      before.push_back(separators);
      if (words.size() + 1 == TemplateMiner::kMaxWords) {
        words.emplace_back();  // the rest
        return;
      }
      words.push_back(take_word(line, at));
    }
  }

  // What two lines must have in common to be compared.
  uint64_t form() const {
    uint64_t hash = pipeline::hash64(after, words.size());
    for (std::string_view text : before) hash = pipeline::hash64(text, hash);
    return words.empty() ? hash : pipeline::hash64(words[0], hash);
  }
  uint64_t identity(uint64_t form) const {
    for (std::string_view word : words) form = pipeline::hash64(word, form);
    return form;
  }

 private:
  // A colon behind another separator is one too: "id":17.
  static bool separates(std::string_view line, size_t gap, size_t at) {
    return is_separator(line[at]) || (line[at] == ':' && at > gap);
  }
  static bool is_variable(std::string_view line, size_t at) { return line.substr(at, 3) == kVariable; }

  // Empty where it is variable.
  static std::string_view take_word(std::string_view line, size_t& at) {
    if (is_variable(line, at)) {
      at += 3;
      return {};
    }
    const size_t begin = at;
    bool digit = false;
    for (; at < line.size() && !is_separator(line[at]); ++at) digit = digit || is_digit(line[at]);
    return digit ? std::string_view() : line.substr(begin, at - begin);
  }
};

struct Template {
  std::vector<std::string> before, words;
  std::string after;
  std::unordered_map<int64_t, uint64_t> counts;
  int64_t last_bucket = 0;  // lines come in the order of time, nearly always
  uint64_t* last_count = nullptr;

  explicit Template(const Words& line)
      : before(line.before.begin(), line.before.end()),
        words(line.words.begin(), line.words.end()),
        after(line.after) {}

  void count(int64_t bucket, uint64_t lines) {
    if (last_count == nullptr || bucket != last_bucket) {
      last_count = &counts[bucket];  // elements of an unordered_map stay where they are
      last_bucket = bucket;
    }
    *last_count += lines;
  }

  double similarity(const Words& line) const {
    size_t same = 0;
    for (size_t i = 0; i < words.size(); ++i) same += words[i] == line.words[i];
    return words.empty() ? 1 : static_cast<double>(same) / static_cast<double>(words.size());
  }

  void generalise(const Words& line) {
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] != line.words[i]) words[i].clear();
  }

  // Variables with nothing or blanks between them are one.
  std::string text() const {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
      const bool joins =
          i > 0 && words[i].empty() && words[i - 1].empty() && before[i].find_first_not_of(' ') == std::string::npos;
      if (joins) continue;
      out += before[i];
      out += words[i].empty() ? kVariable : std::string_view(words[i]);
    }
    return out + after;
  }
};

}  // namespace

uint64_t MinedTemplate::total() const {
  uint64_t sum = 0;
  for (const auto& [bucket, count] : counts) sum += count;
  return sum;
}

struct TemplateMiner::State {
  std::deque<Template> templates;                              // stable addresses
  std::unordered_map<uint64_t, Template*> known;               // by Words::identity
  std::unordered_map<uint64_t, std::vector<Template*>> forms;  // by Words::form
  uint64_t left_out = 0;
  Words line;  // scratch

  // nullptr: there are too many.
  Template* find() {
    const uint64_t form = line.form(), identity = line.identity(form);
    if (auto at = known.find(identity); at != known.end()) return at->second;
    Template* found = most_similar(forms[form]);
    if (found != nullptr) {
      found->generalise(line);
    } else if (templates.size() < kMaxTemplates) {
      found = &templates.emplace_back(line);
      forms[form].push_back(found);
    }
    if (known.size() >= kMaxKnownForms) known.clear();
    known.emplace(identity, found);
    return found;
  }

  Template* most_similar(const std::vector<Template*>& candidates) const {
    Template* best = nullptr;
    double most = 0;
    for (Template* candidate : candidates) {
      const double similarity = candidate->similarity(line);
      if (similarity > most) best = candidate, most = similarity;
    }
    return most >= kSimilarity || (best != nullptr && candidates.size() >= kMaxCandidates) ? best : nullptr;
  }
};

TemplateMiner::TemplateMiner() : state_(std::make_unique<State>()) {}
TemplateMiner::~TemplateMiner() = default;
TemplateMiner::TemplateMiner(TemplateMiner&&) noexcept = default;
TemplateMiner& TemplateMiner::operator=(TemplateMiner&&) noexcept = default;

void TemplateMiner::add(std::string_view line, int64_t bucket, uint64_t count) {
  state_->line.split(line);
  if (Template* found = state_->find()) {
    found->count(bucket, count);
  } else {
    state_->left_out += count;
  }
}

uint64_t TemplateMiner::left_out() const { return state_->left_out; }

std::vector<MinedTemplate> TemplateMiner::templates() const {
  std::map<std::string, std::map<int64_t, uint64_t>> by_text;
  for (const Template& one : state_->templates) {
    auto& counts = by_text[one.text()];
    for (const auto& [bucket, count] : one.counts) counts[bucket] += count;
  }
  std::vector<MinedTemplate> out;
  for (auto& [text, counts] : by_text) out.push_back({text, std::move(counts)});
  std::stable_sort(out.begin(), out.end(),
                   [](const MinedTemplate& a, const MinedTemplate& b) { return a.total() > b.total(); });
  return out;
}

}  // namespace server
