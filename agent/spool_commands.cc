// skidway-agent spool ls|cat|verify|repair: looks at spools on disk, the agent running or not. `repair` wants it
// stopped.
#include <cstdio>

#include "agent/commands.h"
#include "agent/spool/spool.h"
#include "agent/spool/spool_damage.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/folder_lock.h"
#include "pipeline/base/time_format.h"
#include "pipeline/codec/deflate.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

constexpr uint64_t kLargestBody = uint64_t{1} << 30;

struct SpoolFolder {
  std::string sink, path;
};

// `path` is the spool of one sink, the folder of all, or a data_dir.
Result<std::vector<SpoolFolder>> find_spools(pipeline::FileSystem& files, std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  TRY_LET(auto segments, list_spool(files, path));
  if (!segments.empty()) return std::vector<SpoolFolder>{{spool_sink_name(path.substr(path.rfind('/') + 1)), path}};
  if (auto inside = files.list(path + "/spool"); inside) path += "/spool";
  std::vector<SpoolFolder> spools;
  TRY_LET(auto names, files.list(path));
  for (const std::string& name : names) {
    auto below = list_spool(files, concat(path, "/", name));
    if (below && !below->empty()) spools.push_back({spool_sink_name(name), concat(path, "/", name)});
  }
  return spools;
}

class EntryPrinter final : public pipeline::PushVisitor {
 public:
  void on_stream(std::string_view labels, size_t) override {
    auto parsed = pipeline::LabelSet::parse(labels);
    labels_ = parsed ? *parsed : pipeline::LabelSet();
  }
  void on_entry(pipeline::UnixNanos time, std::string_view line,
                std::span<const pipeline::Metadata> metadata) override {
    text_.clear();
    pipeline::append_entry_json(text_, time, labels_, line, {metadata.begin(), metadata.end()});
    std::fwrite(text_.data(), 1, text_.size(), stdout);
  }

 private:
  pipeline::LabelSet labels_;
  std::string text_;
};

Result<void> print_entries(const SpoolFrame& frame) {
  pipeline::ByteBuffer plain;
  std::string_view request = *frame.body;
  if (frame.encoding == SpoolEncoding::kSnappy) TRY(pipeline::snappy_uncompress(*frame.body, kLargestBody, plain));
  if (frame.encoding == SpoolEncoding::kGzip) TRY(pipeline::gunzip(*frame.body, kLargestBody, plain));
  if (frame.encoding == SpoolEncoding::kZstd)
    return fail(Errc::kInvalid, "a batch is compressed with zstd, which is not supported yet");
  if (frame.encoding != SpoolEncoding::kNone) request = plain.view();
  EntryPrinter printer;
  return pipeline::decode_push(request, printer);
}

std::string times(const SpoolSegmentReport& report) {
  if (!report.closed) return "-";
  return concat(pipeline::format_rfc3339(report.closed->first), " to ",
                pipeline::format_rfc3339(report.closed->second));
}

using OnSegment = std::function<Result<void>(const SpoolFolder&, const SpoolName&)>;

// 2: the folder cannot be used; 1: an error of `on_segment`.
int for_each_segment(pipeline::FileSystem& files, const std::string& path, const OnSegment& on_segment) {
  auto spools = find_spools(files, path);
  if (!spools) {
    std::fprintf(stderr, "%s\n", spools.error().message.c_str());
    return 2;
  }
  for (const SpoolFolder& spool : *spools) {
    auto segments = list_spool(files, spool.path);
    for (const SpoolName& name : segments ? *segments : std::vector<SpoolName>()) {
      auto outcome = on_segment(spool, name);
      if (outcome || outcome.error().code == Errc::kNotFound) continue;  // sent meanwhile
      std::fprintf(stderr, "%s/%s: %s\n", spool.path.c_str(), name.text().c_str(), outcome.error().message.c_str());
      return 1;
    }
  }
  return 0;
}

