#include "server/api/detected_labels.h"

#include <algorithm>
#include <map>
#include <set>

#include "pipeline/parse/value_text.h"
#include "server/api/loki_json.h"

namespace server {
using pipeline::parse_go_float;

namespace {

using Values = std::set<std::string_view>;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// 8-4-4-4-12 hexadecimal digits, also in braces or after urn:uuid:, or 32 of them.
bool is_uuid(std::string_view text) {
  if (text.starts_with("urn:uuid:")) text.remove_prefix(9);
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  if (text.size() == 32) return is_hex(text);
  if (text.size() != 36) return false;
  for (size_t dash : {8, 13, 18, 23})
    if (text[dash] != '-') return false;
  return is_hex(text.substr(0, 8)) && is_hex(text.substr(9, 4)) && is_hex(text.substr(14, 4)) &&
         is_hex(text.substr(19, 4)) && is_hex(text.substr(24));
}

bool is_worth_showing(std::string_view label, const Values& values) {
  for (std::string_view kept : {"cluster", "namespace", "instance", "pod"})
    if (label == kept) return true;
  if (std::all_of(values.begin(), values.end(), [](std::string_view v) { return v == "0" || v == "1"; })) return true;
  return !std::all_of(values.begin(), values.end(),
                      [](std::string_view v) { return parse_go_float(v).has_value() || is_uuid(v); });
}

}  // namespace

std::vector<DetectedLabel> LabelDetector::found() const {
  std::vector<DetectedLabel> found;
  for (const auto& [label, values] : values_)
    if (is_worth_showing(label, values)) found.push_back({std::string(label), values.size()});
  return found;
}

std::string detected_labels_answer(const std::vector<DetectedLabel>& labels) {
  if (labels.empty()) return "{}\n";
  std::string out = R"({"detectedLabels":[)";
  for (const DetectedLabel& label : labels) {
    out += out.back() == '[' ? "{\"label\":" : ",{\"label\":";
    append_json_text(out, label.label);
    out += pipeline::concat(",\"cardinality\":", label.cardinality, "}");
  }
  return out += "]}\n";
}

}  // namespace server
