#include "pipeline/match/path_matcher.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace pipeline {

namespace {

using Op = PathStep::Op;
using Verdict = PathMatcher::Verdict;

constexpr size_t kMaxPlaces = 256;  // to come back to; more are RE2's work

size_t character_bytes(char first) {
  auto byte = static_cast<uint8_t>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// One search in one text.
template <bool kWithGroups>
class Walk {
 public:
  Walk(const PathProgram& program, std::string_view text, size_t group_count)
      : program_(program),
        slot_count_(2 * group_count),
        begin_(text.data()),
        end_(text.data() + text.size()),
        work_(static_cast<int64_t>(kWithGroups ? 8 * text.size() + 512 : 2 * text.size() + 256)) {}

  // For matches that begin at `start` or later.
  Verdict search(const char* start) {
    if (program_.begins_at_text) return start == begin_ ? from(begin_) : Verdict::kNo;
    for (;;) {
      start = next_start(start);
      if (start == end_ && !program_.first[kAtEnd]) return Verdict::kNo;
      Verdict verdict = from(start);
      if (verdict != Verdict::kNo) return verdict;
      // What an unlimited run at the beginning could not make match from here, it cannot from inside the run.
      if (program_.leading) start = program_.classes[*program_.leading].run.skip(begin_, start, end_);
      if (start == end_) return Verdict::kNo;
      start += character_bytes(*start);
    }
  }

  void fill(std::span<std::string_view> groups) const {
    if (groups.empty()) return;
    groups[0] = {match_begin_, static_cast<size_t>(match_end_ - match_begin_)};
    for (size_t g = 1; g < groups.size(); ++g) {
      const char *begin = slots_[2 * g], *end = slots_[2 * g + 1];
      groups[g] = begin == nullptr || end == nullptr ? std::string_view()
                                                     : std::string_view(begin, static_cast<size_t>(end - begin));
    }
  }

 private:
  // A way not taken yet, or what a slot held.
  struct Place {
    enum class Kind : uint8_t { kWay, kSlot, kGreedy, kLazy };
    Kind kind;
    uint32_t index;      // a step, or the slot
    const char* at;      // kWay: where; kSlot: the value; kGreedy: the shortest run; kLazy: the run so far
    const char* longer;  // kGreedy: the longest run not tried; kLazy: no run goes beyond
  };

  // Where a match may begin.
  const char* next_start(const char* from) const {
    if (!program_.prefix) return program_.before.skip(begin_, from, end_);
    size_t found = program_.prefix->find({from, static_cast<size_t>(end_ - from)});
    return found == LiteralSearcher::npos ? end_ : from + found;
  }

  Verdict from(const char* start) {
    std::fill_n(slots_.begin(), slot_count_, nullptr);
    place_count_ = 0;
    match_begin_ = at_ = start;
    step_ = program_.begin;
    for (;;) {
      if (--work_ < 0) return Verdict::kGaveUp;
      const PathStep& step = program_.steps[step_];
      if (step.op == Op::kMatch) {
        match_end_ = at_;
        return Verdict::kYes;
      }
      if (!take(step) && !come_back()) return gave_up_ ? Verdict::kGaveUp : Verdict::kNo;
      if (gave_up_) return Verdict::kGaveUp;
    }
  }

  bool take(const PathStep& step) {
    switch (step.op) {
      case Op::kByte: return at_ != end_ && *at_ == step.byte && go(at_ + 1, step.next);
      case Op::kText: {
        const std::string& text = program_.texts[step.index];
        return starts_with(at_, text) && go(at_ + text.size(), step.next);
      }
      case Op::kClass: return at_ != end_ && has(step, at_) && go(at_ + character_bytes(*at_), step.next);
      case Op::kRun: {
        const char* stop = run_end(step);
        return stop != nullptr && go(stop, step.next);
      }
      case Op::kGreedy: return take_greedy(step);
      case Op::kLazy: return take_lazy(step);
      case Op::kFork: return take_fork(step);
      case Op::kSave:
        if constexpr (kWithGroups) save(step.index);
        return go(at_, step.next);
      case Op::kAssert: return holds(step.assertion) && go(at_, step.next);
      case Op::kMatch: break;
    }
    return false;
  }

  bool go(const char* at, uint32_t next) {
    at_ = at, step_ = next;
    return true;
  }

  bool starts_with(const char* at, const std::string& text) const {
    return static_cast<size_t>(end_ - at) >= text.size() && std::memcmp(at, text.data(), text.size()) == 0;
  }

  bool has(const PathStep& step, const char* at) {
    uint8_t answer = program_.classes[step.index].has[static_cast<uint8_t>(*at)];
    if (answer == PathClass::kUnsure) gave_up_ = true;
    return answer == PathClass::kYes;
  }

  // Where the longest run ends; null where it is too short.
  const char* run_end(const PathStep& step) {
    const PathClass& characters = program_.classes[step.index];
    const char* limit = static_cast<size_t>(end_ - at_) > step.most ? at_ + step.most : end_;
    const char* stop = characters.run.skip(begin_, at_, limit);
    auto length = static_cast<size_t>(stop - at_);
    work_ -= static_cast<int64_t>(length / 16);
    if (stop != limit && characters.has[static_cast<uint8_t>(*stop)] == PathClass::kUnsure) gave_up_ = true;
    return length < step.least ? nullptr : stop;
  }

  bool take_greedy(const PathStep& step) {
    const char* stop = run_end(step);
    if (stop == nullptr) return false;
    return leave_greedy(step_, at_ + step.least, stop);
  }

  bool can_leave(const PathTry& rule, const char* at) const {
    return rule.first[at == end_ ? kAtEnd : static_cast<uint8_t>(*at)] && starts_with(at, rule.text);
  }

  bool leave_greedy(uint32_t index, const char* shortest, const char* longest) {
    const PathStep& step = program_.steps[index];
    const PathTry& rule = program_.tries[step.tries];
    const char* at = longest;
    bool can = can_leave(rule, at);
    while (!can && at > shortest) can = can_leave(rule, --at);
    work_ -= (longest - at) / 8;
    if (!can) return false;
    if (at > shortest) push({Place::Kind::kGreedy, index, shortest, at - 1});
    return go(at, step.next);
  }

  bool take_lazy(const PathStep& step) {
    const char* limit = static_cast<size_t>(end_ - at_) > step.most ? at_ + step.most : end_;
    const char* at = at_;
    for (uint32_t i = 0; i < step.least; ++i) {
      if (at == end_ || !has(step, at)) return false;
      at += character_bytes(*at);
    }
    return leave_lazy(step_, at, limit);
  }

  // `at` is where the run may end, and has not been tried.
  bool leave_lazy(uint32_t index, const char* at, const char* limit) {
    const PathStep& step = program_.steps[index];
    const PathTry& rule = program_.tries[step.tries];
    for (;;) {
      const char* stop = rule.between.skip(begin_, at, limit);
      work_ -= (stop - at) / 16 + 1;
      at = stop;
      if (work_ < 0) return gave_up_ = true;
      if (can_leave(rule, at)) {
        if (at != limit) push({Place::Kind::kLazy, index, at, limit});
        return go(at, step.next);
      }
      if (at == limit || !has(step, at)) return false;
      at += character_bytes(*at);
    }
  }

  bool take_fork(const PathStep& step) {
    switch (program_.forks[step.index][at_ == end_ ? kAtEnd : static_cast<uint8_t>(*at_)]) {
      case PathProgram::kNone: return false;
      case PathProgram::kOther: return go(at_, step.other);
      case PathProgram::kBoth: push({Place::Kind::kWay, step.other, at_, nullptr}); break;
      default: break;
    }
    return go(at_, step.next);
  }

  void save(uint32_t slot) {
    if (place_count_ > 0) push({Place::Kind::kSlot, slot, slots_[slot], nullptr});
    slots_[slot] = at_;
  }

  bool holds(Assertion assertion) const {
    switch (assertion) {
      case Assertion::kTextBegin: return at_ == begin_;
      case Assertion::kTextEnd: return at_ == end_;
      case Assertion::kLineBegin: return at_ == begin_ || at_[-1] == '\n';
      case Assertion::kLineEnd: return at_ == end_ || *at_ == '\n';
      case Assertion::kWordBoundary: return at_word_boundary();
    }
    return false;
  }
  bool at_word_boundary() const { return (at_ != begin_ && is_word(at_[-1])) != (at_ != end_ && is_word(*at_)); }

  void push(Place place) {
    if (place_count_ == kMaxPlaces) {
      gave_up_ = true;
    } else {
      places_[place_count_++] = place;
    }
  }

  // To the last way that was not taken. False: there is none.
  bool come_back() {
    while (place_count_ > 0 && !gave_up_ && --work_ >= 0) {
      Place place = places_[--place_count_];
      switch (place.kind) {
        case Place::Kind::kWay: return go(place.at, place.index);
        case Place::Kind::kSlot: slots_[place.index] = place.at; break;
        case Place::Kind::kGreedy:
          if (leave_greedy(place.index, place.at, place.longer)) return true;
          break;
        case Place::Kind::kLazy: {
          const PathStep& step = program_.steps[place.index];
          if (!has(step, place.at)) break;
          if (leave_lazy(place.index, place.at + character_bytes(*place.at), place.longer)) return true;
          break;
        }
      }
    }
    if (work_ < 0) gave_up_ = true;
    return false;
  }

  const PathProgram& program_;
  const size_t slot_count_;
  const char *begin_, *end_;
  int64_t work_;
  bool gave_up_ = false;

  const char* at_ = nullptr;
  uint32_t step_ = 0;
  const char *match_begin_ = nullptr, *match_end_ = nullptr;
  std::array<const char*, 2 * PathProgram::kMaxGroups> slots_;
  size_t place_count_ = 0;
  std::array<Place, kMaxPlaces> places_;
};

Verdict run(const PathProgram& program, std::string_view text, std::span<std::string_view> groups, size_t from) {
  const char* start = text.data() + from;
  if (groups.empty()) return Walk<false>(program, text, 0).search(start);
  Walk<true> walk(program, text, groups.size());
  Verdict verdict = walk.search(start);
  if (verdict == Verdict::kYes) walk.fill(groups);
  return verdict;
}

}  // namespace

std::optional<PathMatcher> PathMatcher::compile(std::string_view pattern, bool dot_is_any) {
  auto tree = read_regex(pattern, dot_is_any);
  if (!tree) return std::nullopt;
  auto search = PathProgram::compile(*tree, false), full = PathProgram::compile(*tree, true);
  if (!search || !full) return std::nullopt;
  return PathMatcher(*std::move(search), *std::move(full));
}

Verdict PathMatcher::find(std::string_view text, std::span<std::string_view> groups, size_t from) const {
  return run(search_, text, groups, from);
}
Verdict PathMatcher::full_find(std::string_view text, std::span<std::string_view> groups) const {
  return run(full_, text, groups, 0);
}

}  // namespace pipeline
