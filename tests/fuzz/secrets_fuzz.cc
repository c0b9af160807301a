// Secrets: a block of lines. Every line with a secret is suspected when the block is searched as a whole, secrets lie
// in order inside their line, and what is found does not depend on where the line lies in memory.
#include <vector>

#include "pipeline/match/secret_scanner.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const SecretScanner scanner = *SecretScanner::create({secret_type_names().begin(), secret_type_names().end()},
                                                              {{"pin", "pin=(\\d+)"}, {"name", "(?i)name: ?\\w+"}});
  std::string_view block = fuzz::text_of(data, size);
  std::vector<size_t> offsets;
  scanner.suspects(block, offsets);
  for (std::string_view rest = block; !rest.empty();) {
    std::string_view line = fuzz::first_line(rest);
    std::vector<SecretSpan> spans, elsewhere;
    bool open = scanner.find(line, spans);
    std::vector<char> copy(line.begin(), line.end());
    fuzz::demand(scanner.find({copy.data(), copy.size()}, elsewhere) == open, "a key is open wherever the line lies");
    fuzz::demand(spans == elsewhere, "the same secrets wherever the line lies");
    size_t last = 0;
    for (const SecretSpan& span : spans) {
      fuzz::demand(span.begin >= last && span.begin < span.end && span.end <= line.size(), "secrets in order");
      last = span.end;
    }
    if (open) fuzz::demand(!spans.empty() && spans.back().end == line.size(), "an open key goes to the line's end");
    if (spans.empty()) continue;
    auto begin = static_cast<size_t>(line.data() - block.data());
    bool suspected = false;
    for (size_t offset : offsets) suspected = suspected || (offset >= begin && offset < begin + line.size());
    fuzz::demand(suspected, "a line with a secret is suspected");
  }
  return 0;
}
