// logfmt lines: pairs lie inside their line and come in order, and every line ends.
#include "pipeline/parse/logfmt.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view line = fuzz::text_of(data, size);
  LogfmtScanner scanner(line);
  Arena arena;
  LogfmtPair pair;
  const char* last = line.data();
  for (size_t steps = 0;; ++steps) {
    fuzz::demand(steps <= 2 * size + 2, "a line ends");
    auto step = scanner.next(pair);
    if (step == LogfmtScanner::Step::kEnd) return 0;
    if (step == LogfmtScanner::Step::kFault) {
      fuzz::demand(scanner.fault().starts_with("logfmt syntax error at pos "), "a fault says where");
      continue;
    }
    fuzz::demand(fuzz::lies_in(pair.key, line) && fuzz::lies_in(pair.value, line), "a pair lies inside its line");
    fuzz::demand(!pair.key.empty() && pair.key.data() >= last, "pairs come in order");
    last = pair.key.data() + pair.key.size();
    logfmt_text(pair, arena);
  }
}
