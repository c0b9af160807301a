// JMESPath: the first line is the expression, the rest the document. A path found in the text is what a run finds.
#include "pipeline/parse/jmespath.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  auto expression = JmesPath::compile(fuzz::first_line(rest));
  if (!expression) {
    fuzz::demand(!expression.error().message.empty(), "a fault has a text");
    return 0;
  }
  auto document = check_json(rest);
  if (!document) return 0;
  TemplateMemory memory;
  memory.clear(8 << 20);
  auto values = value_of_json(*document, memory);
  if (!values) return 0;
  auto found = expression->run(*values, memory);
  if (!found) return 0;
  std::string by_values, by_text;
  append_compact_json(by_values, *found);
  if (!expression->is_path()) return 0;
  append_compact_json(by_text, expression->search(*document));
  fuzz::demand(by_values == by_text, "both ways find the same");
  return 0;
}
