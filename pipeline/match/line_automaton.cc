#include "pipeline/match/line_automaton.h"

#include <algorithm>
#include <map>

#include "pipeline/match/regex_steps.h"

namespace pipeline {

namespace {

using Step = RegexStep;
using Steps = RegexSteps;
using Op = Step::Op;

}  // namespace

// Makes every state that can be reached: a state is the set of steps that wait for a byte or for the end.
class AutomatonCompiler {
 public:
  explicit AutomatonCompiler(const Steps& steps) : steps_(steps), seen_(steps.steps.size(), 0) {}

  std::optional<LineAutomaton> compile() {
    make_classes();
    for (const uint32_t verdict : {kNo, kYes, kUnsure}) rows_.emplace_back(made_.width_, verdict);
    Set empty_line, begin;
    begin_set();
    const bool matches_empty = !add(empty_line, steps_.begin, {.at_begin = true, .at_end = true});
    made_.empty_ = matches_empty ? LineAutomaton::Verdict::kYes : LineAutomaton::Verdict::kNo;
    begin_set();
    const bool waits = add(begin, steps_.begin, {.at_begin = true, .at_end = false});
    made_.begin_ = (waits ? state_of(std::move(begin)) : kYes) * made_.width_;
    while (!pending_.empty()) {
      const auto [state, set] = std::move(pending_.back());
      pending_.pop_back();
      fill(state, *set);
      if (rows_.size() > LineAutomaton::kMaxStates || work_ > kMaxWork) return std::nullopt;
    }
    for (const auto& row : rows_)
      for (const uint32_t next : row) made_.table_.push_back(static_cast<uint16_t>(next * made_.width_));
    return std::move(made_);
  }

 private:
  using Set = std::vector<uint32_t>;  // sorted
  struct Place {
    bool at_begin = false, at_end = false;
  };
  static constexpr uint32_t kNo = 0, kYes = 1, kUnsure = 2;
  static constexpr uint64_t kMaxWork = 500'000;  // steps put into sets: some ten milliseconds

  // Bytes that no step tells apart share a column. Those beyond ASCII have one of their own.
  void make_classes() {
    std::map<std::vector<bool>, uint8_t> known;
    for (size_t c = 0; c < 0x80; ++c) {
      std::vector<bool> row;
      for (const Step& step : steps_.steps) row.push_back(step.op == Op::kByte && step.bytes[c]);
      auto [at, fresh] = known.try_emplace(std::move(row), static_cast<uint8_t>(known.size()));
      if (fresh) samples_.push_back(static_cast<uint8_t>(c));
      made_.class_of_[c] = at->second;
    }
    beyond_ = static_cast<uint32_t>(samples_.size());
    for (size_t c = 0x80; c < 256; ++c) made_.class_of_[c] = static_cast<uint8_t>(beyond_);
    made_.width_ = beyond_ + 2;
  }

  void begin_set() { ++round_; }

  // Adds what can be reached from `step` without a byte. False: a match.
  bool add(Set& set, uint32_t step, Place place) {
    if (seen_[step] == round_) return true;
    seen_[step] = round_;
    ++work_;
    const Step& known = steps_.steps[step];
    switch (known.op) {
      case Op::kMatch: return false;
      case Op::kByte: set.push_back(step); return true;
      case Op::kSplit: return add(set, known.next, place) && add(set, known.other, place);
      case Op::kTextBegin: return !place.at_begin || add(set, known.next, place);
      case Op::kTextEnd:
        if (place.at_end) return add(set, known.next, place);
        set.push_back(step);
        return true;
    }
    return true;
  }

  uint32_t state_of(Set set) {
    if (set.empty()) return kNo;
    std::sort(set.begin(), set.end());
    auto [at, fresh] = states_.try_emplace(std::move(set), static_cast<uint32_t>(rows_.size()));
    if (fresh) {
      rows_.emplace_back();
      pending_.emplace_back(at->second, &at->first);
    }
    return at->second;
  }

  void fill(uint32_t state, const Set& set) {
    std::vector<uint32_t> row;
    for (const uint8_t byte : samples_) row.push_back(after(set, byte));
    row.push_back(steps_.beyond_matters ? kUnsure : after(set, 0xff));
    row.push_back(at_end(set));
    rows_[state] = std::move(row);
  }

  // A match may also begin behind the byte.
  uint32_t after(const Set& set, uint8_t byte) {
    Set out;
    begin_set();
    bool waits = add(out, steps_.begin, {});
    for (size_t i = 0; waits && i < set.size(); ++i) {
      const Step& step = steps_.steps[set[i]];
      if (step.op == Op::kByte && step.bytes[byte]) waits = add(out, step.next, {});
    }
    return waits ? state_of(std::move(out)) : kYes;
  }

