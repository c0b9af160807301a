// Heirs: what rotation made, while we did not look, of files that were known: their content elsewhere (compressed,
// copied, behind links), and files that came and went since, which nobody has seen under their live names.
//
// Such a file is told by its name and by where it stands: behind the newest known file of its lineage, which is not
// live any more. If that one is lost, rotation has deleted everything older, too: what is there is newer (for file
// sources only what was written to after our last read, for there any hand may have deleted it).
//
// Thread: loop. Reads folders and the heads of files: once a source, at its first scan.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/path_rules.h"
#include "agent/source/file_ledger.h"
#include "agent/source/successor.h"

namespace agent {

// What is said of a compressed file that follows nothing, where a pattern matches it.
constexpr const char* kReadOnlyAsHeir = "compressed: read only where it goes on with a file that was read before";

struct Heir {
  std::optional<KnownFile> known;  // nothing: never seen; that, or what was seen only empty, is read from its beginning
  std::string path;                // where it is
  std::string live_path;           // what it was called when it was written
  std::shared_ptr<FileHandle> handle;
};

// A known file that was found at its inode.
struct MetFile {
  std::shared_ptr<const KnownFile> known;  // never null
  InodeKey key;
  bool live = false;    // still called as when it was written
  bool reborn = false;  // the known one was seen only empty, and this one was made since at its inode
};

class Succession {
 public:
  // `taken`: inodes of met files. `offered`: of files that will be read under their own names.
  // `held`: is a file open that had this name a moment ago?
  using Held = std::function<bool(const std::string& path)>;
  Succession(const SourceOptions& options, const PathRules& rules, Successors::Taken taken, Successors::Taken offered,
             Held held);

  // Oldest first within a lineage; known ones first.
  std::vector<Heir> find(const std::vector<KnownFile>& missing, const std::vector<MetFile>& met);

 private:
  struct Member {
    uint64_t birth_order = 0;
    std::optional<InodeKey> key;  // nothing: lost, or blank and not at its inode
    bool live = false;
    bool blank = false;                  // nothing was read of it: which file it was, nobody can say
    bool reborn = false;                 // of blank ones: as MetFile
    const KnownFile* missing = nullptr;  // of blank ones that are not at their inodes
    bool in_place() const { return key && !reborn; }
    pipeline::UnixNanos last_read_time = 0;
    pipeline::UnixNanos known_until = 0;  // as KnownFile
  };
  using Lineages = std::map<std::string, std::vector<Member>>;
  std::string live_path(std::string_view path) const;
  void find_unseen(const std::string& live_path, std::vector<Member> members, std::vector<Heir>& heirs);
  std::vector<Heir> find_newer(const std::string& live_path, const Member& newest);
  void recognize(const std::string& live_path, const std::vector<Member>& members, std::vector<Heir>& heirs);

  const SourceOptions& options_;
  const PathRules& rules_;
  const Successors::Taken offered_;
  const Held held_;
  Successors search_;
};

}  // namespace agent
