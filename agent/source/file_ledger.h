// FileLedger: which files are known from former runs, by identity, and how far the sinks have them. A seam, so that
// reading and discovery are tested without a database; StoreLedger is the real one.
//
// Thread: any (implementations lock). Calls come per file, never per line, and answer from memory.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/source/file_identity.h"
#include "agent/source/source_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/shared_text.h"

namespace agent {

struct KnownFile {
  FileId id;
  FileIdentity identity;
  pipeline::SharedText path;  // where it was first seen: labels are made from this, wherever the file is now
  uint64_t position = 0;      // where reading resumes: the lowest of the positions of the source's sinks
  pipeline::UnixNanos last_read_time = 0;    // given to a line of it; later ones must be above
  uint64_t birth_order = 0;                  // as of its first sight
  pipeline::UnixNanos known_until = 0;       // an earlier run surely had it then; 0: nobody can say
  std::optional<uint64_t> cut_line_at = {};  // see Cursor; of a file released in this run
  // Nothing was read of it, and it has its first name; it has grown, or was empty and is: perhaps another at a reused
  // inode, so it comes behind all files that were there before.
  bool is_anew = false;
};

class FileLedger {
 public:
  virtual ~FileLedger() = default;

  // Is any file of this source known at this inode, apart from released ones? Asked for names that match no pattern: a
  // file may have been rotated while the agent was down.
  virtual bool knows(const SourceOptions& source, InodeKey key) const = 0;

  // The known file at `key` whose identity matches `head` (the longest fingerprint of several) and that has not become
  // shorter than what was read of it; nothing: never seen before. A file is found once. `path`: where it is now; a
  // fingerprint of few bytes is believed only in the folder where the file was before; if nothing was read of the file
  // and it was empty or has grown since, only under its name, or a rotation of it: otherwise it is another at a reused
  // inode.
  virtual std::optional<KnownFile> find(const SourceOptions& source, InodeKey key, const pipeline::SharedText& path,
                                        std::string_view head, uint64_t size_bytes) = 0;

  // Files of former runs that find() has not found. The caller looks for what rotation made of them, and claims those
  // it finds: they are known then as if find() had found them.
  virtual std::vector<KnownFile> missing(const SourceOptions& source) const = 0;
  virtual void claim(FileId file) = 0;
  virtual void give_back(FileId file) = 0;  // as if it had not been found, or claimed

  // What is_anew gets another place among its elders.
  virtual void set_birth_order(FileId file, uint64_t birth_order) = 0;
  virtual FileId adopt(const SourceOptions& source, const FileIdentity& identity, const pipeline::SharedText& path,
                       uint64_t birth_order) = 0;
  // The fingerprint has grown; or the rest is read from a copy, which has another inode.
  virtual void update(FileId file, const FileIdentity& identity) = 0;
  // Is the file at `key` a copy that is read as one of this source's files (as update() has told)?
  virtual bool is_copy(const SourceOptions& source, InodeKey key) const = 0;
  // Does something at another inode that begins with `head` begin like this file, as far as we have read it?
  virtual bool begins_like(FileId file, std::string_view head) const = 0;

  // The reader lets go of a file that it has read, and handed to the sinks, up to `position`: a source of the same name
  // may find it again by find(), also after a restart, if it wants its name.
  virtual void release(FileId file, uint64_t position, std::optional<uint64_t> cut_line_at) = 0;

  // `file` is gone and was read to `end`: it is forgotten once every sink is past that.
  virtual void finished(FileId file, uint64_t end) = 0;

  // The first scan is complete: known files of these sources that were not found are gone for good. What was not read
  // of them is lost (their size is unknown, so this is said per file, not counted in bytes). Sources whose folders
  // could not be listed (not mounted yet) are left out: their files may still be found.
  virtual void first_scan_done(const std::set<std::string>& sources) = 0;

  // All files that were found by it are adopted, or claimed and updated: the next run knows them. Until then nothing of
  // these sources is forgotten, so that a run that dies before is followed by one that finds the same.
  virtual void first_scan_kept(const std::string& source) = 0;

  // `bytes` of `file` that end at or before `end` reach no sink of its source, for this reason.
  virtual void dropped(const SourceOptions&, FileId, std::string_view /*reason*/, uint64_t /*bytes*/,
                       uint64_t /*end*/) {}

  // The same for one sink alone (an index, as in SourceOptions::sinks).
  virtual void dropped_by(size_t /*sink*/, FileId, std::string_view /*reason*/, uint64_t /*bytes*/, uint64_t /*end*/) {}

  virtual uint64_t last_birth_order() const = 0;  // the highest known at the start
};

}  // namespace agent
