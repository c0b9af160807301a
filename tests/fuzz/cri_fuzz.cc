// CRI lines through the `cri` stage: wherever the input is divided into blocks, the same entries come out, and every
// raw line is an origin of at most one of them.
#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/stage/stage_list.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

using Lines = std::vector<std::string_view>;

std::shared_ptr<const StageList> cri_stages() {
  static ConfigDocument document = *ConfigDocument::parse("[[stage]]\ntype = \"cri\"\n", "cri");
  return StageList::build(document.root(), "stage");
}

void add_lines(Batch& batch, const Lines& lines, size_t from, size_t to, uint64_t& position, LabelTable::Id labels) {
  for (size_t i = from; i < to; ++i) {
    auto read_time = static_cast<UnixNanos>(i + 1);
    batch.add(lines[i], read_time, labels, {position, position + lines[i].size() + 1, read_time});
    position += lines[i].size() + 1;
  }
}

void take(const Batch& batch, std::vector<std::string>& entries, std::vector<uint64_t>& origins) {
  for (size_t i = 0; i < batch.size(); ++i) {
    entries.push_back(std::to_string(batch.times[i]) + batch.label_sets->at(batch.labels[i]).text());
    entries.back().append(batch.lines[i]);
    for (uint32_t k = 0; k < batch.origin_count[i]; ++k) {
      origins.push_back(batch.origins[batch.origin_begin[i] + k].begin);
    }
  }
}

std::vector<std::string> entries_of(const Lines& lines, size_t cut) {
  static const std::shared_ptr<const StageList> stages = cri_stages();
  LabelTable table;
  Batch batch(table);
  DropCounts drops;
  auto state = stages->make_state();
  std::vector<std::string> entries;
  std::vector<uint64_t> origins;
  uint64_t position = 0;
  LabelTable::Id labels = table.intern(LabelSet::from({{"job", "f"}}));
  for (auto [from, to] : {std::pair<size_t, size_t>{0, cut}, {cut, lines.size()}}) {
    batch.clear();
    add_lines(batch, lines, from, to, position, labels);
    stages->process(batch, *state, drops);
    take(batch, entries, origins);
  }
  batch.clear();
  stages->flush(batch, *state, drops);
  take(batch, entries, origins);
  fuzz::demand(!state->open_from(), "nothing is open after a flush");
  std::sort(origins.begin(), origins.end());
  fuzz::demand(std::adjacent_find(origins.begin(), origins.end()) == origins.end(), "a line is in one entry only");
  return entries;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view rest = fuzz::text_of(data + 1, size - 1);
  Lines lines;
  while (!rest.empty()) lines.push_back(fuzz::first_line(rest));
  fuzz::demand(entries_of(lines, lines.size()) == entries_of(lines, data[0] % (lines.size() + 1)),
               "blocks may end anywhere");
  return 0;
}
