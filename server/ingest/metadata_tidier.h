// MetadataTidier: structured metadata as Loki stores it: characters of a name outside [A-Za-z0-9_] become "_" and runs
// of
// "_" one, a leading digit gets "key_" before it, U+FFFD in values becomes a space, pairs without a value vanish. Names
// that begin and end with "__" are kept as they are.
//
// Thread: one.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/model/batch.h"
#include "server/store/columns.h"

namespace server {

class MetadataTidier {
 public:
  // The result holds until the next call, and as long as what `metadata` looks at. kInvalid: a name without any letter
  // or digit.
  pipeline::Result<std::span<const MetadataPair>> tidy(std::span<const pipeline::Metadata> metadata);

 private:
  pipeline::Result<std::string_view> tidy_name(std::string_view name);
  std::string_view tidy_value(std::string_view value);

  std::vector<MetadataPair> pairs_;
  pipeline::Arena arena_;
};

}  // namespace server
