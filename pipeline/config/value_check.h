// Checks of the kinds of values in the words of Alloy, for what has its names: stages and relabel rules.
// Thread: as ConfigTable.
#pragma once

#include <string_view>

#include "pipeline/config/config.h"

namespace pipeline {

// True if the value of `key` is of the kind (string, number, bool, array or object), or there is none; else a fault at
// the key: `modulus: "many" should be number, got string; write a number without quotes`. The second is about the
// elements of an array or the values of a table.
bool check_kind(const ConfigTable& table, std::string_view key, std::string_view wanted);
bool check_element_kinds(const ConfigTable& table, std::string_view key, std::string_view wanted);

}  // namespace pipeline
