// The time that a server believed last, in a file of its data folder, for the next one: a clock that is far ahead of it
// at the start is not believed at once (compact/sober_clock.h). A number of nanoseconds since 1970, and a line end.
//
// Thread: any; blocks. Errors: reading: 0, as where there is none. Writing: of the files; it is tried again in a
// minute.
#pragma once

#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"

namespace server {

pipeline::UnixNanos read_clock_file(pipeline::FileSystem& files, const std::string& path);
pipeline::Result<void> write_clock_file(pipeline::FileSystem& files, const std::string& path, pipeline::UnixNanos time);

}  // namespace server
