#include "pipeline/parse/template_cast.h"

#include <cmath>

#include "pipeline/base/time_format.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_time.h"
#include "pipeline/parse/value_text.h"

namespace pipeline {

using Kind = TemplateValue::Kind;

Result<std::string_view> text_of(const TemplateCall& call, const TemplateValue& value) {
  if (value.is(Kind::kText)) return value.as_text();
  std::string text;
  append_go_value(text, value);
  TRY_LET(TemplateValue copy, call.memory().text(text));
  return copy.as_text();
}

int64_t integer_of(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kInteger: return value.as_integer();
    case Kind::kBool: return value.as_bool() ? 1 : 0;
    case Kind::kNumber: {
      double number = value.as_number();
      if (std::isnan(number)) return INT64_MIN;  // as Go's conversion on amd64
      if (std::fabs(number) >= 9.2233720368547758e18) return INT64_MIN;
      return static_cast<int64_t>(number);
    }
    case Kind::kText: {
      std::string_view text = value.as_text();
      size_t dot = text.find('.');
      bool decimal = dot != text.npos && dot > 0 && text.find_first_not_of("0123456789", dot + 1) == text.npos;
      if (decimal) text = text.substr(0, dot);
      return parse_go_integer(text, 0).value_or(0);
    }
    default: return 0;
  }
}

double number_of(const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kNumber: return value.as_number();
    case Kind::kText: return parse_go_float(value.as_text()).value_or(0);
    default: return static_cast<double>(integer_of(value));
  }
}

Result<std::vector<std::string_view>> texts_of(const TemplateCall& call, const TemplateValue& value) {
  std::vector<std::string_view> out;
  if (value.is_absent()) return out;
  if (!value.is(Kind::kList)) {
    TRY_LET(std::string_view text, text_of(call, value));
    out.push_back(text);
    return out;
  }
  for (const TemplateValue& item : value.as_list()) {
    if (item.is_absent()) continue;
    TRY_LET(std::string_view text, text_of(call, item));
    out.push_back(text);
  }
  return out;
}

bool is_empty(const TemplateValue& value) { return !value.is(Kind::kTime) && !is_true(value); }

Result<TemplateValue> list_of_texts(const TemplateCall& call, const std::vector<std::string_view>& texts) {
  TRY_LET(TemplateList * list, call.memory().list(texts.size(), TemplateList::Type::kTexts));
  for (size_t i = 0; i < texts.size(); ++i) list->items[i] = TemplateValue::text(texts[i]);
  return TemplateValue::list(list);
}

Result<TemplateValue> part_of_list(const TemplateCall& call, const TemplateList& list, size_t begin, size_t end) {
  TRY_LET(TemplateList * part, call.memory().list(0, list.type));
  part->items = list.items + begin;
  part->size = end - begin;
  return TemplateValue::list(part);
}

void append_query_escaped(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
                 c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kHex[c & 0xf]);
    }
  }
}

tl::unexpected<Error> out_of_range(int64_t begin, int64_t end, size_t size) {
  auto length = static_cast<int64_t>(size);
  std::string where;
  if (end < 0) {
    where = concat("[:", end, "]");
  } else if (end > length) {
    where = concat("[:", end, "] with length ", length);
  } else if (begin < 0) {
    where = concat("[", begin, ":]");
  } else {
    where = concat("[", begin, ":", end, "]");
  }
  return fail(Errc::kInvalid, "runtime error: slice bounds out of range " + where);
}

Result<TemplateTime> parse_template_time(const TemplateCall& call, std::string_view layout, std::string_view text,
                                         const TimeZone* zone) {
  TRY_LET(CivilTime civil, GoTimeLayout::compile(layout).parse(text));
  int64_t local = days_from_civil(civil.year, civil.month, civil.day) * 86400 + civil.hour * 3600 + civil.minute * 60 +
                  civil.second;
  TemplateTime out{.seconds = local, .nanos = civil.nanos, .zone = zone};
  auto known = zone != nullptr && !civil.zone_name.empty() ? zone->abbreviation(civil.zone_name, local) : std::nullopt;
  if (civil.offset) {
    out.seconds -= *civil.offset;
    if (zone != nullptr && zone->offset_at(out.seconds) == *civil.offset) return out;
    out.offset = *civil.offset;
    out.zone = out.offset == 0 ? call.run.zone("UTC") : nullptr;
  } else if (known) {
    out.seconds -= *known;
  } else if (!civil.zone_name.empty()) {
    TRY_LET(TemplateValue name, call.memory().text(civil.zone_name));
    out.zone = nullptr;
    out.zone_name = name.as_text();
  } else if (zone != nullptr) {
    out.seconds = zone->instant_of(local);
  }
  return out;
}

TemplateTime zero_time(const TemplateCall& call) {
  return {.seconds = -62'135'596'800, .nanos = 0, .zone = call.run.zone("UTC")};
}

}  // namespace pipeline
