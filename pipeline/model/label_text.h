// The text of a stream's labels as a push has it, read as Prometheus reads a metric: {app="api", env='prod',}. Errors
// are Prometheus', which Loki's clients know: `1:15: parse error: unexpected character inside braces: '-'`.
//
// Thread: any.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"

namespace pipeline {

// The labels as they stand, repeated names too, without those of an empty value. A name before the braces is the label
// __name__, as is a quoted text alone within them; no text at all is no labels; from # to the end of a line is a
// comment. Names in quotes must be label names like others. Where we refuse with Prometheus' own words, the line and
// the column are those of the token that was one too many.
Result<std::vector<Label>> parse_label_text(std::string_view text);

}  // namespace pipeline
