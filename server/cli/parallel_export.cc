#include "server/cli/parallel_export.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <ostream>
#include <stdlib.h>
#include <thread>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

constexpr size_t kBarWidth = 30;
constexpr size_t kMaxParts = 100'000;

struct Part {
  EntryQuery query;
  std::string path;
};

class Export {
 public:
  Export(const ServerConnection& server, const ExportOptions& options, const CommandOutput& output)
      : server_(server), options_(options), output_(output) {}
  ~Export() {
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
  }

  Result<void> run(const EntryQuery& query);

 private:
  Result<void> plan(const EntryQuery& query);
  void work();
  Result<void> fetch(const Part& part);
  Result<void> merge();
  void show_progress();

  const ServerConnection& server_;
  const ExportOptions& options_;
  const CommandOutput& output_;
  std::string temporary_;    // folder of parts that nobody asked to keep
  std::vector<Part> parts_;  // in the order of the output
  std::atomic<size_t> next_{0};

  std::mutex mutex_;  // guards the following, and stderr
  size_t done_ = 0, skipped_ = 0;
  uint64_t entries_ = 0;
  std::optional<pipeline::Error> failed_;  // the first
};

Result<void> Export::plan(const EntryQuery& query) {
  const int64_t length = options_.part_duration.count();
  if ((query.end - query.start) / length >= static_cast<int64_t>(kMaxParts)) {
    return fail(Errc::kInvalid, concat("more than ", kMaxParts, " parts; make --parallel-duration longer"));
  }
  std::string prefix = options_.part_prefix;
  if (prefix.empty()) {
    std::string folder = (std::filesystem::temp_directory_path() / "skidway-export-XXXXXX").string();
    if (!::mkdtemp(folder.data())) return fail(Errc::kIo, concat("make folder ", folder, ": ", std::strerror(errno)));
    temporary_ = folder;
    prefix = concat(folder, "/part");
  }
  for (int64_t start = query.start; start < query.end; start += std::min(length, query.end - start)) {
    Part& part = parts_.emplace_back();
    part.query = query;
    part.query.start = start;
    part.query.end = start + std::min(length, query.end - start);
    part.path = concat(prefix, "_", pipeline::format_rfc3339(part.query.start), "_",
                       pipeline::format_rfc3339(part.query.end), ".part");
  }
  if (!query.forward) std::reverse(parts_.begin(), parts_.end());
  return {};
}

Result<void> Export::run(const EntryQuery& query) {
  TRY(plan(query));
  std::vector<std::thread> workers;
  for (size_t i = 0; i < std::min(options_.workers, parts_.size()); ++i) workers.emplace_back([this] { work(); });
  for (std::thread& worker : workers) worker.join();
  if (options_.terminal && !output_.quiet) output_.err << std::endl;
  if (failed_) {
    if (temporary_.empty()) failed_->message += "; complete parts are kept: start the same command again";
    return fail(*failed_);
  }
  if (options_.merge_parts || !temporary_.empty()) return merge();
  return {};
}

void Export::work() {
  while (true) {
    const size_t at = next_.fetch_add(1);
    if (at >= parts_.size()) return;
    {
      std::lock_guard lock(mutex_);
      if (failed_) return;
    }
    const bool there = !options_.overwrite_parts && std::filesystem::exists(parts_[at].path);
    Result<void> fetched = there ? Result<void>() : fetch(parts_[at]);
    std::lock_guard lock(mutex_);
    if (!fetched && !failed_) failed_ = fetched.error();
    if (fetched) ++done_;
    if (there) ++skipped_;
    show_progress();
  }
}

Result<void> Export::fetch(const Part& part) {
  const std::string unfinished = concat(part.path, ".tmp");
  std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
  if (!file) return fail(Errc::kIo, concat("write ", unfinished, ": ", std::strerror(errno)));
  AnswerPrinter printer(file, output_.style);
  EntryPages pages(server_, part.query);
  while (!pages.finished()) {
    TRY_LET(const QueryAnswer answer, pages.next());
    if (answer.type != "streams")
      return fail(Errc::kInvalid, "only queries for entries are exported in parts; leave out the --parallel options");
    for (const AnsweredEntry& entry : answer.entries) printer.print(entry);
    if (!printer.flush()) return fail(Errc::kIo, concat("write ", unfinished, ": ", std::strerror(errno)));
    std::lock_guard lock(mutex_);
    for (const std::string& warning : answer.warnings) output_.err << "warning: " << warning << std::endl;
    entries_ += answer.entries.size();
    if (options_.terminal) show_progress();
  }
  file.close();
  if (!file) return fail(Errc::kIo, concat("write ", unfinished, ": ", std::strerror(errno)));
  std::error_code error;
  std::filesystem::rename(unfinished, part.path, error);
  if (error) return fail(Errc::kIo, concat("rename ", unfinished, ": ", error.message()));
  return {};
}

// Under mutex_. On a terminal one line that changes, else one for each part.
void Export::show_progress() {
  if (output_.quiet) return;
  const size_t filled = kBarWidth * done_ / parts_.size();
  if (options_.terminal) {
    output_.err << "\r[" << std::string(filled, '#') << std::string(kBarWidth - filled, '.') << "] ";
  }
  output_.err << done_ << " of " << parts_.size() << " parts";
  if (skipped_ > 0) output_.err << " (" << skipped_ << " were there)";
  output_.err << ", " << entries_ << " entries";
  if (options_.terminal) {
    output_.err << std::flush;
  } else {
    output_.err << std::endl;
  }
}

Result<void> Export::merge() {
  for (const Part& part : parts_) {
    std::ifstream file(part.path, std::ios::binary);
    if (!file) return fail(Errc::kIo, concat("read ", part.path, ": ", std::strerror(errno)));
    if (file.peek() != std::ifstream::traits_type::eof()) output_.out << file.rdbuf();
    if (!output_.out.flush()) return fail(Errc::kCancelled, "nobody reads the output any more");
  }
  if (options_.keep_parts || !temporary_.empty()) return {};
  std::error_code ignored;
  for (const Part& part : parts_) std::filesystem::remove(part.path, ignored);
  return {};
}

}  // namespace

Result<void> run_export(const ServerConnection& server, const EntryQuery& query, const ExportOptions& options,
                        const CommandOutput& output) {
  if (options.part_duration.count() <= 0) return fail(Errc::kInvalid, "--parallel-duration must be above 0");
  return Export(server, options, output).run(query);
}

}  // namespace server
