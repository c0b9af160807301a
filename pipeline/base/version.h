// Which program this is: for --version, /metrics and User-Agent.
#pragma once

#include <string>
#include <string_view>

namespace pipeline {

std::string_view version_number();    // "0.1.0"
std::string_view version_commit();    // "4bf4085", "unknown" outside a git checkout
std::string_view version_compiler();  // "gcc 12.2.0"

// What --version prints: "skidway-agent 0.1.0 (commit 4bf4085, gcc 12.2.0)".
std::string version_text(std::string_view program);

}  // namespace pipeline
