// FileTable: every file that discovery holds open, its names, and what became of each name that matched a source.
//
// A name appears (see) or vanishes (lose); settle() then offers what is new to the readers, in birth order, and tells
// them what was renamed or is gone. So a rename, which is a loss and an appearance, is never taken for a deletion.
//
// A container's log whose pod is not known yet, where somebody is asked about pods, waits for that at most
// PodChoice::metadata_wait: open, so that nothing is lost, and unread. Its labels then come from its path; metadata
// that comes later changes them from then on. Of a pod that was deleted they stay as they are.
//
// A file called like a rotation of one that is read, and beginning like it, may be a copy whose original is truncated
// in a moment (copytruncate): it waits for that, 30 s at most. The reader then reads on in it; otherwise it is a new
// file.
//
// Thread:  loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/discovery/name_set.h"
#include "agent/discovery/path_rules.h"
#include "agent/discovery/pod_metadata.h"
#include "agent/discovery/succession.h"
#include "agent/discovery/target.h"
#include "agent/source/file_handle.h"
#include "agent/source/file_ledger.h"
#include "agent/source/file_reader.h"
#include "agent/source/open_files.h"
#include "pipeline/base/log.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/shared_text.h"

namespace agent {

struct SourceRules {
  std::shared_ptr<const SourceOptions> options;
  PathRules rules;
  const PodMetadata* metadata = nullptr;  // null: nobody is asked about pods
  bool removed = false;                   // by a change of the configuration; the rules match nothing
};

class FileTable {
 public:
  // `open_files`, where given, bounds how many of the files are open; it outlives the table.
  FileTable(const std::vector<SourceRules>& sources, FileLedger& ledger, pipeline::Registry& metrics,
            OpenFiles* open_files = nullptr);

  void add_reader(FileReceiver& reader) { readers_.push_back(&reader); }

  // The name `path` exists. `listed`: its inode as the folder's listing says (not of links). `renamed_from`: the name
  // it had a moment ago, which may be the only one that matched. Opens a new file at once.
  void see(const std::string& path, std::optional<InodeKey> listed, const std::string& renamed_from = {});
  void lose(const std::string& path);
  // Loses every name directly in `folder` that is not in `present`.
  void lose_others(const std::string& folder, const std::set<std::string>& present);
  void lose_below(const std::string& folder);

  void settle();
  void first_scan_done();

  using Now = std::function<std::chrono::milliseconds()>;
  void set_clock(Now now) { now_ = std::move(now); }
  // When a file that waits for metadata will have waited long enough; settle() is to be called then.
  std::optional<std::chrono::milliseconds> next_deadline() const;
  // What is known of these pods has changed. Includes settle().
  void pods_changed(const std::vector<PodId>& pods);
  bool has_files(const PodId& pod) const;  // a name of a log of it is there

  // These sources (by index) have other options than before; one that was removed has rules that match nothing. Files
  // that they want no more are withdrawn from the readers, others get their new labels. A scan and settle() then offer
  // what they want now; for those in `fresh` it is the first scan.
  void change_sources(const std::set<size_t>& changed, const std::set<size_t>& fresh);
  void changed_sources_scanned() { scanned_first_.clear(); }
  void finished(InodeKey key, size_t source);

  std::vector<Target> targets() const;

 private:
  struct Name {
    InodeKey key;
    bool open = false;    // key is in files_; otherwise nobody wanted it, or it could not be opened
    bool failed = false;  // try again with the next scan
    std::unique_ptr<std::vector<Target>> refused = {};  // dropped or failed, by source; null: none

    void refuse(Target target);  // in place of what it had of that source
    void forget_refused(const std::string& source);
  };
  using Names = std::map<pipeline::SharedText, Name, pipeline::SharedText::Order>;  // by path
  enum class State : uint8_t { kLive, kRotated, kGone };
  struct Offer {
    pipeline::SharedText path;       // what its labels are made from
    std::unique_ptr<Target> target;  // null: it follows from the path, as nobody is asked about pods
    uint64_t labels_hash = 0;        // of the labels that the reader has
    FileId id = {};
    uint32_t source = 0;
    uint16_t reader = 0;         // whose lineage it is; none, if there are no readers
    State state = State::kLive;  // as the reader was told
  };
  // What is asked of a file until all who want it have it.
  struct Fresh {
    int64_t modified_nanos = 0;
    uint64_t size_bytes = 0;
    std::vector<size_t> wanted_by;  // sources, until it is offered
    bool only_if_known = false;     // its name matches no source: only a file of a former run is wanted
    std::optional<std::chrono::milliseconds> suspected_until;  // perhaps a copy of a file that is read (copytruncate)
  };
  struct Held {
    std::shared_ptr<FileHandle> handle;
    pipeline::SharedText path;  // where it was first seen
    NameSet names;
    std::unique_ptr<Fresh> fresh;  // null: there are offers, and nobody waits
    std::vector<Offer> offers;
    uint32_t waiting = 0;  // sources for which it waits for metadata
  };
  struct Candidate {
    InodeKey key;
    size_t source = 0;
    std::shared_ptr<const KnownFile> known;  // null: never seen before
    FileIdentity identity;
    std::shared_ptr<FileHandle> handle;
    pipeline::SharedText path;  // what its labels are made from
    // Files of former runs in their old order, then their heirs, then the others by the time they were last written to.
    std::tuple<int, uint64_t, int64_t, bool, pipeline::SharedText> order;
    bool there_before = false;  // at the first scan of its source, and follows no file of a former run
  };
  struct Waiting {
    Candidate candidate;
    std::chrono::milliseconds deadline;
  };

