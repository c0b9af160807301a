// How long the tests with random queries run, and from which seed. By hand: QUERY_TEST_ROUNDS=20 runs each of them
// twenty times as long, QUERY_TEST_SEED=123 repeats what printed that seed.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace server {

inline int random_rounds(int registered) {
  const char* factor = std::getenv("QUERY_TEST_ROUNDS");
  return factor == nullptr ? registered : registered * std::atoi(factor);
}

inline uint64_t random_seed() {
  const char* seed = std::getenv("QUERY_TEST_SEED");
  return seed == nullptr ? std::random_device()() : std::strtoull(seed, nullptr, 10);
}

}  // namespace server
