#include "pipeline/stage/entry_json.h"

#include <array>
#include <optional>

#include "pipeline/base/time_format.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json.h"

namespace pipeline {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(std::string& out, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kBase64[group >> (18 - 6 * k) & 63] : '=';
  }
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kBase64.find(c);
    if (digit == kBase64.npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 255);
    }
  }
  return out;
}

// A label or metadata value.
void append_value(std::string& out, std::string_view value) {
  if (is_valid_utf8(value)) return append_json_string(out, value);
  out += "{\"b64\":\"";
  append_base64(out, value);
  out += "\"}";
}

template <class Pairs>
void append_object(std::string& out, const Pairs& pairs) {
  out += '{';
  bool first = true;
  for (const auto& [name, value] : pairs) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, name);
    out += ':';
    append_value(out, value);
  }
  out += '}';
}

std::string text_of(const JsonValue& value, Arena& arena) { return std::string(json_text(value, arena).value_or("")); }

Result<std::string> bytes_of(const JsonValue& value, Arena& arena) {
  auto bytes = value.kind == JsonKind::kString ? decode_base64(text_of(value, arena)) : std::nullopt;
  if (!bytes) return fail(Errc::kInvalid, concat("\"", value.raw, "\" is not base64"));
  return std::move(*bytes);
}

Result<std::string> value_of(const JsonValue& value, Arena& arena) {
  if (value.kind == JsonKind::kString) return text_of(value, arena);
  std::vector<JsonMember> members;
  if (value.kind == JsonKind::kObject) json_members(value, members);
  if (members.size() == 1 && text_of(members[0].name, arena) == "b64") { return bytes_of(members[0].value, arena); }
  return fail(Errc::kInvalid, concat("a value is neither a string nor {\"b64\":...}: ", value.raw));
}

Result<std::vector<Label>> pairs_of(std::string_view what, const JsonValue& object, Arena& arena) {
  if (object.kind != JsonKind::kObject) return fail(Errc::kInvalid, concat(what, " is not an object"));
  std::vector<JsonMember> members;
  json_members(object, members);
  std::vector<Label> out;
  for (const JsonMember& member : members) {
    auto value = value_of(member.value, arena);
    if (!value) return fail(value.error().within(what));
    out.emplace_back(text_of(member.name, arena), std::move(*value));
  }
  return out;
}

// Reads one member into `entry`; of the line itself, returns it.
Result<std::optional<std::string>> take_member(const JsonMember& member, JsonEntry& entry, Arena& arena) {
  const std::string name = text_of(member.name, arena);
  if (name == "timestamp") {
    const auto time = parse_rfc3339(text_of(member.value, arena));
    if (!time) return fail(Errc::kInvalid, concat("timestamp is not an RFC 3339 time: ", member.value.raw));
    entry.time = *time;
  } else if (name == "labels") {
    TRY_LET(auto labels, pairs_of("labels", member.value, arena));
    entry.labels = LabelSet::from(std::move(labels));
  } else if (name == "structured_metadata") {
    TRY_LET(entry.metadata, pairs_of("structured_metadata", member.value, arena));
  } else if (name == "line_b64") {
    TRY_LET(std::string line, bytes_of(member.value, arena));
    return std::optional(std::move(line));
  } else if (name == "line") {
    if (member.value.kind != JsonKind::kString) return fail(Errc::kInvalid, "line is not a string");
    return std::optional(text_of(member.value, arena));
  }
  return std::optional<std::string>();
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  static constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool valid = is_valid_utf8(text);
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80 && !valid) {
      const size_t before = at;
      const bool damaged = take_utf8(text, at) == 0xFFFD;
      out += damaged ? kReplacement : text.substr(before, at - before);
      continue;
    }
    ++at;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (c >= 0x20) {
          out += static_cast<char>(c);
        } else {
          out.append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
        }
    }
  }
  out += '"';
}

void append_entry_json(std::string& out, UnixNanos time, const LabelSet& labels, std::string_view line,
                       const std::vector<Metadata>& metadata) {
  out.append("{\"timestamp\":\"").append(format_rfc3339(time)).append("\",\"labels\":");
  append_object(out, labels.labels());
  if (is_valid_utf8(line)) {
    out += ",\"line\":";
    append_json_string(out, line);
  } else {
    out += ",\"line_b64\":\"";
    append_base64(out, line);
    out += '"';
  }
  if (!metadata.empty()) {
    out += ",\"structured_metadata\":";
    append_object(out, metadata);
  }
  out += "}\n";
}

Result<JsonEntry> parse_entry_json(std::string_view text) {
  const auto root = check_json(text);
  if (!root || root->kind != JsonKind::kObject) return fail(Errc::kInvalid, "not a JSON object");
  std::vector<JsonMember> members;
  json_members(*root, members);
  JsonEntry entry;
  Arena arena;
  bool has_line = false;
  for (const JsonMember& member : members) {
    TRY_LET(auto line, take_member(member, entry, arena));
    if (!line) continue;
    entry.line = std::move(*line);
    has_line = true;
  }
  if (!has_line) return fail(Errc::kInvalid, "no line");
  return entry;
}

void append_labels_json(std::string& out, const LabelSet& labels) {
  out += "{\"labels\":";
  append_object(out, labels.labels());
  out += "}\n";
}

Result<LabelSet> parse_labels_json(std::string_view text) {
  std::vector<JsonMember> members;
  const auto root = check_json(text, &members);
  if (!root || root->kind != JsonKind::kObject) return fail(Errc::kInvalid, "not a JSON object");
  Arena arena;
  for (const JsonMember& member : members) {
    if (!json_equals(member.name, "labels")) continue;
    TRY_LET(auto labels, pairs_of("labels", member.value, arena));
    return LabelSet::from(std::move(labels));
  }
  return fail(Errc::kInvalid, "no labels");
}

}  // namespace pipeline
