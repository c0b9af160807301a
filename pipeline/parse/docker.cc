#include "pipeline/parse/docker.h"

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

bool equals_ignoring_case(std::string_view name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] | 0x20) : name[i];
    if (c != lower[i]) return false;
  }
  return true;
}

std::string_view mended(std::string_view text, Arena& arena) {
  if (is_valid_utf8(text)) return text;
  std::string out;
  for (size_t at = 0; at < text.size();) append_utf8(out, take_utf8(text, at));
  return arena.copy(out);
}

}  // namespace

bool DockerParser::parse(std::string_view line, Arena& arena, DockerLine& out) {
  members_.clear();
  auto whole = check_json(line, &members_);
  if (!whole || whole->kind != JsonKind::kObject) return false;
  out = {};
  for (const JsonMember& member : members_) {
    std::string_view name = json_text(member.name, arena).value_or("");
    std::string_view* to = equals_ignoring_case(name, "log")      ? &out.log
                           : equals_ignoring_case(name, "stream") ? &out.stream
                           : equals_ignoring_case(name, "time")   ? &out.time
                                                                  : nullptr;
    if (to == nullptr || member.value.kind == JsonKind::kNull) continue;
    if (member.value.kind != JsonKind::kString) return false;
    *to = mended(json_text(member.value, arena).value_or(""), arena);
  }
  return !out.log.empty();
}

}  // namespace pipeline
