// Differences of two short texts, line by line, as people know them: lines behind "-" are only in the first, behind "+"
// only in the second, behind " " in both. Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agent {

// Empty where both are equal. Time and memory grow with the product of the sizes.
std::string line_diff(const std::vector<std::string>& first, const std::vector<std::string>& second);

// The lines of `text` that begin with `prefix`.
std::vector<std::string> lines_with(std::string_view text, std::string_view prefix);

}  // namespace agent
