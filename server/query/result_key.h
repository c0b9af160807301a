// What the answer of a metric query depends on, as a key for the results cache: tenant, query, instants, the objects
// that hold entries of the tenant in the windows of the query, requests to delete that are in force, and, where entries
// of the head lie in them, how far the head goes. Another object, a merge, a late push: another key. So a cached answer
// is as exact as a new one, and needs no expiry.
//
// Thread: any.
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/base/hash.h"
#include "server/ingest/read_view.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

struct ResultKey {
  pipeline::Hash128 hash;
  // Nothing of the head is in it: other servers, and this one after a restart, come to the same key for the same
  // answer.
  bool may_be_shared = false;
};

struct ResultQuestion {
  std::string_view tenant;
  std::string_view text;  // of the query
  const Expr& expr;       // the same, understood
  const StepGrid& grid;
};

// Nothing: the query reads no entries, there is nothing to save.
std::optional<ResultKey> result_key(const ResultQuestion& question, const ReadView& view);

}  // namespace server