int list_spools(pipeline::FileSystem& files, const std::string& path) {
  uint64_t bytes = 0, frames = 0, entries = 0, segments = 0;
  int code = for_each_segment(files, path, [&](const SpoolFolder& spool, const SpoolName& name) -> Result<void> {
    TRY_LET(auto report, inspect_segment(files, spool.path, name, SpoolCheck::kHeaders));
    std::printf("%s  segment %llu  %llu bytes  %llu of %llu batches wait  %llu entries  closed %s\n",
                spool.sink.c_str(), static_cast<unsigned long long>(name.number),
                static_cast<unsigned long long>(report.bytes), static_cast<unsigned long long>(report.waiting_frames),
                static_cast<unsigned long long>(report.frames), static_cast<unsigned long long>(report.waiting_entries),
                times(report).c_str());
    segments++, bytes += report.bytes, frames += report.waiting_frames, entries += report.waiting_entries;
    return {};
  });
  if (code == 0)
    std::printf("%llu segments, %llu bytes, %llu batches wait, %llu entries\n",
                static_cast<unsigned long long>(segments), static_cast<unsigned long long>(bytes),
                static_cast<unsigned long long>(frames), static_cast<unsigned long long>(entries));
  return code;
}

int print_spools(pipeline::FileSystem& files, const std::string& path) {
  return for_each_segment(files, path, [&](const SpoolFolder& spool, const SpoolName& name) -> Result<void> {
    Result<void> printed;
    TRY(read_segment(files, spool.path, name, [&](const SpoolFrame& frame) {
      if (printed) printed = print_entries(frame);
    }));
    return printed;
  });
}

int verify_spools(pipeline::FileSystem& files, const std::string& path) {
  uint64_t damaged = 0, frames = 0;
  int code = for_each_segment(files, path, [&](const SpoolFolder& spool, const SpoolName& name) -> Result<void> {
    TRY_LET(auto report, inspect_segment(files, spool.path, name, SpoolCheck::kBodies));
    frames += report.frames;
    if (!report.damage.empty()) damaged++;
    for (const std::string& place : report.damage) std::printf("%s: %s\n", report.path.c_str(), place.c_str());
    if (report.open_end_bytes > 0 && report.damage.empty())
      std::printf("%s: the last %llu bytes are no whole batch: torn by a crash, or being written\n",
                  report.path.c_str(), static_cast<unsigned long long>(report.open_end_bytes));
    return {};
  });
  if (code != 0) return code;
  std::printf("%llu batches read, %llu segments damaged\n", static_cast<unsigned long long>(frames),
              static_cast<unsigned long long>(damaged));
  return damaged > 0 ? 1 : 0;
}

int repair_spools(pipeline::FileSystem& files, const std::string& path) {
  return for_each_segment(files, path, [&](const SpoolFolder& spool, const SpoolName& name) -> Result<void> {
    TRY_LET(auto lock, pipeline::FolderLock::acquire(spool.path));  // of a running agent: told, with its pid
    TRY_LET(auto report, inspect_segment(files, spool.path, name, SpoolCheck::kBodies));
    if (report.damage.empty()) return {};
    TRY_LET(uint64_t kept, repair_segment(files, spool.path, name));
    std::printf("%s: %llu whole batches kept, the damaged segment is beside it as .damaged\n", report.path.c_str(),
                static_cast<unsigned long long>(kept));
    return {};
  });
}

}  // namespace

int look_at_spool(SpoolAction action, const std::string& folder) {
  auto files = pipeline::system_files();
  switch (action) {
    case SpoolAction::kList: return list_spools(*files, folder);
    case SpoolAction::kPrint: return print_spools(*files, folder);
    case SpoolAction::kVerify: return verify_spools(*files, folder);
    case SpoolAction::kRepair: return repair_spools(*files, folder);
  }
  return 2;
}

}  // namespace agent
