// ANSI colour sequences, as decolorize deletes them (logql.md 4.14, agent.md 5.11). Thread: any.
#pragma once

#include <string>
#include <string_view>

namespace pipeline {

bool has_color_codes(std::string_view line);  // may be wrong when it says yes
void append_without_colors(std::string& out, std::string_view line);

}  // namespace pipeline
