#include "agent/spool/spool_origins.h"

#include <algorithm>
#include <unordered_map>

#include "pipeline/base/hash.h"
#include "pipeline/base/varint.h"

namespace agent {

using pipeline::append_fixed;
using pipeline::append_varint;
using pipeline::ByteReader;

namespace {
constexpr size_t kLeastPartBytes = 4;  // in what is read

class PartsByFile {
 public:
  explicit PartsByFile(std::vector<SpoolPart>& parts) : parts_(parts) {}
  void add(FileId file, uint64_t begin, uint64_t end) {
    const SpoolPart range{file, begin, end, end - begin};
    auto [place, is_new] = places_.try_emplace(file, parts_.size());
    if (is_new)
      parts_.push_back(range);
    else
      join_part(parts_[place->second], range);
  }

 private:
  std::vector<SpoolPart>& parts_;
  std::unordered_map<FileId, size_t> places_;
};

size_t part_bytes(const SpoolPart& part) {
  using pipeline::varint_size;
  return varint_size(part.file.value) + varint_size(part.begin) + varint_size(part.end - part.begin) +
         varint_size(part.bytes);
}

// The largest that have room, and the sum of the others.
void shorten(std::vector<SpoolPart>& parts, size_t most_bytes) {
  constexpr size_t kFixed = sizeof(uint64_t) + pipeline::kMaxVarintBytes;  // home, parts
  constexpr size_t kOthers = 3 + pipeline::kMaxVarintBytes;
  size_t bytes = kFixed;
  for (const SpoolPart& part : parts) bytes += part_bytes(part);
  if (bytes <= most_bytes) return;
  std::sort(parts.begin(), parts.end(), [](const SpoolPart& a, const SpoolPart& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.file < b.file;
  });
  size_t kept = 0;
  for (bytes = kFixed + kOthers; bytes + part_bytes(parts[kept]) <= most_bytes; kept++)
    bytes += part_bytes(parts[kept]);
  SpoolPart others;
  for (size_t i = kept; i < parts.size(); i++) others.bytes += parts[i].bytes;
  parts.resize(kept);
  parts.push_back(others);
}
}  // namespace

uint64_t spool_home(std::string_view producer) { return pipeline::hash64(producer); }

SpoolOrigins spool_origins(uint64_t home, const std::vector<RecordSegment>& segments) {
  SpoolOrigins origins{home, {}};
  PartsByFile parts(origins.parts);
  for (const RecordSegment& segment : segments)
    for (const LineRange& range : segment.ranges) parts.add(segment.file, range.begin, range.end);
  return origins;
}

SpoolOrigins spool_origins(uint64_t home, FileId stream, const std::vector<EntryRange>& entries) {
  SpoolOrigins origins{home, {}};
  PartsByFile parts(origins.parts);
  for (const auto& [begin, end] : entries) parts.add(stream, begin, end);
  return origins;
}

void join_part(SpoolPart& part, const SpoolPart& more) {
  part.begin = std::min(part.begin, more.begin), part.end = std::max(part.end, more.end);
  part.bytes += more.bytes;
}

std::string encode_origins(SpoolOrigins origins, size_t most_bytes) {
  std::string out;
  if (origins == SpoolOrigins()) return out;
  shorten(origins.parts, most_bytes);
  append_fixed(out, origins.home);
  append_varint(out, origins.parts.size());
  for (const SpoolPart& part : origins.parts) {
    append_varint(out, part.file.value);
    append_varint(out, part.begin);
    append_varint(out, part.end - part.begin);
    append_varint(out, part.bytes);
  }
  return out;
}

std::optional<SpoolOrigins> parse_origins(std::string_view bytes) {
  SpoolOrigins origins;
  if (bytes.empty()) return origins;
  ByteReader in(bytes);
  origins.home = in.fixed<uint64_t>();
  const uint64_t parts = in.varint();
  if (parts > in.remaining() / kLeastPartBytes) return std::nullopt;
  origins.parts.resize(parts);
  for (SpoolPart& part : origins.parts) {
    part.file = {in.varint()};
    part.begin = in.varint();
    part.end = part.begin + in.varint();
    part.bytes = in.varint();
    if (part.end < part.begin) return std::nullopt;
  }
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return origins;
}

SpoolOrigins share_of(SpoolOrigins origins, uint64_t of_all, uint64_t all) {
  if (of_all >= all) return origins;
  for (SpoolPart& part : origins.parts)
    part.bytes =
        static_cast<uint64_t>(static_cast<double>(part.bytes) * static_cast<double>(of_all) / static_cast<double>(all));
  return origins;
}

void OriginSums::add(std::string_view origins) {
  const auto more = parse_origins(origins);
  if (!more) return;
  if (parts_.empty()) home_ = more->home;
  for (const SpoolPart& part : more->parts) {
    auto [at, is_new] = parts_.try_emplace(home_ == more->home ? part.file : FileId(), part);
    if (!is_new) join_part(at->second, part);
  }
}

void OriginSums::subtract(std::string_view origins) {
  const auto less = parse_origins(origins);
  if (!less) return;
  for (const SpoolPart& part : less->parts) {
    auto at = parts_.find(home_ == less->home ? part.file : FileId());
    if (at == parts_.end()) continue;
    at->second.bytes -= std::min(at->second.bytes, part.bytes);
    if (at->second.bytes == 0) parts_.erase(at);
  }
}

std::string OriginSums::encode() const {
  SpoolOrigins origins{parts_.empty() ? 0 : home_, {}};
  for (const auto& [file, part] : parts_) {
    origins.parts.push_back(part);
    origins.parts.back().file = file;
  }
  return encode_origins(std::move(origins));
}

}  // namespace agent
