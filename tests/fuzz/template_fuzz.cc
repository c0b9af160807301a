// Go templates: the first line is the data (JSON), the rest the template, with either table of functions.
#include "pipeline/parse/go_template.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

constexpr TemplateLimits kLimits{.steps = 20'000, .output_bytes = 100'000, .memory_bytes = 1 << 20};

void try_template(std::string_view text, TemplateFunctions functions, TemplateMap& data) {
  auto compiled = GoTemplate::parse("fuzz", text, functions);
  if (!compiled) {
    fuzz::demand(compiled.error().message.starts_with("template: fuzz:"), "a fault names its place");
    return;
  }
  std::vector<TemplateValue> fields;
  for (const std::string& name : compiled->fields()) {
    const TemplateValue* found = data.find(name);
    fields.push_back(found != nullptr ? *found : TemplateValue());
  }
  TemplateRun run(kLimits);
  std::string out;
  auto done = compiled->run({.fields = fields, .all = &data, .now = 1, .line = text, .timestamp = 2}, run, out);
  fuzz::demand(done || !done.error().message.empty(), "a fault has a text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  auto document = check_json(fuzz::first_line(rest));
  TemplateMemory memory;
  memory.clear(1 << 20);
  TemplateMap empty;
  TemplateMap* map = &empty;
  if (document && document->kind == JsonKind::kObject) {
    if (auto values = value_of_json(*document, memory, true)) map = &values->as_map();
  }
  try_template(rest, TemplateFunctions::kStage, *map);
  try_template(rest, TemplateFunctions::kLogql, *map);
  return 0;
}
