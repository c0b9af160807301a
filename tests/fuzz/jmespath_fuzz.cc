// JMESPath: the first line is the expression, the rest the document.
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
  if (document) expression->search(*document);
  return 0;
}
