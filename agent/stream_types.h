// StreamTypes: the types of sources that are no files, by the name they have in a configuration.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/stream/stream_source.h"
#include "pipeline/config/config.h"

namespace agent {

struct StreamType {
  std::string_view name;
  // The keys of the type's own; errors go to the document of the table.
  std::shared_ptr<const StreamOptions> (*read)(const pipeline::ConfigTable& table);
  std::unique_ptr<StreamSource> (*make)(const StreamParts& parts);
  bool can_be_read_again = false;  // its cursors say from where: StreamParts::cursors
  bool asks_for_rules = false;     // what it reads depends on the relabel rules: other rules, and it begins anew
};

const StreamType* find_stream_type(std::string_view name);  // null: there is none
std::vector<std::string_view> stream_type_names();

}  // namespace agent
