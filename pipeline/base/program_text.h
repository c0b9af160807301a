// Program text: the machine code of this program and its libraries in memory. A start runs through much code that is
// never needed again (settings, TLS tables, the loader), and its pages count as the process' memory (RSS) ever after.
//
// Source:  dl_iterate_phdr(3), madvise(2) MADV_DONTNEED: a page of code is a copy of the file and is mapped again when
//          it is next run, from the page cache, 16 pages at a time.
// Limits:  breakpoints that a debugger has set in code by then are forgotten.
#pragma once

#include <cstdint>

namespace pipeline {

// Lets go of all pages of code; what is still run comes back by itself within microseconds a page. Data is not touched.
// Returns how many bytes of code there are. Thread: any.
uint64_t release_program_text();

}  // namespace pipeline
