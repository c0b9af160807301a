// Bytes as texts: hexadecimal, base64 and base32 (RFC 4648). Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

void append_hex(std::string& out, std::string_view bytes);     // lower case
void append_base64(std::string& out, std::string_view bytes);  // padded
void append_base32(std::string& out, std::string_view bytes);  // padded
// Line ends are ignored. kInvalid: `illegal base64 data at input byte 4`.
Result<std::string> decode_base64(std::string_view text);
Result<std::string> decode_base32(std::string_view text);

}  // namespace pipeline
