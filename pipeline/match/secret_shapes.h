// What surrounds a trigger: whether it is a secret, and from where to where. For secret_scanner.cc.
//
// Each gets a line and the offset that SecretTriggers reported, and looks at a bounded distance around it; `done` is
// how far the same function has looked before, so that a long run of token characters is read once.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace pipeline {

struct TextSpan {
  size_t begin = 0, end = 0;
};

std::optional<TextSpan> email_at(std::string_view line, size_t at);
std::optional<TextSpan> ipv4_at(std::string_view line, size_t third_dot);
std::optional<TextSpan> ipv6_at(std::string_view line, size_t colon);
std::optional<TextSpan> card_at(std::string_view line, size_t digit);
std::optional<TextSpan> jwt_at(std::string_view line, size_t letter_y, size_t& done);
std::optional<TextSpan> aws_access_key_at(std::string_view line, size_t letter_i);
std::optional<TextSpan> aws_secret_key_at(std::string_view line, size_t letter_e);
std::optional<TextSpan> bearer_token_at(std::string_view line, size_t letter_b);

// To the end of its END line; without one to the end of `line`, and then `open`.
std::optional<TextSpan> private_key_at(std::string_view line, size_t fourth_dash, bool& open);

}  // namespace pipeline
