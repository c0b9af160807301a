// JournalSource: the systemd journal as a source, on a thread of its own (libsystemd wants that, and waits for disks).
//
//   JournalReader --entries--> Parcel --> StreamReader ... settled --> CheckpointStore: the bookmarks of its lineages
//
// Each parcel carries the bookmarks behind its last entries; they are saved when it is settled, in order. A crash
// before that reads the same entries again, with the same times.
//
// Life, thread, errors: as StreamSource.
#pragma once

#include <memory>

#include "agent/stream/stream_source.h"

namespace agent {

std::unique_ptr<StreamSource> make_journal(const StreamParts& parts);

}  // namespace agent
