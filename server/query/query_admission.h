// What the limits of a tenant say of a query before anything of it is read, with Loki's texts.
//
// Thread: any. Errors: kInvalid (HTTP 400).
#pragma once

#include <string_view>

#include "pipeline/base/clock.h"
#include "server/limits/tenant_limits.h"
#include "server/logql/syntax.h"

namespace server {

// max_query_length.
pipeline::Result<void> check_length(const TenantLimits& limits, pipeline::UnixNanos start, pipeline::UnixNanos end);

// blocked_queries, max_streams_matchers_per_query, required_labels, minimum_labels_number, max_query_range. `text`: as
// the query was sent.
pipeline::Result<void> check_query(const TenantLimits& limits, const Expr& expr, std::string_view text);

// max_query_bytes_read, given how much the index says there is.
pipeline::Result<void> check_bytes(const TenantLimits& limits, uint64_t bytes);

// "1.5 GiB", "512 B": as dustin/go-humanize writes sizes.
std::string human_bytes(uint64_t bytes);

}  // namespace server
