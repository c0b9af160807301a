#include "server/logql/vector_aggregation.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "server/logql/label_results.h"

namespace server {

LabelSet group_labels(const std::optional<Grouping>& grouping, const LabelSet& labels) {
  if (!grouping) return {};
  std::vector<pipeline::Label> kept;
  for (const pipeline::Label& label : labels.labels()) {
    const bool named =
        std::find(grouping->labels.begin(), grouping->labels.end(), label.first) != grouping->labels.end();
    if (grouping->without ? !named && label.first != "__name__" : named) kept.push_back(label);
  }
  return LabelSet::from(std::move(kept));
}

pipeline::Hash128 labels_key(const LabelSet& labels) {
  LabelSum sum;
  for (const auto& [name, value] : labels.labels()) sum.add(LabelSum::Category::kGroup, name, value);
  return sum.sum();
}

uint64_t labels_bytes(const LabelSet& labels) {
  constexpr size_t kShort = 15;  // characters that need no memory of their own
  uint64_t bytes = sizeof(LabelSet) + labels.labels().size() * sizeof(pipeline::Label);
  for (const auto& [name, value] : labels.labels()) {
    bytes += name.size() > kShort ? name.size() : 0;
    bytes += value.size() > kShort ? value.size() : 0;
  }
  return bytes;
}

namespace {

constexpr uint64_t kPlaceBytes = 64;  // of a group in the table of groups

// What values need besides their result.
struct Moments {
  uint64_t count = 0;
  double mean = 0;
};

bool needs_moments(VectorOp op) { return op == VectorOp::kAvg || op == VectorOp::kStddev || op == VectorOp::kStdvar; }

// A running mean that an infinity keeps.
void add_to_mean(Moments& moments, double value) {
  ++moments.count;
  if (std::isinf(moments.mean)) {
    if (std::isinf(value) && (moments.mean > 0) == (value > 0)) return;
    if (!std::isinf(value) && !std::isnan(value)) return;
  }
  const auto n = static_cast<double>(moments.count);
  moments.mean += value / n - moments.mean / n;
}

struct Group {
  LabelSet labels;
  std::vector<Point> points;     // sum, count, extreme, sum of squared differences
  std::vector<Moments> moments;  // as many as points, where they are needed
};

// One value per group and step.
class GroupAggregator final : public VectorAggregator {
 public:
  GroupAggregator(const VectorAggregation& aggregation, std::unique_ptr<WorkingMemory> memory)
      : op_(aggregation.op), grouping_(aggregation.grouping), memory_(std::move(memory)) {}

  Result<void> add(Series series) override {
    LabelSet labels = group_labels(grouping_, series.labels);
    auto [at, is_new] = by_labels_.try_emplace(labels_key(labels), groups_.size());
    if (is_new) {
      bytes_ += sizeof(Group) + labels_bytes(labels) + kPlaceBytes;
      groups_.push_back({std::move(labels), {}, {}});
    }
    Group& group = groups_[at->second];
    const uint64_t before = held(group);
    merge(group, std::move(series.points));
    bytes_ += held(group) - before;
    return memory_->hold(bytes_, groups_.size());
  }

  Result<void> finish(SeriesSink& sink) override {
    by_labels_ = {};
    for (Group& group : groups_) {
      for (size_t i = 0; i < group.moments.size(); ++i) {
        const Moments& moments = group.moments[i];
        double& value = group.points[i].value;
        if (op_ == VectorOp::kAvg) {
          value = moments.mean;
        } else {
          value /= static_cast<double>(moments.count);
          if (op_ == VectorOp::kStddev) value = std::sqrt(value);
        }
      }
      TRY(sink.add({std::move(group.labels), std::move(group.points)}));
      group = {};
    }
    return {};
  }

 private:
  static uint64_t held(const Group& group) {
    return group.points.capacity() * sizeof(Point) + group.moments.capacity() * sizeof(Moments);
  }

