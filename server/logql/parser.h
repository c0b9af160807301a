// Text to syntax tree.
//
// Errors:  kInvalid, with Loki's texts: `parse error at line 1, col 11: syntax error: unexpected $end, expecting } or
//          ,` for what the grammar refuses, `parse error : ...` for what has no meaning. Only the first is told.
// Limits:  a query of 131072 bytes or more is refused; so are more than 200 levels of nesting and more
//          than 1000 operators.
// Thread:  any.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/syntax.h"

namespace server {

using pipeline::Result;

// A whole query. Every selector in it has a matcher that does not match the empty value.
Result<Expr> parse_query(std::string_view text);

// Whether a selector without such a matcher is fine.
enum class EmptyMatchers { kRefuse, kAllow };

// A selector alone, as the endpoints for series and labels take it; anything else is `only label matchers are
// supported`.
Result<Selector> parse_selector(std::string_view text, EmptyMatchers empty);

// Matchers for use; they were checked when the selector was parsed.
std::vector<pipeline::Matcher> compile_selector(const Selector& selector);

}  // namespace server
