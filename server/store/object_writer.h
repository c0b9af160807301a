// ObjectWriter: turns sorted entries into one object (format.h draws its bytes).
//
//   ObjectWriter writer(options, upload);
//   for each tenant in order, for each of its streams in order of LabelSet::operator<=>:
//     TRY(writer.append(tenant, labels, entries));       // sorted by time; again with later entries as often as needed
//   TRY_LET(ObjectSummary summary, writer.finish());     // then upload.commit(), then the catalogue
//
// Life:    one object per writer; after an error, or without finish(), the upload is to be given up.
// Thread:  one.
// Limits:  memory: one page and the small columns of one row group (about 1 MiB), and the directory (a few bytes per
//          page and per stream); with a filter, 5 MiB more, at most 9, and for ids as id_set.h says. Lines up to 64
//          MiB.
// Errors:  those of the upload. Entries out of order are an INVARIANT.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/store/columns.h"
#include "server/store/object_directory.h"
#include "server/store/object_store.h"
#include "server/store/page_codec.h"

namespace server {

struct ObjectWriterOptions {
  Ulid cluster{}, object{};
  int level = 0;
  PageEffort effort = PageEffort::kLeast;
  bool with_filter = false;  // a substring filter (page_filter.h) and an id set (id_set.h)
  // Lineage, written into the object so that the catalogue can be rebuilt from the bucket alone.
  std::vector<Ulid> inputs{};
  std::vector<ProducerRange> producers{};
  uint64_t deletes_applied = 0;  // see ObjectSummary, as the next
  uint64_t retention_seconds = 0;
  uint64_t last_frame = 0;  // see ObjectDirectory, as the next
  Ulid seal{};
};

class ObjectWriter {
 public:
  ObjectWriter(ObjectWriterOptions options, ObjectUpload& upload);
  ~ObjectWriter();
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  Result<void> append(std::string_view tenant, const pipeline::LabelSet& labels, const EntrySlice& entries);
  uint64_t streams() const;  // so far, as the next
  uint64_t stored_bytes() const;
  Result<ObjectSummary> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace server
