// TestPipeline: lines through the stages of a configuration, for the tests of stages.
//
//   TestPipeline p(stage("logfmt", "mapping = {level = \"\"}") + stage("labels", "values = {level = \"\"}"));
//   CHECK(p.run({"level=info"}) == Texts{R"({job="t", level="info"} level=info)"});
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/stage/stage_list.h"

namespace pipeline::testing {

inline constexpr UnixNanos kNow = 1'795'219'200'000'000'000;  // 2026-11-21T00:00:00Z
using Texts = std::vector<std::string>;

struct TestLine {
  std::string text;
  LabelSet labels = LabelSet::from({{"job", "t"}});
  UnixNanos read_time = kNow;
  std::vector<std::pair<std::string, std::string>> metadata{};
};

class TestPipeline {
 public:
  explicit TestPipeline(const std::string& toml, StageUse use = StageUse::kLive);

  const std::string& error() const { return error_; }  // what is wrong with the configuration

  // One batch. What comes out, one text an entry: `{labels} line`, with the time in front where it is not kNow, and
  // metadata behind as ` name=value`.
  Texts run_lines(const std::vector<TestLine>& lines);
  Texts run(const Texts& lines, const LabelSet& labels = LabelSet::from({{"job", "t"}}));
  Texts flush();
  Texts expire(UnixNanos now);

  // What comes out when the lines that entry `row` of the last batch names as its origins are fed to another pipeline
  // of the same configuration that rebuilds, with the labels a record keeps (first_labels), and that one is flushed.
  // Only for lines that went through run().
  Texts rebuild(size_t row) const;

  std::string origins(size_t row) const;  // [0,34)[68,102) ...
  std::optional<uint64_t> open_from() const { return state_->open_from(); }
  std::optional<UnixNanos> due() const { return state_->due(); }
  std::optional<UnixNanos> resume_at() const { return state_->resume_at(); }
  std::string metrics(UnixNanos now = kNow) const;  // stages' own, without comments
  DropCounts& drops() { return drops_; }
  LabelTable& table() { return table_; }
  const Batch& batch() const { return batch_; }
  const StageList& stages() const { return *stages_; }

 private:
  void add(const std::vector<TestLine>& lines, const std::vector<ByteRange>& origins);
  Texts texts() const;
  StageState& state() const;

  const std::string toml_;
  ConfigDocument document_;
  std::shared_ptr<const StageList> stages_;
  std::unique_ptr<StageState> state_;
  LabelTable table_;
  Batch batch_{table_};
  DropCounts drops_;
  std::vector<std::pair<uint64_t, TestLine>> history_;  // by their first byte
  uint64_t position_ = 0;
  std::string error_;
};

// [[stage]] of this type; `rest` are its arguments.
std::string stage(std::string_view type, std::string_view rest = "");
std::string error_of(std::string_view type, std::string_view rest = "");

}  // namespace pipeline::testing
