// MetadataGroups: the rows of a page by the structured metadata that matter to a query: rows of one group have the same
// values of the wanted names. Made from the columns of the page (format.h), without a string per row.
//
// Thread: any. Errors: kCorrupt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace server {

struct MetadataGroups {
  std::vector<uint32_t> group_of;     // by row; empty: every row is of group 0
  std::vector<std::string> metadata;  // of each group, as MetadataView has it; empty: see below

  // False: too many rows differ from each other; look at each of them.
  bool exist() const { return !metadata.empty(); }
};

// From the decoded bytes of a metadata page. `names`: of the object's keys; `wanted`: nullptr stands for all names.
pipeline::Result<void> group_metadata_columns(std::string_view raw, uint32_t rows,
                                              const std::vector<std::string>& names,
                                              const std::vector<std::string>* wanted, MetadataGroups& groups);

}  // namespace server
