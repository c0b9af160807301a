// Counts what a program takes from the heap: link allocation_count.cc into a test, it replaces operator new.
//
// Thread: any; each counts its own.
#pragma once

#include <cstddef>

namespace server {

size_t allocation_count();  // of this thread, since it began

}  // namespace server
