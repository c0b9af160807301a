// Upper and lower case of UTF-8 texts. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pipeline {

// As Go's strings.ToLower and ToUpper: each character by itself, bad bytes as U+FFFD.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

uint32_t lower_letter(uint32_t code);
uint32_t upper_letter(uint32_t code);
bool is_upper_letter(uint32_t code);
bool is_lower_letter(uint32_t code);
bool is_letter_or_digit(uint32_t code);

}  // namespace pipeline
