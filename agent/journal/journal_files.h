// JournalFiles: which journal files there are, and which of them belong together.
//
// A lineage is what one journald (or systemd-journal-remote) writes one entry after the other: its active file, the
// ones it rotated, and those of users beside them. Its files carry one sequence number id in their headers:
//
//   u8[8] "LPKSHHRH" | le32 compatible, incompatible | u8 state, [7] | u8[16] file id, machine id, boot id,
//   sequence number id | ...                          (systemd.io/JOURNAL_FILE_FORMAT)
//
// Lineages are read apart from each other, each from its own bookmark: an entry that a machine uploads late is older
// than what others have sent long ago, and is read all the same.
//
// Thread:  one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/base/result.h"

namespace agent {

// Where to look: `path` (a folder or one file), or where this machine's journald writes to.
struct JournalPlace {
  std::string path;
  // Of journald: "" the default one, "*" all, "+NAME" NAME and the default one. Not for a path to one file.
  std::string name_space;
  std::string root;  // before /var/log/journal, /run/log/journal and /etc/machine-id; for tests
};

struct JournalFile {
  std::string path;
  uint64_t dev = 0, inode = 0;
  bool operator==(const JournalFile&) const = default;
};

bool exists(const JournalFile& file);  // under its path, the same one

struct JournalLineage {
  std::string machine;  // the folder's name, which is that of its machine (and name space)
  std::vector<JournalFile> files;
};

struct JournalListing {
  std::vector<std::string> folders;                // that exist, the ones to watch
  std::map<std::string, JournalLineage> lineages;  // by sequence number id, as 32 hexadecimal digits
  struct Fault {
    std::string path;
    pipeline::Error error;
  };
  std::vector<Fault> faults;  // what is there and cannot be read
};

// kNotFound: there is no folder to look into; kIo: none that may be read.
pipeline::Result<JournalListing> list_journals(const JournalPlace& place);

// What happens in the folders of a listing.
class JournalWatch {
 public:
  JournalWatch();
  ~JournalWatch();
  JournalWatch(const JournalWatch&) = delete;
  JournalWatch& operator=(const JournalWatch&) = delete;

  // False: not all of them can be watched; look now and then.
  bool watch(const std::vector<std::string>& folders);
  int fd() const { return fd_; }

  struct Events {
    bool names = false;             // files came or went, or events were lost: list again
    std::set<std::string> written;  // paths
  };
  Events take();

 private:
  const int fd_;
  std::unordered_map<int, std::string> folders_;
};

}  // namespace agent
