// A thread that gives way: to the loop, to queries that have hardly begun, to pushes, and to other programs.
//
// Thread: any; for good, since a thread may not take it back without rights.
#pragma once

namespace server {

// Of the calling thread: a low priority, so that others get most of the processor while they want it; and, where the
// kernel knows such (Linux 6.12), a long slice, so that others get it at once: a thread that wakes up takes over from
// one with a longer slice than its own without waiting for its end.
void run_in_background();

}  // namespace server
