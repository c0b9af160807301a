#include "server/cache/admission.h"

#include <doctest/doctest.h>
#include <string>

#include "pipeline/base/hash.h"

using namespace server;

namespace {
uint64_t thing(int number) { return pipeline::hash64(std::to_string(number)); }
}  // namespace

TEST_SUITE("cache") {
  TEST_CASE("cache: what is asked for often is not pushed out by what is asked for once") {
    Admission admission;
    for (int i = 0; i < 8; ++i) admission.note(thing(1));
    admission.note(thing(2));
    CHECK_FALSE(admission.prefers(thing(2), thing(1)));
    CHECK(admission.prefers(thing(1), thing(2)));
    CHECK(admission.prefers(thing(2), thing(3)));
  }

  TEST_CASE("cache: what was asked for long ago fades") {
    Admission admission(64);
    for (int i = 0; i < 15; ++i) admission.note(thing(1));
    for (int i = 100; i < 100 + 64 * 8; ++i) admission.note(thing(i));
    CHECK(admission.count(thing(1)) < 15);
  }
}
