// A query as format_query shows it: on one line where it is short, else over several, each indented by its depth.
//
//   sum by (app)(
//     count_over_time(
//       {cluster="eu", app="api"}
//         |= "error"
//         | json [5m]
//     )
//   )
//
// Thread: any. Source of the form: Loki 3.7's formatter, whose line breaks and blanks are kept, odd ones too.
#pragma once

#include <string>

#include "server/logql/syntax.h"

namespace server {

inline constexpr size_t kPrettyLineLength = 100;  // Loki's: a longer expression is broken up

std::string pretty_text(const Expr& expr, size_t line_length = kPrettyLineLength);

}  // namespace server
