// Newlines of a block or page as offsets, 32 bytes a step (AVX2 where the CPU has it, else SSE2). Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pipeline {

// Appends the offset of every '\n' in `text` to `ends`: line k is [ends[k - 1] + 1, ends[k]), the first begins at 0.
// What follows the last newline is not a line. `text` is below 4 GiB.
void find_newlines(std::string_view text, std::vector<uint32_t>& ends);

size_t count_newlines(std::string_view text);

}  // namespace pipeline
