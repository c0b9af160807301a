#include "agent/journal/lineage_reader.h"

#include <sys/stat.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
constexpr uint64_t kDiskBlock = 512;  // of st_blocks

// Removes the files that libsystemd does not take, one by one.
Result<std::unique_ptr<Journal>> open_sound(std::vector<JournalFile>& files, Journal::Options& options,
                                            LineageReader::Report& report) {
  auto open = [&] {
    options.files.clear();
    for (const JournalFile& file : files) options.files.push_back(file.path);
    return Journal::open(options);
  };
  auto journal = open();
  if (journal || journal.error().code == Errc::kInvalid) return journal;
  std::vector<JournalFile> sound;
  for (const JournalFile& file : files) {
    Journal::Options one = options;
    one.files = {file.path};
    auto alone = Journal::open(one);
    if (alone)
      sound.push_back(file);
    else if (alone.error().code != Errc::kNotFound)
      report.damaged.push_back({file.path, alone.error()});
  }
  if (sound.empty()) return journal;
  files = std::move(sound);
  return open();
}
}  // namespace

Result<std::unique_ptr<LineageReader>> LineageReader::open(const JournalLineage& lineage, Journal::Options options,
                                                           const LineageStart& start, Report& report) {
  std::vector<JournalFile> files = lineage.files;
  TRY_LET(auto journal, open_sound(files, options, report));
  std::unique_ptr<LineageReader> reader(new LineageReader(std::move(journal), std::move(files)));
  TRY(reader->begin(start, report));
  return reader;
}

Result<void> LineageReader::begin(const LineageStart& start, Report& report) {
  if (start.bookmark)
    TRY(begin_at(*start.bookmark, report));
  else
    TRY(begin_new(start));
  if (start.oldest_us && has_entry_ && realtime_us_ < *start.oldest_us) TRY(leave_out(*start.oldest_us, start, report));
  return {};
}

// An entry that is gone is no reason to leave out the one after it.
Result<void> LineageReader::begin_at(const Bookmark& bookmark, Report& report) {
  mark_ = bookmark;
  last_us_ = cursor_number(bookmark.cursor, 't');
  last_step_ = bookmark.step;
  TRY(journal_->seek_cursor(bookmark.cursor));
  TRY(step());
  if (!has_entry_) return {};
  if (journal_->is_at(bookmark.cursor)) return step();
  TRY_LET(std::string cursor, journal_->cursor());
  uint64_t was = cursor_number(bookmark.cursor, 'i'), is = cursor_number(cursor, 'i');
  if (cursor_part(cursor, 's') == cursor_part(bookmark.cursor, 's') && is > was) report.vacuumed = is - was - 1;
  return {};
}

Result<void> LineageReader::begin_new(const LineageStart& start) {
  for (const Bookmark& other : start.others) {
    TRY(journal_->seek_cursor(other.cursor));
    TRY(step());
    if (!has_entry_) continue;
    TRY_LET(std::string cursor, journal_->cursor());
    if (!is_copy(cursor, other.cursor)) continue;
    mark_ = {std::move(cursor), other.step};
    last_us_ = realtime_us_;
    last_step_ = other.step;
    return step();
  }
  if (start.oldest_us)
    TRY(journal_->seek_time(*start.oldest_us));
  else
    TRY(journal_->seek_head());
  return step();
}

Result<void> LineageReader::leave_out(uint64_t oldest_us, const LineageStart& start, Report& report) {
  TRY_LET(std::string first, journal_->cursor());
  TRY(journal_->seek_time(oldest_us));
  TRY(step());
  if (!start.bookmark) return {};
  report.too_old = 1;
  if (!has_entry_) return {};
  TRY_LET(std::string cursor, journal_->cursor());
  uint64_t was = cursor_number(first, 'i'), is = cursor_number(cursor, 'i');
  if (is > was) report.too_old = is - was;
  return {};
}

// To the next entry whose time can be read.
Result<void> LineageReader::step() {
  for (;;) {
    TRY_LET(Journal::Step outcome, journal_->next());
    has_entry_ = outcome == Journal::Step::kEntry;
    if (!has_entry_) return {};
    auto time = journal_->realtime_us();
    if (!time) {
      damaged_++;
      continue;
    }
    realtime_us_ = *time;
    return {};
  }
}

Result<void> LineageReader::advance() {
  if (has_entry_) return {};
  return step();
}

Result<LineageReader::Follower> LineageReader::look_ahead() {
  TRY_LET(const std::string cursor, journal_->cursor());
  TRY_LET(const Journal::Step after, journal_->next());
  TRY(journal_->seek_cursor(cursor));
  TRY_LET(const Journal::Step back, journal_->next());
  if (back == Journal::Step::kEntry && journal_->is_at(cursor))
    return after == Journal::Step::kEntry ? Follower::kThere : Follower::kNone;
  TRY(journal_->seek_cursor(cursor));  // step() goes to the one after it
  has_entry_ = taken_ = false;
  return Follower::kGone;
}

pipeline::UnixNanos LineageReader::take() {
  last_step_ = realtime_us_ == last_us_ ? last_step_ + 1 : 0;
  last_us_ = realtime_us_;
  taken_ = true;
  has_entry_ = false;
  return static_cast<pipeline::UnixNanos>(realtime_us_ * 1000 + last_step_);
}

Result<Bookmark> LineageReader::mark() {
  TRY(keep_mark());
  return mark_;
}

Result<void> LineageReader::keep_mark() {
  if (!taken_ || has_entry_) return {};
  TRY_LET(mark_.cursor, journal_->cursor());
  mark_.step = last_step_;
  taken_ = false;
  return {};
}

std::string LineageReader::given_up() {
  auto on_disk = [&]() -> uint64_t {
    uint64_t bytes = 0;
    for (const JournalFile& file : files_) {
      struct stat status {};
      if (::stat(file.path.c_str(), &status) != 0 || status.st_ino != file.inode || status.st_dev != file.dev) return 0;
      bytes += static_cast<uint64_t>(status.st_blocks) * kDiskBlock;
    }
    return bytes;
  };
  uint64_t before = on_disk(), held = journal_->held_bytes(), after = on_disk();
  if (before == 0 || before != after || held + given_up_bytes_ >= before) return {};
  uint64_t missing = before - held - given_up_bytes_;
  given_up_bytes_ = before - held;
  for (const JournalFile& file : files_) {
    struct stat status {};
    if (::stat(file.path.c_str(), &status) == 0 && static_cast<uint64_t>(status.st_blocks) * kDiskBlock == missing)
      return file.path;
  }
  return files_[0].path;
}

}  // namespace agent
