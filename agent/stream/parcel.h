// Parcel: what a source that is no file hands over at once: the entries of one request, one read of a socket, some
// entries of the journal. Owns its texts. Thread: one at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/batch.h"
#include "pipeline/model/label_set.h"

namespace agent {

class Parcel {
 public:
  struct Entry {
    size_t labels = 0;             // index into label_sets()
    pipeline::UnixNanos time = 0;  // 0: the time at which it is read
    std::string_view line;
    size_t metadata_begin = 0, metadata_count = 0;
  };

  // Labels as discovered: `__syslog_...` for the relabel rules, and those the entry is to have. Answers their index.
  size_t add_labels(pipeline::LabelSet labels);

  // Copies the texts.
  void add(size_t labels, pipeline::UnixNanos time, std::string_view line,
           std::span<const pipeline::Metadata> metadata = {});
  // The same without a copy, for texts that live as long as what was given to keep().
  void add_kept(size_t labels, pipeline::UnixNanos time, std::string_view line,
                std::span<const pipeline::Metadata> metadata = {});
  void keep(std::shared_ptr<const void> owner, size_t bytes);

  bool empty() const { return entries_.empty(); }
  const std::vector<pipeline::LabelSet>& label_sets() const { return label_sets_; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::span<const pipeline::Metadata> metadata(const Entry& entry) const {
    return {metadata_.data() + entry.metadata_begin, entry.metadata_count};
  }
  size_t bytes() const;  // of memory, about
  uint64_t line_bytes() const { return line_bytes_; }

  // Entries of one lane keep their order and share what the stages hold (a multiline block): a connection, a container.
  uint64_t lane = 0;
  std::string origin;      // who they are from, where `whereis` is to tell it apart: a container's name; of a lane one
  bool ends_lane = false;  // nothing more comes on this lane: what the stages hold of it goes on
  bool client_waits = false;  // somebody waits for the settlement: batches are closed soon

 private:
  std::vector<pipeline::LabelSet> label_sets_;
  std::vector<Entry> entries_;
  std::vector<pipeline::Metadata> metadata_;
  pipeline::Arena arena_;
  std::vector<std::shared_ptr<const void>> kept_;
  size_t kept_bytes_ = 0;
  uint64_t line_bytes_ = 0;
};

}  // namespace agent
