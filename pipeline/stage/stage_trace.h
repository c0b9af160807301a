// StageTrace: what each stage does to an entry, as text for people: `skidway-agent test --explain`.
//
//   line 1  {"level":"warn","msg":"slow"}
//      1 json
//          + extracted level = "warn"
//      2 drop
//          x dropped, counted under reason "drop_stage"
//
// Thread: one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/stage/test_run.h"

namespace pipeline {

enum class Colour { kNo, kYes };

class StageTrace final : public BatchObserver {
 public:
  // `drops`: those of the run that is watched.
  StageTrace(const DropCounts& drops, Colour colour) : drops_(drops), colour_(colour) {}

  void begin();  // of another line: stages count from 1 again
  void before(const Batch& batch, std::string_view stage) override;
  void after(const Batch& batch, std::string_view stage) override;
  std::string take() { return std::exchange(text_, {}); }

 private:
  struct Value {
    std::string what;  // "label level"
    std::string value;
    bool operator==(const Value&) const = default;
  };
  struct Row {
    std::string line;
    UnixNanos time = 0;
    std::vector<Value> values;  // labels, extracted values, metadata
  };
  struct Frame {
    std::string_view stage;
    std::string number;  // "2", "2.1"
    std::vector<Row> rows;
    uint64_t dropped = 0;
    std::vector<DropCounts::Count> counts;
    size_t nested = 0;  // stages seen inside
    bool titled = false;
  };
  static std::vector<Row> rows_of(const Batch& batch);
  void title(bool idle);
  void tell(Frame& frame, const std::vector<Row>& rows);
  void note(char mark, const std::string& text);
  void compare(const Row& before, const Row& after);
  std::string reasons(const Frame& frame) const;
  std::string painted(const char* code, const std::string& text) const;

  const DropCounts& drops_;
  const Colour colour_;
  std::vector<Frame> frames_;
  size_t count_ = 0;
  std::string text_;
};

// As test_stages(), one line at a time: for each line what the stages did to it, and what came out behind "=>".
Result<void> explain_stages(const StageList& stages, UnixNanos now, const ReadLine& in, const WriteText& out,
                            DropCounts& drops, Colour colour);

}  // namespace pipeline
