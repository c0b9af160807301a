// How template functions turn their arguments into what they work with (Sprig's strval and cast). For the template_*
// files of this room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parse/template_function.h"

namespace pipeline {

// The text of any value, as %v; texts as they are. The view may lie in the run's memory.
Result<std::string_view> text_of(const TemplateCall& call, const TemplateValue& value);
// Numeric texts with 0x, 0b, 0o and leading zeros too; what is no number is 0.
int64_t integer_of(const TemplateValue& value);
double number_of(const TemplateValue& value);
// The texts of a list; nil: none; another value: its own text alone.
Result<std::vector<std::string_view>> texts_of(const TemplateCall& call, const TemplateValue& value);
// Sprig's empty(): nil, "", 0, false, no elements.
bool is_empty(const TemplateValue& value);

Result<TemplateValue> list_of_texts(const TemplateCall& call, const std::vector<std::string_view>& texts);  // views
Result<TemplateValue> part_of_list(const TemplateCall& call, const TemplateList& list, size_t begin, size_t end);

// url.QueryEscape.
void append_query_escaped(std::string& out, std::string_view text);

// Go's panic: `runtime error: slice bounds out of range [5:2]`.
tl::unexpected<Error> out_of_range(int64_t begin, int64_t end, size_t size);

// Reads `text` by a Go layout; where it has no zone, in `zone`.
Result<TemplateTime> parse_template_time(const TemplateCall& call, std::string_view layout, std::string_view text,
                                         const TimeZone* zone);
// Year 1: what a time that could not be read is.
TemplateTime zero_time(const TemplateCall& call);

}  // namespace pipeline