  uint32_t at_end(const Set& set) {
    Set out;
    begin_set();
    bool waits = true;
    for (size_t i = 0; waits && i < set.size(); ++i) {
      if (steps_.steps[set[i]].op == Op::kTextEnd) waits = add(out, set[i], {.at_begin = false, .at_end = true});
    }
    return waits ? kNo : kYes;
  }

  const Steps& steps_;
  LineAutomaton made_;
  std::vector<uint8_t> samples_;  // one byte of each class below `beyond_`
  uint32_t beyond_ = 0;           // the class of bytes beyond ASCII
  std::vector<uint32_t> seen_;    // by step: the last set it came to
  uint32_t round_ = 0;
  uint64_t work_ = 0;
  std::map<Set, uint32_t> states_;
  std::vector<std::vector<uint32_t>> rows_;  // by state: the next one for each class and for the end
  std::vector<std::pair<uint32_t, const Set*>> pending_;
};

std::optional<LineAutomaton> LineAutomaton::compile(std::string_view pattern) {
  auto tree = read_regex(pattern, false);
  if (!tree) return std::nullopt;
  auto steps = Steps::of(*tree);
  if (!steps) return std::nullopt;
  auto made = AutomatonCompiler(*steps).compile();
  if (made) made->needed_ = ClassTriple::of(*steps);
  return made;
}

namespace {

constexpr size_t kLanes = 4;

struct Lane {
  const char* at;
  const char* end;
  uint32_t state;
  size_t row;
};

// Hands out the lines that are not empty and have what a match needs; the others are kNo.
class LineFeed {
 public:
  LineFeed(std::string_view text, std::span<const uint32_t> ends, uint32_t begin,
           const std::optional<ClassTriple>& needed, std::vector<LineAutomaton::Verdict>& verdicts)
      : text_(text), ends_(ends), at_(begin), needed_(needed), verdicts_(verdicts) {}

  bool next(Lane& lane, uint32_t state) {
    for (; row_ < ends_.size(); at_ = ends_[row_++]) {
      if (ends_[row_] == at_) continue;
      if (needed_ && !needed_->is_in(text_, at_, ends_[row_])) {
        verdicts_[row_] = LineAutomaton::Verdict::kNo;
        continue;
      }
      lane = {text_.data() + at_, text_.data() + ends_[row_], state, row_};
      at_ = ends_[row_++];
      return true;
    }
    return false;
  }

 private:
  std::string_view text_;
  std::span<const uint32_t> ends_;
  uint32_t at_;
  const std::optional<ClassTriple>& needed_;
  std::vector<LineAutomaton::Verdict>& verdicts_;
  size_t row_ = 0;
};

}  // namespace

void LineAutomaton::judge(std::string_view text, std::span<const uint32_t> ends, uint32_t begin,
                          std::vector<Verdict>& verdicts) const {
  constexpr size_t kStride = 16;  // bytes between two looks at whether a lane is done
  verdicts.assign(ends.size(), empty_);
  LineFeed feed(text, ends, begin, needed_, verdicts);
  const uint8_t* classes = class_of_.data();
  const uint16_t* table = table_.data();
  auto step = [&](Lane& lane, size_t i) { lane.state = table[lane.state + classes[static_cast<uint8_t>(lane.at[i])]]; };
  auto is_done = [&](Lane& lane) {
    if (lane.at == lane.end) lane.state = table[lane.state + width_ - 1];
    if (!is_final(lane.state)) return false;
    verdicts[lane.row] = verdict(lane.state);
    return true;
  };
  std::array<Lane, kLanes> lanes;
  size_t running = 0;
  while (running < kLanes && feed.next(lanes[running], begin_)) ++running;
  while (running == kLanes) {
    size_t bytes = kStride;
    for (const Lane& lane : lanes) bytes = std::min(bytes, static_cast<size_t>(lane.end - lane.at));
    for (size_t i = 0; i < bytes; ++i) {
      for (Lane& lane : lanes) step(lane, i);
    }
    for (Lane& lane : lanes) lane.at += bytes;
    for (size_t k = 0; k < running;) {
      if (!is_done(lanes[k]) || feed.next(lanes[k], begin_)) {
        ++k;
      } else {
        lanes[k] = lanes[--running];
      }
    }
  }
  for (size_t k = 0; k < running; ++k) {
    for (Lane& lane = lanes[k]; !is_done(lane); ++lane.at) step(lane, 0);
  }
}

}  // namespace pipeline
