#include "agent/journal/journal_reader.h"

#include <algorithm>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/parse/json.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;

namespace {
constexpr std::chrono::nanoseconds kListEvery = 30s;    // what inotify should have told, but may not
constexpr std::chrono::nanoseconds kRetryEvery = 2s;    // what cannot be read at all
constexpr std::chrono::nanoseconds kPollEvery = 250ms;  // folders that cannot be watched
constexpr std::chrono::nanoseconds kCheckEvery = 10s;   // for files that libsystemd gave up
// For an entry that is being written: its writer may have to wait for the processor, or for the disk under its pages.
constexpr std::chrono::milliseconds kWriterPause = 2ms, kLongestWriterPause = 50ms, kWriterPatience = 1s;
constexpr uint64_t kMappedEntries = 50'000;  // some 20 MiB of files
constexpr size_t kLongestFieldName = 64;     // journald's own limit
constexpr size_t kMarksKept = 1000;          // of journals that are away: they may come back
constexpr size_t kEntryBytes = 64;           // an entry costs that much even with a short line
}  // namespace

JournalReader::JournalReader(const JournalOptions& options, const Bookmarks& bookmarks, const BusGuard& guard,
                             const pipeline::Clock& clock, JournalMetrics& metrics)
    : options_(options), guard_(guard), clock_(clock), metrics_(metrics) {
  for (const auto& [lineage, text] : bookmarks) marks_[lineage] = Bookmark::parse(text);
  values_.resize(options_.fields.size());
}

JournalReader::~JournalReader() = default;

// --- which journals there are

Result<void> JournalReader::open() {
  ready_.clear();
  lineages_.clear();
  current_ = nullptr;
  bus_faults_ = guard_.faults();
  return list();
}

Result<void> JournalReader::list() {
  auto outcome = look_at_folders();
  unready_ = outcome ? "" : outcome.error().message;
  next_list_ = clock_.monotonic() + (outcome ? kListEvery : kRetryEvery);
  return outcome;
}

Result<void> JournalReader::look_at_folders() {
  TRY_LET(JournalListing listing, list_journals(options_.where));
  watches_all_ = watch_.watch(listing.folders);
  TRY_LET(listing, list_journals(options_.where));  // with what came before the watches were set
  tell_faults(listing);
  forget_gone(listing);
  for (auto& [id, found] : listing.lineages) {
    auto& slot = lineages_[id];
    if (!slot) slot = std::make_unique<Lineage>();
    Lineage& lineage = *slot;
    if (lineage.reader && lineage.files == found.files) continue;
    lineage.id = id;
    lineage.machine = machines_[id] = found.machine;
    lineage.files = std::move(found.files);
    if (lineage.reader)
      lineage.changed = true;
    else
      open_lineage(lineage);
  }
  metrics_.lineages.set(static_cast<int64_t>(lineages_.size()));
  metrics_.open_files.set(static_cast<int64_t>(files().size()));
  bool any =
      std::any_of(lineages_.begin(), lineages_.end(), [](auto& entry) { return entry.second->reader != nullptr; });
  if (!any && !listing.faults.empty()) return fail(listing.faults[0].error);
  if (!any && !lineages_.empty()) return fail(Errc::kCorrupt, lineages_.begin()->second->fault);
  return {};
}

void JournalReader::tell_faults(const JournalListing& listing) {
  fault_.clear();
  for (const JournalListing::Fault& fault : listing.faults) {
    if (fault_.empty())
      fault_ = concat(fault.error.message, "; ",
                      fault.error.code == Errc::kCorrupt ? "it is left out"
                                                         : "may the agent's user read it (group systemd-journal)?");
    if (fault.error.code == Errc::kCorrupt)
      tell_damaged(fault.path, fault.error.message);
    else if (told_.insert(fault.path).second)
      pipeline::log_warn("journal file is left out",
                         {{"error", fault.error}, {"remedy", "add the agent's user to the group systemd-journal"}});
  }
}

void JournalReader::tell_damaged(const std::string& path, const std::string& why) {
  if (!told_.insert(path).second) return;
  metrics_.damaged_files.add();
  pipeline::log_warn("journal file cannot be read, or not to its end",
                     {{"path", path}, {"error", why}, {"remedy", "journalctl --verify --file=PATH says more"}});
}

