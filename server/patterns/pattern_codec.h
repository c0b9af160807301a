// What mining one object gave, as bytes for the catalogue, both ways.
//
//   u8 version = 1 | varint levels | for each: sized level | varint templates | for each: sized text |
//   varint counts | for each: signed varint bucket minus the one before | varint lines
//
// Thread: any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/patterns/template_miner.h"

namespace server {

using MinedLevels = std::map<std::string, std::vector<MinedTemplate>>;  // by level: "info", "error", "unknown"

std::string encode_patterns(const MinedLevels& levels);
// Nothing: malformed, or of another version.
std::optional<MinedLevels> decode_patterns(std::string_view bytes);

}  // namespace server
