// JournalOptions: what a [[source]] of type "journal" says of its own. The keys stand in README.md.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "agent/journal/journal_fields.h"
#include "agent/journal/journal_files.h"
#include "agent/source/source_options.h"
#include "pipeline/config/config.h"

namespace agent {

struct JournalOptions final : StreamOptions {
  std::string place() const override;

  JournalPlace where;
  std::vector<std::string> matches;
  std::chrono::nanoseconds max_age = std::chrono::hours(7);  // 0: from the oldest entry on
  bool as_json = false;
  JournalFields fields;
  size_t max_line_bytes = kDefaultMaxLineBytes;
};

// Faults go to the document of the table.
std::shared_ptr<const StreamOptions> read_journal(const pipeline::ConfigTable& table);

}  // namespace agent
