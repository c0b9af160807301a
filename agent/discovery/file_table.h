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
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/discovery/held_file.h"
#include "agent/discovery/name_table.h"
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
  [[nodiscard]] bool has_names_below(const std::string& folder) const;
  // Loses every name directly in `folder` that is not in `present`.
  void lose_others(const std::string& folder, const std::set<std::string>& present);
  void lose_below(const std::string& folder);
  void miss_folder();  // one that was gone before it could be looked into: counted, its files are not known

  void settle();
  void first_scan_done();

  using Now = std::function<std::chrono::milliseconds()>;
  void set_clock(Now now) { now_ = std::move(now); }
  // Takes the last handle of a finished file. Where that file is deleted, closing it frees its blocks, which may take
  // milliseconds of disk: of thousands at once that would hold the loop up. Without one they are closed at once.
  using Closer = std::function<void(std::shared_ptr<FileHandle>)>;
  void set_closer(Closer closer) { closer_ = std::move(closer); }
  // When a file that waits for metadata will have waited long enough; settle() is to be called then.
  std::optional<std::chrono::milliseconds> next_deadline() const;
  // What is known of these pods has changed. Includes settle().
  void pods_changed(const std::vector<PodId>& pods);
  bool has_files(const PodId& pod) const;  // a name of a log of it is there

  // These sources (by index) have other options than before; one that was removed has rules that match nothing. Files
  // that they want no more are withdrawn from the readers, others get their new labels. A scan and settle() then offer
  // what they want now; for those in `fresh` it is the first scan.
  void change_sources(const std::set<size_t>& changed, const std::set<size_t>& fresh);
  void changed_sources_scanned();
  void finished(InodeKey key, size_t source);

  std::vector<Target> targets() const;

 private:
  using State = HeldFile::State;
  using Offer = HeldFile::Offer;
  // A source wants an open file that it was not offered to yet. Those of one file stand together.
  struct Fresh {
    InodeKey key;
    uint32_t source = 0;
    bool only_if_known = false;  // its name matches no source: only a file of a former run is wanted
    bool is_copy = false;        // that the source reads already, as another file
    bool examined = false;       // the fields below are set
    int64_t modified_nanos = 0;
    uint64_t size_bytes = 0;
    std::optional<std::chrono::milliseconds> suspected_until = {};  // perhaps a copy of a file that is read
    FileIdentity identity = {};
    std::shared_ptr<const KnownFile> known = {};
    uint64_t end = 0;  // where reading begins if what is there is not to be read
  };
  struct Candidate {
    FileIdentity identity;
    std::shared_ptr<FileHandle> handle;
    std::shared_ptr<const KnownFile> known;  // null: never seen before
    pipeline::SharedText path;               // what its labels are made from
    uint64_t size_bytes = 0;
    uint64_t end = 0;  // as in Fresh
    int64_t modified_nanos = 0;
    // Files of former runs in their old order, then their heirs, then the others by the time they were last written to.
    enum class Rank : uint8_t { kKnown, kHeir, kNew };
    uint64_t place = 0;  // among those of its rank
    uint32_t source = 0;
    Rank rank = Rank::kNew;
    bool live = false;          // of equal times the live one is younger
    bool there_before = false;  // at the first scan of its source, and follows no file of a former run

    InodeKey key() const { return identity.key; }
    // Of a file of a former run; copies have one birth, and the younger the higher id.
    uint64_t id() const { return rank == Rank::kKnown ? known->id.value : 0; }
    // Of one birth the younger ones first: a reader puts each before the others.
    bool operator<(const Candidate& other) const {
      if (rank != other.rank || place != other.place) return std::tie(rank, place) < std::tie(other.rank, other.place);
      if (id() != other.id()) return id() > other.id();
      return std::tie(modified_nanos, live, path) < std::tie(other.modified_nanos, other.live, other.path);
    }
  };
  // There may be very many of both, one becoming the other: the room of the first is the second's piece by piece.
  using FreshFiles = std::deque<Fresh>;
  using Candidates = std::deque<Candidate>;
  static_assert(sizeof(Fresh) == sizeof(Candidate));
  // A source that takes only annotated pods must not read what nobody asked for, however long it takes to know.
  static constexpr std::chrono::milliseconds kForEver = std::chrono::hours(24 * 365 * 10);
  struct Waiting {
    Candidate candidate;
    std::chrono::milliseconds deadline;
  };
  using Refused = std::vector<Target>;  // dropped or failed, by source

  std::vector<size_t> sources_wanting(std::string_view path) const;
  std::vector<size_t> sources_knowing(InodeKey key) const;
  struct Wish {  // for a file that is opened
    std::vector<size_t> sources;
    std::string first_path;
    bool only_if_known = false;
  };
  void open(const std::string& path, Wish wish);
  [[nodiscard]] bool still_wanted(const HeldFile& held, Offer& offer);
  void withdraw_unwanted(HeldFile& held, const std::set<size_t>& changed);
  bool want(HeldFile& held, std::vector<size_t> sources);  // false: it wants no offers
  void add_fresh(HeldFile& held, const FileHandle::Status& status, const Wish& wish);
  void remove_fresh(HeldFile& held);
  Target target_of(const Offer& offer) const;
  Target describe(size_t source, const std::string& path, bool begun) const;
  bool is_known(size_t source, const std::string& path) const;
  bool postpone(const Candidate& candidate);
  void offer_waiting();
  void stop_waiting(const std::set<size_t>& sources);
  void reconsider(InodeKey key);
  bool read_by_other_pipeline(const HeldFile& held, size_t source) const;
  void note_refused(const pipeline::SharedText& path, Target target);
  void forget_refused(std::string_view path, const std::string& source);
  void forget_name(std::string_view path);
  void drop_unwanted(InodeKey key);
  template <class Visit>
  void for_each_name(const PodId& pod, Visit visit) const;
  void refuse(const std::string& path, size_t source, std::string reason);
  void attach(const pipeline::SharedText& path, InodeKey key);
  void detach(Name& name);
  void see_gzip(const std::string& path, std::optional<InodeKey> listed);
  void offer_fresh();
  static std::string head_of(const HeldFile& held);
  [[nodiscard]] static bool is_reborn(const KnownFile& known, const FileHandle& handle);
  void examine(Fresh& fresh, const HeldFile& held, std::string_view head);
  Candidates fresh_candidates();
  // copy_suspicion.cc
  void sort_out_copies();
  [[nodiscard]] bool may_become_copy(std::span<Fresh> file);
  const Offer* live_offer_of(std::string_view path, size_t source) const;
  [[nodiscard]] bool is_listed(const SourceRules& source) const;
  [[nodiscard]] bool is_there_before(size_t source) const;  // what is found now was there when the source came
  void end_first_scan(const std::set<std::string>& sources);
  void keep_found(const std::set<std::string>& sources);
  void hand_out_found();
  void tell_kept();
  void find_heirs(size_t source, Candidates& candidates);
  void note_followers(size_t source, const std::vector<KnownFile>& missing, const std::vector<MetFile>& met,
                      Candidates& candidates) const;
  void add_heir(size_t source, Heir heir, uint64_t order, Candidates& candidates);
  void offer(const Candidate& candidate);
  State state_of(const HeldFile& held, size_t source) const;
  void note_changed(HeldFile& held);
  static void tell_path(HeldFile& held);
  void tell_state(HeldFile& held);
  [[nodiscard]] bool is_replaced(InodeKey key, const std::string& path) const;
  void replace(InodeKey key);
  [[nodiscard]] bool no_descriptors() const { return open_files_ != nullptr && open_files_->full(); }
  static uint64_t end_of_lines(const FileHandle& handle, std::string_view head, uint64_t size_bytes);
  FileReceiver* reader_of(const Offer& offer) const { return readers_.empty() ? nullptr : readers_[offer.reader]; }

  const std::vector<SourceRules>& sources_;
  FileLedger& ledger_;
  OpenFiles* const open_files_;
  std::vector<FileReceiver*> readers_;

  HeldFiles files_;
  NameTable names_;
  std::map<pipeline::SharedText, Refused, pipeline::SharedText::Order> refused_;  // by path; names are there for all
  FreshFiles fresh_;
  FreshFiles suspects_;           // likewise; files that are perhaps copies
  std::vector<Waiting> waiting_;  // for metadata; in the order of their births
  // By source: until when may wait what its first scan found.
  std::map<std::string, std::chrono::milliseconds> unkept_;
  Closer closer_;
  Now now_ = [] { return std::chrono::milliseconds(0); };
  std::vector<InodeKey> changed_;  // names came or went
  uint64_t last_birth_order_ = 0;
  bool first_scan_ = true;
  std::set<size_t> searched_;       // sources whose missing files were looked for
  std::set<size_t> scanned_first_;  // sources whose first scan this is, after a change
  std::shared_ptr<FoundFiles> found_ = std::make_shared<FoundFiles>();  // of a first scan; null: there is none now

  pipeline::Gauge& held_gauge_;
  pipeline::Counter& vanished_;
  pipeline::Counter& vanished_folders_;
  pipeline::Counter& failures_;
  pipeline::LogLimiter failure_log_;
};

}  // namespace agent
