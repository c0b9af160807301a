#include "agent/sink/dead_letters.h"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sink/batch_parts.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;
using pipeline::fail;
using pipeline::Result;
using pipeline::system_error;

namespace {
constexpr uint64_t kFilesOfLimit = 8;

// A name of the operator's as part of a file's name.
std::string file_stem(const std::string& sink) {
  std::string stem = sink;
  for (char& c : stem)
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') c = '_';
  return stem + "-";
}
}  // namespace

class DeadLetters::Folder {
 public:
  Folder(DeadLetterOptions options, const std::string& sink, SinkMetrics& metrics)
      : options_(std::move(options)), stem_(file_stem(sink)), metrics_(metrics) {}

  Result<void> append(const std::string& lines) {
    TRY(open());
    if (!files_.empty() && files_.rbegin()->second + lines.size() > options_.limit_bytes / kFilesOfLimit) next_++;
    uint64_t& size = files_[next_];
    const std::string path = path_of(next_);
    int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return fail(system_error(concat("open ", path), errno));
    Result<void> written = write_all(fd, lines, path);
    if (!written) (void)!::ftruncate(fd, static_cast<off_t>(size));
    ::close(fd);
    if (!written) return written;
    size += lines.size();
    remove_oldest();
    return {};
  }

 private:
  // Makes the folder and looks what is there.
  Result<void> open() {
    if (opened_) return {};
    std::error_code error;
    std::filesystem::create_directories(options_.dir, error);
    if (error) return fail(system_error(concat("make ", options_.dir), error.value()));
    for (const auto& entry : std::filesystem::directory_iterator(options_.dir, error)) {
      std::string name = entry.path().filename().string();
      uint64_t number = 0;
      if (!name.starts_with(stem_) || !name.ends_with(".jsonl")) continue;
      auto [end, bad] = std::from_chars(name.data() + stem_.size(), name.data() + name.size(), number);
      if (bad != std::errc() || std::string_view(end, static_cast<size_t>(name.data() + name.size() - end)) != ".jsonl")
        continue;
      files_[number] = entry.file_size(error);
      next_ = std::max(next_, number);
    }
    if (error) return fail(system_error(concat("list ", options_.dir), error.value()));
    opened_ = true;
    return {};
  }

  static Result<void> write_all(int fd, std::string_view lines, const std::string& path) {
    while (!lines.empty()) {
      ssize_t n = ::write(fd, lines.data(), lines.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(system_error(concat("write ", path), errno));
      lines.remove_prefix(static_cast<size_t>(n));
    }
    if (::fsync(fd) != 0) return fail(system_error(concat("sync ", path), errno));
    return {};
  }

  void remove_oldest() {
    uint64_t total = 0;
    for (const auto& [number, size] : files_) total += size;
    while (total > options_.limit_bytes && files_.size() > 1) {
      auto oldest = files_.begin();
      ::unlink(path_of(oldest->first).c_str());
      total -= oldest->second;
      metrics_.dead_letters_removed(oldest->second);
      files_.erase(oldest);
    }
    metrics_.dead_letter_bytes(total);
  }

  std::string path_of(uint64_t number) const { return concat(options_.dir, "/", stem_, number, ".jsonl"); }

  const DeadLetterOptions options_;
  const std::string stem_;
  SinkMetrics& metrics_;
  bool opened_ = false;
  std::map<uint64_t, uint64_t> files_;  // number -> bytes
  uint64_t next_ = 1;                   // number of the file that is written to
};

DeadLetters::DeadLetters(pipeline::Loop& loop, DeadLetterOptions options, std::string sink, SinkMetrics& metrics)
    : sink_(std::move(sink)),
      folder_(std::make_shared<Folder>(std::move(options), sink_, metrics)),
      worker_(loop, "dead letters", 1) {}

DeadLetters::~DeadLetters() = default;

void DeadLetters::write(std::shared_ptr<const ClosedBatch> batch, std::string reason, const PushAnswer& answer,
                        Done done) {
  std::string more = ",\"sink\":";
  pipeline::append_json_string(more, sink_);
  more += ",\"tenant\":";
  pipeline::append_json_string(more, batch->tenant);
  more += ",\"reason\":";
  pipeline::append_json_string(more, reason);
  more += concat(",\"status\":", answer.status, ",\"error\":");
  pipeline::append_json_string(more, answer.text);
  worker_.run(
      [folder = folder_, batch = std::move(batch), refusals = answer.refusals,
       more = std::move(more)]() -> Result<void> {
        TRY_LET(std::string lines, batch_as_json(*batch, refusals, more));
        return folder->append(lines);
      },
      std::move(done));
}

}  // namespace agent
