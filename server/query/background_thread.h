// A thread that gives way: to the loop, to queries that have hardly begun, to pushes, and to other programs.
//
// Thread: the calling one; for good, since a thread may not take it back without rights. Threads that it makes are in
//         the background, too.
#pragma once

namespace server {

// A low priority: others get most of the processor while they want it, and it takes the processor from nobody when it
// wakes up.
void run_in_background();

// To be called often by such a thread, each time it has worked for some 100 us. A thread of low priority that others
// kept waiting may be owed milliseconds, and until these are used up, or the next tick comes, even one of high priority
// that wakes up has to wait: here it does without them.
void give_way();

}  // namespace server
