#include "agent/spool/spool_losses.h"

#include <algorithm>
#include <map>

#include "pipeline/base/checksum.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/varint.h"

namespace agent {

using pipeline::append_fixed;
using pipeline::append_varint;
using pipeline::ByteReader;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::FileSystem;
using pipeline::Result;

namespace {
constexpr std::string_view kMagic = "SKDWLST\x01";
constexpr size_t kHeaderBytes = 8;  // of a frame: sum and length
constexpr size_t kLeastFrameBytes = 4 * sizeof(uint64_t);
constexpr size_t kFoldedFiles = 1024;  // in one frame of sums

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

void append_frame(std::string& out, const LostFrame& frame) {
  std::string bytes;
  for (uint64_t v : {frame.salt, frame.offset, frame.number.epoch, frame.number.seq}) append_fixed(bytes, v);
  for (const SpoolLoss& loss : frame.losses) {
    append_text(bytes, loss.reason);
    append_text(bytes, loss.detail);
    for (uint64_t v : {loss.volume.frames, loss.volume.entries, loss.volume.line_bytes}) append_varint(bytes, v);
    append_text(bytes, loss.origins);
  }
  append_fixed(out, pipeline::crc32c(bytes));
  append_fixed(out, static_cast<uint32_t>(bytes.size()));
  out += bytes;
}

std::optional<LostFrame> parse_frame(std::string_view bytes) {
  ByteReader in(bytes);
  LostFrame frame;
  for (uint64_t* v : {&frame.salt, &frame.offset, &frame.number.epoch, &frame.number.seq}) *v = in.fixed<uint64_t>();
  while (in.ok() && !in.at_end()) {
    SpoolLoss& loss = frame.losses.emplace_back();
    loss.reason = in.sized_bytes();
    loss.detail = in.sized_bytes();
    for (uint64_t* v : {&loss.volume.frames, &loss.volume.entries, &loss.volume.line_bytes}) *v = in.varint();
    loss.origins = in.sized_bytes();
  }
  if (!in.ok()) return std::nullopt;
  return frame;
}

std::optional<LostFrame> read_frame(std::string_view bytes, size_t& length) {
  ByteReader in(bytes);
  const auto crc = in.fixed<uint32_t>();
  const std::string_view body = in.bytes(in.fixed<uint32_t>());
  if (!in.ok() || pipeline::crc32c(body) != crc) return std::nullopt;
  length = bytes.size() - in.remaining();
  return parse_frame(body);
}

// Returns where the last whole frame ends. What is damaged is skipped byte by byte.
size_t parse(std::string_view bytes, std::vector<LostFrame>& out) {
  size_t end = bytes.starts_with(kMagic) ? kMagic.size() : 0;
  for (size_t at = kMagic.size(), length = 0; at + kHeaderBytes + kLeastFrameBytes <= bytes.size();) {
    auto frame = read_frame(bytes.substr(at), length);
    if (!frame) {
      at++;
      continue;
    }
    out.push_back(*std::move(frame));
    end = at += length;
  }
  return end;
}

Result<std::string> read_all(const pipeline::File& file) {
  TRY_LET(uint64_t size, file.size());
  return file.read(0, size);
}

// Sums by reason, and in each the parts by file.
class Sums {
 public:
  explicit Sums(const std::function<bool(uint64_t, FileId)>& is_known) : is_known_(is_known) {}

  void add(const LostFrame& frame) {
    for (const SpoolLoss& loss : frame.losses) {
      Sum& sum = sums_[loss.reason];
      sum.volume.add(loss.volume);
      if (!loss.detail.empty()) sum.detail = loss.detail;
      const auto origins = parse_origins(loss.origins);
      if (!origins || loss.origins.empty()) {
        sum.unknown.add(loss.volume);
        continue;
      }
      auto& parts = sum.homes[origins->home];
      for (const SpoolPart& part : origins->parts) {
        if (part.file && is_known_ && !is_known_(origins->home, part.file)) continue;
        auto [place, is_new] = parts.try_emplace(part.file, part);
        if (!is_new) join_part(place->second, part);
      }
    }
  }

  // The volume stands with the first parts of a reason; that of frames whose files are not known alone.
  std::vector<LostFrame> take() {
    std::vector<LostFrame> all;
    for (auto& [reason, sum] : sums_) {
      SpoolVolume volume = sum.volume;
      volume.subtract(sum.unknown);
      for (auto& [home, parts] : sum.homes) {
        SpoolOrigins origins{home, {}};
        for (auto& [file, part] : parts) {
          origins.parts.push_back(part);
          if (origins.parts.size() < kFoldedFiles) continue;
          add_to(all, reason, sum.detail, volume, origins);
          origins.home = home;
        }
        if (!origins.parts.empty() || parts.empty()) add_to(all, reason, sum.detail, volume, origins);
      }
      SpoolOrigins none;
      if (sum.unknown.entries + sum.unknown.frames > 0) add_to(all, reason, sum.detail, sum.unknown, none);
    }
    return all;
  }

 private:
  struct Sum {
    std::string detail;
    SpoolVolume volume, unknown;
    std::map<uint64_t, std::map<FileId, SpoolPart>> homes;
  };
  static void add_to(std::vector<LostFrame>& all, const std::string& reason, const std::string& detail,
                     SpoolVolume& volume, SpoolOrigins& origins) {
    LostFrame frame;
    frame.losses.push_back({reason, detail, std::exchange(volume, {}), encode_origins(std::exchange(origins, {}))});
    all.push_back(std::move(frame));
  }

