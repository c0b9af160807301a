// The levels and the words for them.
//
// Thread: any.
#pragma once

#include <optional>
#include <string_view>

namespace server {

// trace debug info warn error critical fatal, for any usual form of it in any case: "WRN", "Information". Nothing else.
std::optional<std::string_view> level_of(std::string_view text);

// The level of the first whole word of the text that is one: `trace debug fatal critical error err warning warn info`
// in any case, between blanks, brackets, quotes, '=' and the like. Nothing where there is none.
std::optional<std::string_view> first_level_word(std::string_view text);

}  // namespace server
