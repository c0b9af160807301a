// INVARIANT: a wrong program stops here, also in release builds. Wrong *input* is never an invariant; it is a Result.
#pragma once

#include <cstdio>
#include <cstdlib>

#define INVARIANT(condition)                                                                 \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)

// For hot paths: checked in debug and sanitizer builds only.
#ifdef NDEBUG
#define DEBUG_INVARIANT(condition) \
  do {                             \
  } while (false)
#else
#define DEBUG_INVARIANT(condition) INVARIANT(condition)
#endif
