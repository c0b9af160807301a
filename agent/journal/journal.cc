#include "agent/journal/journal.h"

#include <cerrno>
#include <cstdlib>
#include <systemd/sd-journal.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::Result;

namespace {
// `outcome` is a negative errno.
Error journal_error(std::string_view what, int outcome) {
  Error error = pipeline::system_error(what, -outcome);
  switch (-outcome) {
    case EBADMSG:
    case ENODATA:  // a file cut before its header's end
    case EADDRNOTAVAIL:
    case EIO:
    case EPROTONOSUPPORT:  // made by a newer systemd, or compressed in a way this libsystemd lacks
      error.code = Errc::kCorrupt;
      break;
    case EINVAL: error.code = Errc::kInvalid; break;
    default: break;
  }
  return error;
}

Result<void> checked(std::string_view what, int outcome) {
  if (outcome < 0) return fail(journal_error(what, outcome));
  return {};
}
}  // namespace

void Journal::Close::operator()(sd_journal* journal) const { sd_journal_close(journal); }

Result<std::unique_ptr<Journal>> Journal::open(const Options& options) {
  std::vector<const char*> paths;
  for (const std::string& file : options.files) paths.push_back(file.c_str());
  paths.push_back(nullptr);
  sd_journal* opened = nullptr;
  int outcome = sd_journal_open_files(&opened, paths.data(), 0);
  if (outcome < 0) return fail(journal_error(concat("open ", options.files.empty() ? "" : options.files[0]), outcome));
  std::unique_ptr<Journal> journal(new Journal(opened));
  TRY(checked("set data threshold", sd_journal_set_data_threshold(opened, options.longest_value)));
  for (const std::string& match : options.matches)
    TRY(checked(concat("match \"", match, "\""), sd_journal_add_match(opened, match.data(), match.size())));
  return journal;
}

Result<void> Journal::seek_head() { return checked("seek to the first entry", sd_journal_seek_head(journal_.get())); }

Result<void> Journal::seek_time(uint64_t realtime_us) {
  return checked("seek to a time", sd_journal_seek_realtime_usec(journal_.get(), realtime_us));
}

Result<void> Journal::seek_cursor(const std::string& cursor) {
  return checked(concat("seek to cursor \"", cursor, "\""), sd_journal_seek_cursor(journal_.get(), cursor.c_str()));
}

Result<Journal::Step> Journal::next() {
  fields_begun_ = false;
  int outcome = sd_journal_next(journal_.get());
  if (outcome < 0) return fail(journal_error("read the next entry", outcome));
  return outcome > 0 ? Step::kEntry : Step::kEnd;
}

Result<uint64_t> Journal::realtime_us() {
  uint64_t us = 0;
  TRY(checked("read the time of an entry", sd_journal_get_realtime_usec(journal_.get(), &us)));
  return us;
}

Result<std::string> Journal::cursor() {
  char* text = nullptr;
  TRY(checked("read the cursor of an entry", sd_journal_get_cursor(journal_.get(), &text)));
  std::string cursor(text);
  std::free(text);
  return cursor;
}

bool Journal::is_at(const std::string& cursor) { return sd_journal_test_cursor(journal_.get(), cursor.c_str()) > 0; }

Journal::FieldStep Journal::next_field(JournalField& field) {
  if (!fields_begun_) sd_journal_restart_data(journal_.get());
  fields_begun_ = true;
  const void* data = nullptr;
  size_t size = 0;
  int outcome = sd_journal_enumerate_available_data(journal_.get(), &data, &size);
  if (outcome < 0) return FieldStep::kDamaged;
  if (outcome == 0) return FieldStep::kEnd;
  std::string_view text(static_cast<const char*>(data), size);
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) return FieldStep::kDamaged;
  field = {text.substr(0, equals), text.substr(equals + 1)};
  return FieldStep::kField;
}

uint64_t Journal::held_bytes() {
  uint64_t bytes = 0;
  return sd_journal_get_usage(journal_.get(), &bytes) < 0 ? 0 : bytes;
}

bool is_journal_match(const std::string& match) {
  size_t equals = match.find('=');
  if (equals == 0 || equals == std::string::npos || equals > 64 || match.starts_with("__")) return false;
  return match.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == equals;
}

}  // namespace agent
