// Targets as people and programs read them: JSON lines (`targets --json`), a table, and a page.
#pragma once

#include <string>
#include <vector>

#include "agent/discovery/target.h"
#include "agent/source/file_reader.h"

namespace agent {

// {"source","path","discovered":{...},"labels":{...},"state","reason"}, without a newline.
std::string target_json(const Target& target);

// For a terminal.
std::string targets_table(const std::vector<Target>& targets);

// `progress` adds size and read bytes where the path is known.
std::string targets_page(const std::vector<Target>& targets, const std::vector<FileReader::Progress>& progress);

}  // namespace agent
