// JSON lines: the two ways to read an object agree on what is well formed, and compact JSON is its own compact form.
#include <string>
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

void walk(const JsonValue& value, std::string_view document, Arena& arena, int depth) {
  fuzz::demand(fuzz::lies_in(value.raw, document), "a value lies inside its document");
  if (value.kind == JsonKind::kString) json_text(value, arena), logql_text(value, arena);
  if (value.kind == JsonKind::kNumber) json_number(value.raw);
  if (depth > 20) return;
  if (value.kind == JsonKind::kObject) {
    std::vector<JsonMember> members;
    json_members(value, members);
    for (const JsonMember& member : members)
      walk(member.name, document, arena, 21), walk(member.value, document, arena, depth + 1);
  }
  if (value.kind == JsonKind::kArray) {
    std::vector<JsonValue> elements;
    json_elements(value, elements);
    for (const JsonValue& element : elements) walk(element, document, arena, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  Arena arena;
  std::vector<JsonField> fields;
  auto fault = flatten_json(text, fields, arena);
  for (const JsonField& field : fields) fuzz::demand(!field.name.empty(), "a field has a name");
  auto document = check_json(text);
  if (!document) return 0;
  if (document->kind == JsonKind::kObject) fuzz::demand(!fault, "what is well formed has no fault");
  walk(*document, text, arena, 0);
  std::string once, twice;
  append_compact_json(once, *document);
  auto again = check_json(once);
  fuzz::demand(again.has_value(), "compact JSON is JSON");
  append_compact_json(twice, *again);
  // Names that become equal only when their bad bytes are replaced are another matter.
  fuzz::demand(once == twice || !is_valid_utf8(text), "compact JSON stays as it is");
  return 0;
}
