#include "agent/journal/journal.h"

#include <cerrno>
#include <cstdlib>
#include <dlfcn.h>
#include <systemd/sd-journal.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::Result;

// What is called of libsystemd, loaded when the first journal is opened: an agent without one maps neither it nor the
// libraries that it needs, some 3 MiB. Shared by the journals that are open; once loaded the library stays.
struct SystemdLibrary {
  static pipeline::Result<std::shared_ptr<const SystemdLibrary>> load();

  decltype(&::sd_journal_open_files) journal_open_files = nullptr;
  decltype(&::sd_journal_close) journal_close = nullptr;
  decltype(&::sd_journal_set_data_threshold) journal_set_data_threshold = nullptr;
  decltype(&::sd_journal_add_match) journal_add_match = nullptr;
  decltype(&::sd_journal_seek_head) journal_seek_head = nullptr;
  decltype(&::sd_journal_seek_realtime_usec) journal_seek_realtime_usec = nullptr;
  decltype(&::sd_journal_seek_cursor) journal_seek_cursor = nullptr;
  decltype(&::sd_journal_next) journal_next = nullptr;
  decltype(&::sd_journal_get_realtime_usec) journal_get_realtime_usec = nullptr;
  decltype(&::sd_journal_get_cursor) journal_get_cursor = nullptr;
  decltype(&::sd_journal_test_cursor) journal_test_cursor = nullptr;
  decltype(&::sd_journal_restart_data) journal_restart_data = nullptr;
  decltype(&::sd_journal_enumerate_available_data) journal_enumerate_available_data = nullptr;
  decltype(&::sd_journal_get_usage) journal_get_usage = nullptr;
};

namespace {
constexpr const char* kName = "libsystemd.so.0";

std::string loader_error() {
  const char* text = ::dlerror();
  return text == nullptr ? "unknown" : text;
}

template <class Function>
Result<void> find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function != nullptr) return {};
  return fail(Errc::kUnavailable, concat("libsystemd is too old to read the journal: ", loader_error()));
}

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

Result<std::shared_ptr<const SystemdLibrary>> SystemdLibrary::load() {
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    return fail(Errc::kUnavailable,
                concat("the journal cannot be read without libsystemd (package libsystemd0): ", loader_error()));
  auto functions = std::make_shared<SystemdLibrary>();
  SystemdLibrary& f = *functions;
  TRY(find(library, "sd_journal_open_files", f.journal_open_files));
  TRY(find(library, "sd_journal_close", f.journal_close));
  TRY(find(library, "sd_journal_set_data_threshold", f.journal_set_data_threshold));
  TRY(find(library, "sd_journal_add_match", f.journal_add_match));
  TRY(find(library, "sd_journal_seek_head", f.journal_seek_head));
  TRY(find(library, "sd_journal_seek_realtime_usec", f.journal_seek_realtime_usec));
  TRY(find(library, "sd_journal_seek_cursor", f.journal_seek_cursor));
  TRY(find(library, "sd_journal_next", f.journal_next));
  TRY(find(library, "sd_journal_get_realtime_usec", f.journal_get_realtime_usec));
  TRY(find(library, "sd_journal_get_cursor", f.journal_get_cursor));
  TRY(find(library, "sd_journal_test_cursor", f.journal_test_cursor));
  TRY(find(library, "sd_journal_restart_data", f.journal_restart_data));
  TRY(find(library, "sd_journal_enumerate_available_data", f.journal_enumerate_available_data));
  TRY(find(library, "sd_journal_get_usage", f.journal_get_usage));
  ::dlclose(library);  // it stays loaded (RTLD_NODELETE)
  return std::shared_ptr<const SystemdLibrary>(std::move(functions));
}

void Journal::Close::operator()(sd_journal* journal) const { library->journal_close(journal); }

Result<std::unique_ptr<Journal>> Journal::open(const Options& options) {
  std::vector<const char*> paths;
  for (const std::string& file : options.files) paths.push_back(file.c_str());
  paths.push_back(nullptr);
  TRY_LET(auto library, SystemdLibrary::load());
  sd_journal* opened = nullptr;
  int outcome = library->journal_open_files(&opened, paths.data(), 0);
  if (outcome < 0) return fail(journal_error(concat("open ", options.files.empty() ? "" : options.files[0]), outcome));
  std::unique_ptr<Journal> journal(new Journal(opened, library));
  TRY(checked("set data threshold", library->journal_set_data_threshold(opened, options.longest_value)));
  for (const std::string& match : options.matches)
    TRY(checked(concat("match \"", match, "\""), library->journal_add_match(opened, match.data(), match.size())));
  return journal;
}

Result<void> Journal::seek_head() {
  return checked("seek to the first entry", system().journal_seek_head(journal_.get()));
}

Result<void> Journal::seek_time(uint64_t realtime_us) {
  return checked("seek to a time", system().journal_seek_realtime_usec(journal_.get(), realtime_us));
}

Result<void> Journal::seek_cursor(const std::string& cursor) {
  return checked(concat("seek to cursor \"", cursor, "\""),
                 system().journal_seek_cursor(journal_.get(), cursor.c_str()));
}

Result<Journal::Step> Journal::next() {
  fields_begun_ = false;
  int outcome = system().journal_next(journal_.get());
  if (outcome < 0) return fail(journal_error("read the next entry", outcome));
  return outcome > 0 ? Step::kEntry : Step::kEnd;
}

Result<uint64_t> Journal::realtime_us() {
  uint64_t us = 0;
  TRY(checked("read the time of an entry", system().journal_get_realtime_usec(journal_.get(), &us)));
  return us;
}

Result<std::string> Journal::cursor() {
  char* text = nullptr;
  TRY(checked("read the cursor of an entry", system().journal_get_cursor(journal_.get(), &text)));
  std::string cursor(text);
  std::free(text);
  return cursor;
}

bool Journal::is_at(const std::string& cursor) {
  return system().journal_test_cursor(journal_.get(), cursor.c_str()) > 0;
}

Journal::FieldStep Journal::next_field(JournalField& field) {
  if (!fields_begun_) system().journal_restart_data(journal_.get());
  fields_begun_ = true;
  const void* data = nullptr;
  size_t size = 0;
  int outcome = system().journal_enumerate_available_data(journal_.get(), &data, &size);
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
  return system().journal_get_usage(journal_.get(), &bytes) < 0 ? 0 : bytes;
}

bool is_journal_match(const std::string& match) {
  size_t equals = match.find('=');
  if (equals == 0 || equals == std::string::npos || equals > 64 || match.starts_with("__")) return false;
  return match.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == equals;
}

}  // namespace agent
