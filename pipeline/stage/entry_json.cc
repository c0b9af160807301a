#include "pipeline/stage/entry_json.h"

#include <algorithm>
#include <optional>

#include "pipeline/base/time_format.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json.h"

namespace pipeline {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(std::string& out, std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    size_t letters = std::min<size_t>(bytes.size() - at, 3) + 1;
    for (size_t i = 0; i < 4; ++i) out.push_back(i < letters ? kAlphabet[group >> (18 - 6 * i) & 63] : '=');
  }
}

std::optional<std::string> parse_base64(std::string_view text) {
  std::string out;
  uint32_t group = 0;
  int bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (char c : text) {
    size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) bits -= 8, out.push_back(static_cast<char>(group >> bits & 0xff));
  }
  return out;
}

// A text, or {"b64":"..."} where it is not UTF-8.
void append_text_or_b64(std::string& out, std::string_view text) {
  if (is_valid_utf8(text)) return append_json_string(out, text);
  out.append("{\"b64\":\"");
  append_base64(out, text);
  out.append("\"}");
}

tl::unexpected<Error> bad(std::string_view what) { return fail(Errc::kInvalid, concat("entry: ", what)); }

Result<std::string> text_or_b64(const JsonValue& value, std::string_view name) {
  Arena arena;
  if (value.kind == JsonKind::kString) return std::string(json_text(value, arena).value_or(""));
  std::vector<JsonMember> members;
  if (value.kind == JsonKind::kObject) json_members(value, members);
  if (members.size() == 1 && json_equals(members[0].name, "b64") && members[0].value.kind == JsonKind::kString) {
    if (auto bytes = parse_base64(members[0].value.raw)) return *std::move(bytes);
  }
  return bad(concat("\"", name, "\" is no text"));
}

Result<std::vector<std::pair<std::string, std::string>>> text_map(const JsonValue& value, std::string_view name) {
  if (value.kind != JsonKind::kObject) return bad(concat("\"", name, "\" is no object"));
  std::vector<JsonMember> members;
  json_members(value, members);
  std::vector<std::pair<std::string, std::string>> out;
  for (const JsonMember& member : members) {
    Arena arena;
    std::string key(json_text(member.name, arena).value_or(""));
    TRY_LET(std::string text, text_or_b64(member.value, key));
    out.emplace_back(std::move(key), std::move(text));
  }
  return out;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    switch (code) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      default:
        if (code < 0x20) {
          out.append("\\u00");
          out.push_back(kHex[code >> 4]), out.push_back(kHex[code & 0xf]);
        } else {
          append_utf8(out, code);
        }
    }
  }
  out.push_back('"');
}

void append_labels_json(std::string& out, const LabelSet& labels) {
  out.append("\"labels\":{");
  for (bool first = true; const auto& [name, value] : labels.labels()) {
    if (!first) out.push_back(',');
    first = false;
    append_json_string(out, name);
    out.push_back(':');
    append_text_or_b64(out, value);
  }
  out.push_back('}');
}

void append_entry_json(std::string& out, UnixNanos time, const LabelSet& labels, std::string_view line,
                       const std::vector<Metadata>& metadata) {
  out.append("{\"timestamp\":\"").append(format_rfc3339(time)).append("\",");
  append_labels_json(out, labels);
  if (is_valid_utf8(line)) {
    out.append(",\"line\":");
    append_json_string(out, line);
  } else {
    out.append(",\"line_b64\":\"");
    append_base64(out, line);
    out.push_back('"');
  }
  if (!metadata.empty()) {
    out.append(",\"structured_metadata\":{");
    for (const Metadata& entry : metadata) {
      if (&entry != &metadata.front()) out.push_back(',');
      append_json_string(out, entry.name);
      out.push_back(':');
      append_text_or_b64(out, entry.value);
    }
    out.push_back('}');
  }
  out.append("}\n");
}

Result<LabelSet> parse_labels_json(std::string_view text) {
  std::vector<JsonMember> members;
  auto document = check_json(text, &members);
  if (!document || document->kind != JsonKind::kObject) return bad("not a JSON object");
  LabelSet labels;
  for (const JsonMember& member : members) {
    if (!json_equals(member.name, "labels")) continue;
    TRY_LET(auto map, text_map(member.value, "labels"));
    labels = LabelSet::from(std::move(map));
  }
  return labels;
}

Result<JsonEntry> parse_entry_json(std::string_view text) {
  JsonEntry entry;
  std::vector<JsonMember> members;
  auto document = check_json(text, &members);
  if (!document || document->kind != JsonKind::kObject) return bad("not a JSON object");
  bool has_line = false;
  for (const JsonMember& member : members) {
    Arena arena;
    std::string_view name = json_text(member.name, arena).value_or("");
    if (name == "labels") {
      TRY_LET(auto labels, text_map(member.value, name));
      entry.labels = LabelSet::from(std::move(labels));
    } else if (name == "structured_metadata") {
      TRY_LET(entry.metadata, text_map(member.value, name));
    } else if (name == "line" || name == "line_b64" || name == "timestamp") {
      TRY_LET(std::string value, text_or_b64(member.value, name));
      if (name == "line") {
        entry.line = std::move(value), has_line = true;
      } else if (name == "line_b64") {
        auto bytes = parse_base64(value);
        if (!bytes) return bad("\"line_b64\" is no base64");
        entry.line = *std::move(bytes), has_line = true;
      } else {
        auto time = parse_rfc3339(value);
        if (!time) return bad(concat("\"timestamp\" is no RFC 3339 time: ", value));
        entry.time = *time;
      }
    } else {
      return bad(concat("unknown member \"", name, "\""));
    }
  }
  if (!has_line) return bad("\"line\" is missing");
  return entry;
}

}  // namespace pipeline