  void merge(Group& group, std::vector<Point> points) {
    if (group.points.empty()) {
      group.points = std::move(points);
      for (Point& point : group.points) begin(group, point);
      return;
    }
    if (!has_all_steps(group, points)) make_room(group, points);
    size_t at = 0;
    for (const Point& point : points) {
      while (group.points[at].step < point.step) ++at;
      add_value(group, at, point.value);
    }
  }

  static bool has_all_steps(const Group& group, const std::vector<Point>& points) {
    auto at = group.points.begin();
    for (const Point& point : points) {
      at = std::find_if(at, group.points.end(), [&](const Point& mine) { return mine.step >= point.step; });
      if (at == group.points.end() || at->step != point.step) return false;
    }
    return true;
  }

  // Steps that the group has not are added with nothing in them.
  void make_room(Group& group, const std::vector<Point>& points) {
    std::vector<Point> all;
    std::vector<Moments> moments;
    size_t mine = 0;
    auto take = [&] {
      all.push_back(group.points[mine]);
      if (needs_moments(op_)) moments.push_back(group.moments[mine]);
      ++mine;
    };
    for (const Point& point : points) {
      while (mine < group.points.size() && group.points[mine].step < point.step) take();
      if (mine < group.points.size() && group.points[mine].step == point.step) continue;
      all.push_back({point.step, nothing()});
      if (needs_moments(op_)) moments.push_back({});
    }
    while (mine < group.points.size()) take();
    group.points = std::move(all);
    group.moments = std::move(moments);
  }

  // What a value is added to where there is none.
  double nothing() const {
    return op_ == VectorOp::kMax || op_ == VectorOp::kMin ? std::numeric_limits<double>::quiet_NaN() : 0.0;
  }

  // The first value of a group that has none yet at any step.
  void begin(Group& group, Point& point) {
    const double value = std::exchange(point.value, nothing());
    if (needs_moments(op_)) group.moments.push_back({});
    add_value(group, static_cast<size_t>(&point - group.points.data()), value);
  }

  void add_value(Group& group, size_t at, double value) {
    double& result = group.points[at].value;
    switch (op_) {
      case VectorOp::kSum: result += value; break;
      case VectorOp::kCount: result += 1; break;
      case VectorOp::kMax:
        if (value > result || std::isnan(result)) result = value;
        break;
      case VectorOp::kMin:
        if (value < result || std::isnan(result)) result = value;
        break;
      case VectorOp::kAvg: add_to_mean(group.moments[at], value); break;
      default: add_to_variance(group.moments[at], result, value); break;
    }
  }

  // A single value has no variance, whatever it is.
  static void add_to_variance(Moments& moments, double& squares, double value) {
    if (++moments.count == 1) {
      moments.mean = value;
      return;
    }
    const double delta = value - moments.mean;
    moments.mean += delta / static_cast<double>(moments.count);
    squares += delta * (value - moments.mean);
  }

  const VectorOp op_;
  const std::optional<Grouping> grouping_;
  const std::unique_ptr<WorkingMemory> memory_;
  std::vector<Group> groups_;
  std::unordered_map<pipeline::Hash128, size_t> by_labels_;
  uint64_t bytes_ = 0;
};

// The first, in an order of values, of each group and step: all of them, or k.
class RankAggregator final : public VectorAggregator {
 public:
  RankAggregator(const VectorAggregation& aggregation, const StepGrid& grid, std::unique_ptr<WorkingMemory> memory)
      : grid_(grid), grouping_(aggregation.grouping), memory_(std::move(memory)) {
    const VectorOp op = aggregation.op;
    descending_ = op != VectorOp::kBottomK && op != VectorOp::kSort;
    k_ = op == VectorOp::kSort || op == VectorOp::kSortDesc ? SIZE_MAX : static_cast<size_t>(aggregation.k);
  }

  Result<void> add(Series series) override {
    auto [group, is_new] = groups_.try_emplace(labels_key(group_labels(grouping_, series.labels)), order_.size());
    if (is_new) {
      order_.emplace_back();
      bytes_ += kPlaceBytes + sizeof(Steps);
    }
    const uint32_t holder = hold(std::move(series.labels));
    Steps& steps = order_[group->second];
    if (steps.size() < grid_.count && !series.points.empty()) {
      const size_t wanted = series.points.back().step + size_t{1};
      if (steps.size() < wanted) {
        bytes_ += (wanted - steps.size()) * sizeof(Best);
        steps.resize(wanted);
      }
    }
    for (const Point& point : series.points) offer(steps[point.step], {point.value, holder});
    release(holder);
    return memory_->hold(bytes_, held_.size() - free_.size());
  }

