// BatchNumber: the name of one push of a Skidway agent; a push that carries one is stored once however often it is
// sent.
//
// HTTP: `X-Skidway-Batch: <producer uuid>/<epoch>/<seq>`, for example
// `X-Skidway-Batch: 6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/7/4211`. Thread: any.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/hash.h"
#include "pipeline/base/result.h"

namespace server {

struct BatchNumber {
  pipeline::Hash128 producer;  // a uuid: one sink of one agent; never a hash here
  uint64_t epoch = 0;          // raised by each start of the agent
  uint64_t seq = 0;

  auto operator<=>(const BatchNumber&) const = default;
};

// kInvalid names the header and what is wrong with it.
pipeline::Result<BatchNumber> parse_batch_number(std::string_view header);

std::string format_batch_number(const BatchNumber& number);

// The uuid text of a producer, as in the header and in the catalogue.
std::string format_producer(const pipeline::Hash128& producer);
std::optional<pipeline::Hash128> parse_producer(std::string_view uuid);

}  // namespace server
