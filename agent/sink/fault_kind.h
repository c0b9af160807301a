// What kind of fault an answer is, in one word for people and metrics: of a server's refusal the words of Loki's
// discard reasons. Thread: any.
#pragma once

#include <string_view>

#include "agent/sink/push_answer.h"

namespace agent {

// "dns", "tls", "refused", "timeout", "network" without an answer; "unauthorized", "forbidden", "rate_limited",
// "server_error"; "too_large", "line_too_long", "max_label_names_per_series", "label_name_too_long",
// "label_value_too_long", "invalid_labels", "greater_than_max_sample_age", "too_far_behind", "too_far_in_future",
// "stream_limit"; else "rejected".
std::string_view fault_kind(const PushAnswer& answer);

}  // namespace agent