// What is vacuumed is read to its end by those who have it open.
void JournalReader::forget_gone(const JournalListing& listing) {
  for (auto it = lineages_.begin(); it != lineages_.end();) {
    Lineage& lineage = *it->second;
    bool here = listing.lineages.contains(it->first);
    if (!here) {
      lineage.changed = false;
      here = lineage.reader && advance(lineage) && lineage.reader->has_entry();
    }
    if (here) {
      ++it;
      continue;
    }
    if (current_ == &lineage) current_ = nullptr;
    it = lineages_.erase(it);
  }
  if (marks_.size() <= kMarksKept) return;
  for (auto it = marks_.begin(); it != marks_.end();) {
    if (listing.lineages.contains(it->first) || lineages_.contains(it->first)) {
      ++it;
      continue;
    }
    gone_.push_back(it->first);
    machines_.erase(it->first);
    it = marks_.erase(it);
  }
}

LineageStart JournalReader::start_of(const Lineage& lineage) const {
  LineageStart start;
  if (auto mark = marks_.find(lineage.id); mark != marks_.end()) start.bookmark = mark->second;
  if (!start.bookmark) {
    for (const auto& [id, mark] : marks_) {
      auto machine = machines_.find(id);  // unknown: its files were gone before this run
      if (machine == machines_.end() || machine->second == lineage.machine) start.others.push_back(mark);
    }
  }
  if (options_.max_age > 0ns) {
    int64_t oldest = (clock_.wall() - options_.max_age.count()) / 1000;
    start.oldest_us = static_cast<uint64_t>(std::max<int64_t>(oldest, 0));
  }
  return start;
}

void JournalReader::open_lineage(Lineage& lineage) {
  Journal::Options options{
      .files = {}, .matches = options_.matches, .longest_value = options_.max_line_bytes + kLongestFieldName + 2};
  LineageReader::Report found;
  lineage.fault.clear();
  auto reader = LineageReader::open({lineage.machine, lineage.files}, std::move(options), start_of(lineage), found);
  lineage.changed = false;
  report(lineage, found);
  if (!reader) {
    lineage.reader.reset();
    lineage.fault = reader.error().message;
    return;
  }
  lineage.reader = std::move(*reader);
  lineage.entries = 0;
  if (auto mark = lineage.reader->mark(); mark && !mark->cursor.empty()) marks_[lineage.id] = *mark;
  queue(lineage);
}

void JournalReader::queue(Lineage& lineage) {
  if (lineage.queued || !lineage.reader->has_entry()) return;
  lineage.queued = true;
  ready_.emplace(lineage.reader->realtime_us(), &lineage);
}

void JournalReader::report(Lineage& lineage, const LineageReader::Report& report) {
  for (const JournalListing::Fault& fault : report.damaged) {
    lineage.fault = concat(fault.error.message, "; it is left out");
    tell_damaged(fault.path, fault.error.message);
  }
  auto tell = [&](const char* reason, uint64_t count) {
    if (count == 0) return;
    metrics_.skipped(reason, count);
    pipeline::log_warn("journal entries behind the last delivered one are not read",
                       {{"reason", reason}, {"entries", count}, {"machine", lineage.machine}});
  };
  tell("vacuumed", report.vacuumed);
  tell("max_age", report.too_old);
}

// --- reading

Result<void> JournalReader::advance(Lineage& lineage) {
  if (!lineage.reader) return {};
  if (lineage.reader->has_entry()) {
    queue(lineage);
    return {};
  }
  if (!ready_.empty() || lineage.changed) { TRY(lineage.reader->keep_mark()); }
  if (maps_much(lineage)) return reopen(lineage);
  TRY(lineage.reader->advance());
  if (!lineage.reader->has_entry() && lineage.changed) return reopen(lineage);
  queue(lineage);
  return {};
}

// libsystemd keeps what it has read mapped: to close and open gives it back. Not while one of the files is there only
// because it is open.
bool JournalReader::maps_much(const Lineage& lineage) const {
  return lineage.entries >= kMappedEntries && !lineage.changed &&
         std::all_of(lineage.files.begin(), lineage.files.end(), [](const JournalFile& file) { return exists(file); });
}

// Its files are others now, and the old ones are read to their end.
Result<void> JournalReader::reopen(Lineage& lineage) {
  TRY_LET(Bookmark mark, lineage.reader->mark());
  if (!mark.cursor.empty()) marks_[lineage.id] = std::move(mark);
  open_lineage(lineage);
  metrics_.open_files.set(static_cast<int64_t>(files().size()));
  return {};
}