  Result<void> finish(SeriesSink& sink) override {
    std::vector<std::vector<Point>> points(held_.size());
    std::vector<uint32_t> order;  // as they are met, the first step first
    for (Steps& steps : order_) {
      for (uint32_t step = 0; step < steps.size(); ++step) {
        Best& best = steps[step];
        std::stable_sort(best.begin(), best.end(), [this](const Ranked& a, const Ranked& b) { return before(a, b); });
        for (const Ranked& one : best) {
          if (points[one.holder].empty()) order.push_back(one.holder);
          points[one.holder].push_back({step, one.value});
        }
        best = {};
      }
    }
    for (const uint32_t holder : order) TRY(sink.add({std::move(held_[holder].labels), std::move(points[holder])}));
    return {};
  }

 private:
  struct Ranked {
    double value;
    uint32_t holder;  // index in held_
  };
  using Best = std::vector<Ranked>;  // k or fewer; full ones are heaps with the last one in front
  using Steps = std::vector<Best>;
  struct Held {
    LabelSet labels;
    uint32_t uses = 0;
  };

  // What is no number is last.
  bool before(const Ranked& a, const Ranked& b) const {
    if (std::isnan(a.value) || std::isnan(b.value)) return !std::isnan(a.value) && std::isnan(b.value);
    return descending_ ? a.value > b.value : a.value < b.value;
  }

  void offer(Best& best, Ranked one) {
    auto order = [this](const Ranked& a, const Ranked& b) { return before(a, b); };
    if (best.size() < k_) {
      const size_t room = best.capacity();
      best.push_back(one);
      bytes_ += (best.capacity() - room) * sizeof(Ranked);
      ++held_[one.holder].uses;
      if (best.size() == k_) std::make_heap(best.begin(), best.end(), order);
      return;
    }
    if (!before(one, best.front())) return;
    std::pop_heap(best.begin(), best.end(), order);
    release(best.back().holder);
    best.back() = one;
    ++held_[one.holder].uses;
    std::push_heap(best.begin(), best.end(), order);
  }

  uint32_t hold(LabelSet labels) {
    bytes_ += labels_bytes(labels);
    if (free_.empty()) {
      bytes_ += sizeof(Held);
      held_.push_back({std::move(labels), 1});
      return static_cast<uint32_t>(held_.size() - 1);
    }
    const uint32_t at = free_.back();
    free_.pop_back();
    held_[at] = {std::move(labels), 1};
    return at;
  }

  void release(uint32_t holder) {
    Held& held = held_[holder];
    if (--held.uses > 0) return;
    bytes_ -= labels_bytes(held.labels);
    held.labels = {};
    free_.push_back(holder);
  }

  const StepGrid grid_;
  const std::optional<Grouping> grouping_;
  const std::unique_ptr<WorkingMemory> memory_;
  bool descending_ = true;
  size_t k_ = 1;
  std::unordered_map<pipeline::Hash128, size_t> groups_;  // index in order_
  std::vector<Steps> order_;
  std::vector<Held> held_;
  std::vector<uint32_t> free_;  // unused places of held_
  uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<VectorAggregator> VectorAggregator::create(const VectorAggregation& aggregation, const StepGrid& grid,
                                                           std::unique_ptr<WorkingMemory> memory) {
  switch (aggregation.op) {
    case VectorOp::kSum:
    case VectorOp::kAvg:
    case VectorOp::kCount:
    case VectorOp::kMax:
    case VectorOp::kMin:
    case VectorOp::kStddev:
    case VectorOp::kStdvar: return std::make_unique<GroupAggregator>(aggregation, std::move(memory));
    default: return std::make_unique<RankAggregator>(aggregation, grid, std::move(memory));
  }
}

}  // namespace server
