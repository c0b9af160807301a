// Snappy decoder: what a snappy block holds, in about two thirds of the time that the library takes for logs, which is
// full of short elements: all kinds of them take the same way through the loop, and are copied 16 bytes at a time.
//
// Thread: any. Errors: nothing is read or written outside of what is given, whatever the bytes are.
#pragma once

#include <cstddef>
#include <string_view>

namespace pipeline {

// The elements of a block, without the length in front (snappy_encoder.h draws them), into exactly `size` bytes at
// `out`. False: they are not well formed or give another number of bytes; what is at `out` is then anything.
bool decode_snappy_elements(std::string_view elements, char* out, size_t size);

}  // namespace pipeline
