#include "tests/bench/stage_run.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "pipeline/config/config.h"
#include "pipeline/match/line_splitter.h"

namespace bench {

using namespace pipeline;

StageRun::StageRun(const std::string& toml) {
  auto document = ConfigDocument::parse(toml, "bench.toml");
  if (document) {
    stages_ = StageList::build(document->root(), "stage");
    auto finished = document->finish();
    if (finished) {
      state_ = stages_->make_state(StageUse::kLive);
      labels_ =
          table_.intern(LabelSet::from({{"filename", "/var/log/pods/a/b/0.log"}, {"namespace", "a"}, {"pod", "b"}}));
      return;
    }
    std::fprintf(stderr, "%s\n", finished.error().message.c_str());
  }
  std::abort();
}

size_t StageRun::block(const std::string& text) {
  ends_.clear();
  find_newlines(text, ends_);
  batch_.clear();
  uint64_t begin = 0;
  for (size_t i = 0; i < ends_.size(); ++i) {
    auto time = static_cast<UnixNanos>(position_ + i);
    batch_.add(std::string_view(text).substr(begin, ends_[i] - begin), time, labels_,
               {.begin = position_ + begin, .end = position_ + ends_[i] + 1u, .read_time = time});
    begin = ends_[i] + 1u;
  }
  position_ += text.size();
  stages_->process(batch_, *state_, drops_);
  if (batch_.empty()) return 0;
  return batch_.size() + static_cast<size_t>(batch_.times.back()) + batch_.lines.back().size();
}

}  // namespace bench