Result<uint64_t> JournalReader::read(size_t limit_bytes, const Take& take) {
  uint64_t entries = 0;
  for (size_t bytes = 0; bytes < limit_bytes; bytes += line_.size() + kEntryBytes, entries++) {
    if (current_) TRY(advance(*std::exchange(current_, nullptr)));
    TRY(check_bus());
    if (ready_.empty()) break;
    current_ = ready_.begin()->second;
    ready_.erase(ready_.begin());
    current_->queued = false;
    hand_on(*current_, take);
  }
  if (entries == 0) look_for_given_up();
  TRY(check_bus());
  return entries;
}

Result<void> JournalReader::check_bus() const {
  if (guard_.faults() == bus_faults_) return {};
  return fail(Errc::kCorrupt, "a journal file became shorter while it was being read");
}

void JournalReader::hand_on(Lineage& lineage, const Take& take) {
  lineage.moved = true;
  lineage.entries++;
  const bool sound = read_entry(lineage);
  if (!lineage.reader->has_entry()) return metrics_.parsing_error("damaged_entry");
  pipeline::UnixNanos time = lineage.reader->take();
  if (!sound) return metrics_.parsing_error("damaged_entry");
  if (line_.empty()) return metrics_.parsing_error("no_message");
  if (cut_bytes_ > 0) metrics_.cut_lines.add();
  metrics_.cut_bytes.add(cut_bytes_);
  metrics_.line();
  take(labels_, time, line_);
}

// An entry comes into sight before its fields are wholly linked to it, and libsystemd leaves out in silence what is
// not: one that seems to have no message is read again until another one follows it, or its writer is surely done.
bool JournalReader::read_entry(Lineage& lineage) {
  Journal& journal = lineage.reader->journal();
  bool sound = options_.as_json ? read_json(journal) : read_fields(journal);
  using Follower = LineageReader::Follower;
  auto follower = Follower::kNone;
  auto waited = 0ms, pause = kWriterPause;
  while (!has_message_ && follower == Follower::kNone && waited < kWriterPatience) {
    auto ahead = lineage.reader->look_ahead();
    if (!ahead || *ahead == Follower::kGone) return false;
    follower = *ahead;
    if (follower == Follower::kNone) {
      std::this_thread::sleep_for(pause);
      waited += pause;
      pause = std::min(2 * pause, kLongestWriterPause);
    }
    sound = options_.as_json ? read_json(journal) : read_fields(journal);
  }
  return sound;
}

// The line, and the fields that somebody asks for; of repeated ones the last.
bool JournalReader::read_fields(Journal& journal) {
  has_message_ = false;
  line_.clear();
  for (std::string& value : values_) value.clear();
  std::vector<pipeline::Label> labels;
  JournalField field;
  bool all = options_.fields.wants_all();
  Journal::FieldStep step;
  while ((step = journal.next_field(field)) == Journal::FieldStep::kField) {
    if (field.name == "MESSAGE") {
      has_message_ = true;
      line_.assign(field.value);
    }
    if (all)
      JournalFields::append_all_labels(field.name, field.value, labels);
    else if (int at = options_.fields.find(field.name); at >= 0)
      values_[static_cast<size_t>(at)].assign(field.value);
  }
  cut_line();
  if (all) {
    labels_ = LabelSet::from(std::move(labels));
  } else if (values_ != label_values_) {
    for (size_t i = 0; i < values_.size(); i++) options_.fields.append_labels(i, values_[i], labels);
    labels_ = LabelSet::from(std::move(labels));
    label_values_ = values_;
  }
  return step == Journal::FieldStep::kEnd;
}

void JournalReader::cut_line() {
  cut_bytes_ = line_.size() - std::min(line_.size(), options_.max_line_bytes);
  line_.resize(line_.size() - cut_bytes_);
}

