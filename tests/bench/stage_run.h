// StageRun: blocks of lines through the stages of a configuration, as a source runs them: split, batch, stages.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/stage/stage_list.h"

namespace bench {

class StageRun {
 public:
  explicit StageRun(const std::string& toml);  // ends the program if it does not compile

  // One block. Returns something that depends on all of it.
  size_t block(const std::string& text);
  const pipeline::Batch& batch() const { return batch_; }  // what came out of the last one

 private:
  pipeline::LabelTable table_;
  pipeline::Batch batch_{table_};
  pipeline::LabelTable::Id labels_ = 0;
  std::shared_ptr<const pipeline::StageList> stages_;
  std::unique_ptr<pipeline::StageState> state_;
  pipeline::DropCounts drops_;
  std::vector<uint32_t> ends_;
  uint64_t position_ = 0;  // of the file that the blocks are
};

}  // namespace bench