  const std::function<bool(uint64_t, FileId)>& is_known_;
  std::map<std::string, Sum> sums_;
};
}  // namespace

Result<std::vector<LostFrame>> read_spool_losses(FileSystem& files, const std::string& path) {
  std::vector<LostFrame> all;
  auto file = files.open_to_read(path);
  if (!file && file.error().code == Errc::kNotFound) return all;
  if (!file) return fail(std::move(file).error());
  TRY_LET(std::string bytes, read_all(**file));
  parse(bytes, all);
  return all;
}

SpoolLosses::SpoolLosses(FileSystem& files, std::string folder)
    : files_(files), folder_(std::move(folder)), path_(concat(folder_, "/", kSpoolLossesName)) {}

Result<std::unique_ptr<SpoolLosses>> SpoolLosses::open(FileSystem& files, std::string folder, const OnLost& on_lost) {
  std::unique_ptr<SpoolLosses> losses(new SpoolLosses(files, std::move(folder)));
  TRY(losses->load(on_lost));
  return losses;
}

Result<void> SpoolLosses::load(const OnLost& on_lost) {
  auto opened = files_.open(path_);
  if (!opened && opened.error().code == Errc::kNotFound) return {};
  TRY_LET(file_, std::move(opened));
  TRY_LET(std::string bytes, read_all(*file_));
  std::vector<LostFrame> all;
  size_ = parse(bytes, all);
  if (size_ < bytes.size()) {
    pipeline::log_warn("spool: torn tail of the losses cut", {{"file", path_}, {"bytes", bytes.size() - size_}});
    TRY(file_->truncate(size_));
  }
  for (const LostFrame& frame : all) {
    if (frame.salt != 0) frames_.emplace(frame.salt, frame.offset);
    if (on_lost) on_lost(frame);
  }
  return {};
}

void SpoolLosses::add(const std::vector<LostFrame>& lost) {
  if (lost.empty()) return;
  for (const LostFrame& frame : lost) {
    append_frame(unwritten_, frame);
    frames_.emplace(frame.salt, frame.offset);
  }
  if (auto written = write(); !written)
    if (auto held = log_.allow())
      pipeline::log_warn("spool: losses not written, it is tried again",
                         {{"file", path_}, {"error", written.error()}, {"held_back", *held}});
  fold();
}

Result<void> SpoolLosses::write() {
  if (unwritten_.empty()) return {};
  if (!file_) {
    auto made = files_.create(path_);
    if (!made) made = files_.open(path_);
    TRY_LET(auto file, std::move(made));
    TRY(file->truncate(size_));
    TRY(files_.sync_folder(folder_));
    file_ = std::move(file);
  }
  std::string bytes = size_ == 0 ? std::string(kMagic) : std::string();
  bytes += unwritten_;
  if (auto appended = file_->append(bytes); !appended) {
    if (auto cut = file_->truncate(size_); !cut) file_.reset();
    return appended;
  }
  size_ += bytes.size();
  unwritten_.clear();
  unsynced_ = true;
  return {};
}

void SpoolLosses::sync() {
  (void)write();
  if (!unsynced_ || !file_) return;
  (void)file_->sync();  // after a failed one a power cut may cost what was told of these losses
  unsynced_ = false;
}

void SpoolLosses::forget(uint64_t salt) {
  (void)write();  // there is room now, if it was a full disk
  frames_.erase(frames_.lower_bound({salt, 0}), frames_.upper_bound({salt, UINT64_MAX}));
}

void SpoolLosses::keep_only(const std::set<uint64_t>& salts) {
  std::erase_if(frames_, [&](const auto& frame) { return !salts.contains(frame.first); });
}

void SpoolLosses::fold(const std::function<bool(uint64_t, FileId)>& is_known) {
  if (size_ < std::max(kFoldBytes, 2 * folded_size_) || !unwritten_.empty()) return;
  if (auto written = rewrite(is_known); !written)
    if (auto held = log_.allow())
      pipeline::log_warn("spool: losses not folded",
                         {{"file", path_}, {"error", written.error()}, {"held_back", *held}});
  folded_size_ = size_;
}

Result<void> SpoolLosses::rewrite(const std::function<bool(uint64_t, FileId)>& is_known) {
  TRY_LET(std::string bytes, read_all(*file_));
  std::vector<LostFrame> all;
  parse(bytes, all);
  Sums sums(is_known);
  const size_t old = all.size() - std::min(all.size(), kKept);
  for (size_t i = 0; i < old; i++)
    if (!frames_.contains({all[i].salt, all[i].offset})) sums.add(all[i]);
  std::string out(kMagic);
  for (const LostFrame& frame : sums.take()) append_frame(out, frame);
  for (size_t i = 0; i < all.size(); i++)
    if (i >= old || frames_.contains({all[i].salt, all[i].offset})) append_frame(out, all[i]);
  const std::string fresh = path_ + ".tmp";
  (void)files_.remove(fresh);
  TRY_LET(auto file, files_.create(fresh));
  TRY(file->append(out));
  TRY(file->sync());
  TRY(files_.rename(fresh, path_));
  file_ = std::move(file);
  size_ = out.size();
  return files_.sync_folder(folder_);
}

}  // namespace agent