// The line is all fields as one JSON object, which stays one when it is too long: its longest values are cut.
bool JournalReader::read_json(Journal& journal) {
  all_values_.clear();
  JournalField field;
  Journal::FieldStep step;
  while ((step = journal.next_field(field)) == Journal::FieldStep::kField)
    all_values_[std::string(field.name)].assign(field.value);
  has_message_ = all_values_.contains("MESSAGE");
  size_t whole = 0;
  for (size_t longest = options_.max_line_bytes;; longest /= 2) {
    line_ = "{";
    for (const auto& [name, value] : all_values_) {
      if (line_.size() > 1) line_ += ',';
      pipeline::append_compact_text(line_, name);
      line_ += ':';
      pipeline::append_compact_text(line_, std::string_view(value).substr(0, longest));
    }
    line_ += '}';
    if (whole == 0) whole = line_.size();
    if (line_.size() <= options_.max_line_bytes || longest == 0) break;
  }
  cut_bytes_ = whole - line_.size();
  std::vector<pipeline::Label> labels;
  bool all = options_.fields.wants_all();
  for (const auto& [name, value] : all_values_) {
    if (all)
      JournalFields::append_all_labels(name, value, labels);
    else if (int at = options_.fields.find(name); at >= 0)
      options_.fields.append_labels(static_cast<size_t>(at), value, labels);
  }
  LabelSet made = LabelSet::from(std::move(labels));
  if (made != labels_) labels_ = std::move(made);
  if (all_values_.empty()) line_.clear();
  return step == Journal::FieldStep::kEnd;
}

// libsystemd gives up a file in silence when it comes upon bytes that make no sense.
void JournalReader::look_for_given_up() {
  if (clock_.monotonic() < next_check_) return;
  next_check_ = clock_.monotonic() + kCheckEvery;
  for (auto& [id, lineage] : lineages_) {
    if (!lineage->reader || lineage->changed) continue;
    if (std::string path = lineage->reader->given_up(); !path.empty()) {
      lineage->fault = concat(path, ": damaged; the rest of it is left out");
      tell_damaged(path, "damaged: libsystemd reads no further in it");
    }
  }
}

JournalReader::Bookmarks JournalReader::moved() {
  Bookmarks moved;
  for (auto& [id, lineage] : lineages_) {
    if (!std::exchange(lineage->moved, false) || !lineage->reader) continue;
    for (uint64_t damaged = lineage->reader->take_damaged(); damaged > 0; damaged--)
      metrics_.parsing_error("damaged_entry");
    auto mark = lineage->reader->mark();
    if (!mark || mark->cursor.empty()) continue;
    moved[id] = mark->text();
    marks_[id] = std::move(*mark);
  }
  for (const std::string& id : gone_) moved.try_emplace(id, "");
  gone_.clear();
  return moved;
}

std::string JournalReader::fault() const {
  if (!fault_.empty()) return fault_;
  for (const auto& [id, lineage] : lineages_)
    if (!lineage->fault.empty()) return lineage->fault;
  return "";
}

std::vector<std::string> JournalReader::files() const {
  std::vector<std::string> paths;
  for (const auto& [id, lineage] : lineages_)
    if (lineage->reader)
      for (const JournalFile& file : lineage->reader->files()) paths.push_back(file.path);
  return paths;
}

// --- waiting

void JournalReader::wait(int wake_fd, std::chrono::nanoseconds longest) {
  std::chrono::nanoseconds until_list = std::max(next_list_ - clock_.monotonic(), 0ns);
  std::chrono::nanoseconds timeout = std::min(longest, watches_all_ ? until_list : kPollEvery);
  pollfd fds[2] = {{wake_fd, POLLIN, 0}, {watch_.fd(), POLLIN, 0}};
  timespec spec{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
  if (::ppoll(fds, 2, &spec, nullptr) > 0 && fds[0].revents != 0) {
    uint64_t count;
    [[maybe_unused]] ssize_t size = ::read(wake_fd, &count, sizeof(count));
  }
  look_again();
}

// Lineages whose files were written to, or all of them when that is not known.
void JournalReader::look_again() {
  JournalWatch::Events events = watch_.take();
  bool unknown = false;
  for (const std::string& path : events.written) {
    bool found = false;
    for (auto& [id, lineage] : lineages_) {
      bool has = std::any_of(lineage->files.begin(), lineage->files.end(),
                             [&](const JournalFile& file) { return file.path == path; });
      if (!has) continue;
      found = true;
      if (auto outcome = advance(*lineage); !outcome) lineage->changed = true;
    }
    if (!found) unknown = true;  // it was begun when the folder was listed
  }
  if (clock_.monotonic() < next_list_ && !events.names && !unknown && watches_all_) return;
  [[maybe_unused]] auto listed = list();  // unready() tells
  for (auto& [id, lineage] : lineages_)
    if (auto outcome = advance(*lineage); !outcome) lineage->changed = true;
}

}  // namespace agent
