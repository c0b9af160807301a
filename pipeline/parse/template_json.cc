// Template values as JSON texts, and back.
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_time_format.h"
#include "pipeline/parse/template_value.h"

namespace pipeline {

using Kind = TemplateValue::Kind;

namespace {

constexpr size_t kMaxPrintedDepth = 2000;      // of lists in lists; what is deeper is null
constexpr size_t kMaxPrintedBytes = 64 << 20;  // lists that hold one another many times would have no end

void append_json_text(std::string& out, std::string_view text, bool escape_html) {
  constexpr char kHex[] = "0123456789abcdef";
  auto escape = [&](uint32_t code) {
    out.append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[code >> shift & 0xf]);
  };
  out.push_back('"');
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    uint32_t code = take_utf8(text, at);
    switch (code) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      case '\b': out.append("\\b"); break;
      case '\f': out.append("\\f"); break;
      case '<':
      case '>':
      case '&': escape_html ? escape(code) : out.push_back(static_cast<char>(code)); break;
      case 0x2028:
      case 0x2029: escape(code); break;
      case 0xfffd: at == begin + 1 ? escape(code) : append_utf8(out, code); break;
      default: code < 0x20 ? escape(code) : append_utf8(out, code);
    }
  }
  out.push_back('"');
}

class JsonWriter {
 public:
  JsonWriter(std::string& out, bool escape_html, int indent)
      : out_(out), escape_html_(escape_html), indent_(static_cast<size_t>(indent)) {}

  void value(const TemplateValue& value, size_t depth) {
    if (out_.size() > kMaxPrintedBytes) return;
    if (depth > kMaxPrintedDepth) return void(out_.append("null"));
    switch (value.kind()) {
      case Kind::kText: return append_json_text(out_, value.as_text(), escape_html_);
      case Kind::kInteger: return void(out_.append(std::to_string(value.as_integer())));
      case Kind::kNumber: return append_json_number(out_, value.as_number());
      case Kind::kBool: return void(out_.append(value.as_bool() ? "true" : "false"));
      case Kind::kTime:
        out_.push_back('"');
        append_go_time(out_, "2006-01-02T15:04:05.999999999Z07:00", value.as_time());
        return out_.push_back('"');
      case Kind::kList: return list(value.as_list(), depth);
      case Kind::kMap: return map(value.as_map(), depth);
      default: out_.append("null");
    }
  }

 private:
  void line_break(size_t depth) {
    if (indent_ > 0) out_.append("\n").append(depth * indent_, ' ');
  }
  void list(const TemplateList& list, size_t depth) {
    out_.push_back('[');
    for (size_t i = 0; i < list.size; ++i) {
      if (i > 0) out_.push_back(',');
      line_break(depth + 1);
      value(list.items[i], depth + 1);
    }
    if (list.size > 0) line_break(depth);
    out_.push_back(']');
  }
  void map(const TemplateMap& map, size_t depth) {
    out_.push_back('{');
    for (size_t i = 0; i < map.size; ++i) {
      if (i > 0) out_.push_back(',');
      line_break(depth + 1);
      append_json_text(out_, map.members[i].name, escape_html_);
      out_.append(indent_ > 0 ? ": " : ":");
      value(map.members[i].value, depth + 1);
    }
    if (map.size > 0) line_break(depth);
    out_.push_back('}');
  }

  std::string& out_;
  const bool escape_html_;
  const size_t indent_;
};

bool is_whole(std::string_view raw) { return raw.find_first_of(".eE") == std::string_view::npos; }

}  // namespace

void append_json(std::string& out, const TemplateValue& value, bool escape_html, int indent) {
  JsonWriter(out, escape_html, indent).value(value, 0);
}

Result<TemplateValue> value_of_json(const JsonValue& json, TemplateMemory& memory, bool whole_numbers) {
  switch (json.kind) {
    case JsonKind::kString: {
      TRY(memory.charge(json.raw.size()));
      auto text = json_text(json, memory.arena()).value_or("");
      return json.escaped ? TemplateValue::text(text) : TemplateValue::text(memory.arena().copy(text));
    }
    case JsonKind::kTrue:
    case JsonKind::kFalse: return TemplateValue::boolean(json.kind == JsonKind::kTrue);
    case JsonKind::kNumber:
      if (whole_numbers && is_whole(json.raw)) {
        if (auto whole = parse_go_integer(json.raw, 10)) return TemplateValue::integer(*whole);
      }
      return TemplateValue::number(json_number(json.raw));
    case JsonKind::kArray: {
      std::vector<JsonValue> elements;
      json_elements(json, elements);
      TRY_LET(TemplateList * list, memory.list(elements.size()));
      for (size_t i = 0; i < elements.size(); ++i) {
        TRY_LET(list->items[i], value_of_json(elements[i], memory, whole_numbers));
      }
      return TemplateValue::list(list);
    }
    case JsonKind::kObject: {
      std::vector<JsonMember> members;
      json_members(json, members);
      TRY_LET(TemplateMap * map, memory.map(members.size()));
      for (size_t i = 0; i < members.size(); ++i) {
        TRY(memory.charge(members[i].name.raw.size()));
        auto name = json_text(members[i].name, memory.arena()).value_or("");
        map->members[i].name = members[i].name.escaped ? name : memory.arena().copy(name);
        TRY_LET(map->members[i].value, value_of_json(members[i].value, memory, whole_numbers));
      }
      map->adopt(members.size());
      return TemplateValue::map(map);
    }
    default: return TemplateValue::nil();
  }
}

}  // namespace pipeline