  std::vector<size_t> sources_wanting(const std::string& path) const;
  std::vector<size_t> sources_knowing(InodeKey key) const;
  struct Wish {
    std::vector<size_t> sources;
    std::string first_path;
    bool only_if_known = false;
  };
  void open(const std::string& path, Wish wish);
  [[nodiscard]] bool still_wanted(InodeKey key, const Held& held, Offer& offer);
  void withdraw_unwanted(InodeKey key, Held& held, const std::set<size_t>& changed);
  bool want(InodeKey key, Held& held, std::vector<size_t> sources);  // false: it wants no offers
  Target target_of(const Offer& offer) const;
  Target describe(size_t source, const std::string& path, bool begun) const;
  bool is_known(size_t source, const std::string& path) const;
  bool postpone(const Candidate& candidate);
  void offer_waiting();
  void stop_waiting(const std::set<size_t>& sources);
  void reconsider(InodeKey key);
  bool read_by_other_pipeline(const Held& held, size_t source) const;
  void note_refused(const std::string& path, Target target);
  void drop_unwanted(InodeKey key);
  template <class Visit>
  void for_each_name(const PodId& pod, Visit visit) const;
  void refuse(const std::string& path, size_t source, std::string reason);
  void attach(const pipeline::SharedText& path, InodeKey key);
  void detach(const std::string& path, Name& name);
  void see_gzip(const std::string& path, std::optional<InodeKey> listed);
  void offer_fresh();
  static std::string head_of(const Held& held);
  std::vector<Candidate> fresh_candidates();
  // copy_suspicion.cc
  void sort_out_copies();
  [[nodiscard]] bool may_become_copy(Held& held);
  const Offer* live_offer_of(const std::string& path, size_t source) const;
  [[nodiscard]] bool is_listed(const SourceRules& source) const;
  void hand_out_found();
  void find_heirs(size_t source, std::vector<Candidate>& candidates);
  void note_followers(size_t source, const std::vector<KnownFile>& missing, const std::vector<MetFile>& met,
                      std::vector<Candidate>& candidates) const;
  void add_heir(size_t source, Heir heir, uint64_t order, std::vector<Candidate>& candidates);
  void offer(const Candidate& candidate);
  State state_of(const Held& held, size_t source) const;
  void tell_path(InodeKey key);
  void tell_state(InodeKey key);
  [[nodiscard]] bool is_replaced(InodeKey key, const std::string& path) const;
  void replace(InodeKey key);
  [[nodiscard]] bool no_descriptors() const { return open_files_ != nullptr && open_files_->full(); }
  static uint64_t start_position(const SourceOptions& options, const Held& held);
  static void note_fresh(Held& held, const FileHandle::Status& status);
  void let_go_of_fresh(Held& held);
  FileReceiver* reader_of(const Offer& offer) const { return readers_.empty() ? nullptr : readers_[offer.reader]; }

  const std::vector<SourceRules>& sources_;
  FileLedger& ledger_;
  OpenFiles* const open_files_;
  std::vector<FileReceiver*> readers_;

  std::unordered_map<InodeKey, Held> files_;
  Names names_;
  std::vector<InodeKey> fresh_;     // opened, not offered yet
  std::vector<InodeKey> suspects_;  // fresh, and perhaps copies
  std::vector<Waiting> waiting_;    // for metadata; in the order of their births
  Now now_ = [] { return std::chrono::milliseconds(0); };
  std::set<InodeKey> changed_;  // names came or went
  uint64_t last_birth_order_ = 0;
  bool first_scan_ = true;
  std::set<size_t> searched_;       // sources whose missing files were looked for
  std::set<size_t> scanned_first_;  // sources whose first scan this is, after a change
  std::shared_ptr<FoundFiles> found_ = std::make_shared<FoundFiles>();  // of a first scan; null: there is none now

  pipeline::Gauge& held_gauge_;
  pipeline::Counter& vanished_;
  pipeline::Counter& failures_;
  pipeline::LogLimiter failure_log_;
};

}  // namespace agent
