#include "server/cache/disk_cache.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "pipeline/base/checksum.h"
#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Hash128;
using pipeline::Result;

namespace {

constexpr std::string_view kMagic = "SKC1";
constexpr size_t kHeader = 8;
constexpr uint64_t kEvictedAtOnce = 8;  // blocks of this size, when the disk is full

std::string file_name(const BlockId& id, uint32_t length) {
  char text[64];
  std::snprintf(text, sizeof text, "%016llx%016llx-%u-%u", static_cast<unsigned long long>(id.object.high),
                static_cast<unsigned long long>(id.object.low), id.block, length);
  return text;
}

template <class Number>
bool take_number(std::string_view& rest, int base, Number& number) {
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (error != std::errc()) return false;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return true;
}

struct Named {
  BlockId id;
  uint32_t length = 0;
};

std::optional<Named> parse_name(std::string_view name) {
  if (name.size() < 36 || name[32] != '-') return std::nullopt;
  Named named;
  std::string_view high = name.substr(0, 16), low = name.substr(16, 16), rest = name.substr(33);
  const bool good = take_number(high, 16, named.id.object.high) && take_number(low, 16, named.id.object.low) &&
                    take_number(rest, 10, named.id.block) && rest.starts_with('-');
  if (!good) return std::nullopt;
  rest.remove_prefix(1);
  if (!take_number(rest, 10, named.length) || !rest.empty()) return std::nullopt;
  if (file_name(named.id, named.length) != name) return std::nullopt;  // others are not ours
  return named;
}

std::string header(std::string_view name, std::string_view bytes) {
  const uint32_t crc = pipeline::crc32c(bytes, pipeline::crc32c(name));
  std::string out(kMagic);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(crc >> shift & 0xff);
  return out;
}

std::string folder_of(const std::string& root, std::string_view name) { return concat(root, "/", name.substr(0, 2)); }

}  // namespace

Hash128 BlockId::hash() const {
  std::array<uint64_t, 3> words = {object.high, object.low, block};
  return pipeline::hash128({reinterpret_cast<const char*>(words.data()), sizeof words});
}

Result<std::unique_ptr<DiskCache>> DiskCache::open(pipeline::FileSystem& files, DiskCacheOptions options,
                                                   pipeline::Registry& registry) {
  std::unique_ptr<DiskCache> cache(new DiskCache(files, std::move(options), registry));
  TRY(cache->read_folders());
  return cache;
}

DiskCache::~DiskCache() {
  meters_.bytes.add(-static_cast<int64_t>(size_bytes_));
  meters_.items.add(-static_cast<int64_t>(entries_.size()));
}

Result<void> DiskCache::read_folders() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  Paths surplus;
  {
    std::lock_guard lock(mutex_);
    for (char first : kDigits) {
      for (char second : kDigits) {
        const std::string folder = concat(options_.folder, "/", std::string{first, second});
        TRY(files_.make_folders(folder));
        TRY_LET(auto names, files_.list(folder));
        for (const std::string& name : names) {
          auto named = parse_name(name);
          if (named && !by_id_.contains(named->id)) add(named->id, named->length);
        }
      }
    }
    if (size_bytes_ > options_.limit_bytes) surplus = drop_oldest(size_bytes_ - options_.limit_bytes);
  }
  remove_files(surplus);
  return {};
}

void DiskCache::add(const BlockId& id, uint32_t length) {
  entries_.push_front({id, length});
  by_id_.emplace(id, entries_.begin());
  size_bytes_ += length;
  meters_.bytes.add(length);
  meters_.items.add(1);
}

std::string DiskCache::drop(Entries::iterator entry) {
  const std::string name = file_name(entry->id, entry->length);
  size_bytes_ -= entry->length;
  meters_.bytes.add(-static_cast<int64_t>(entry->length));
  meters_.items.add(-1);
  by_id_.erase(entry->id);
  entries_.erase(entry);
  return concat(folder_of(options_.folder, name), "/", name);
}

DiskCache::Paths DiskCache::drop_oldest(uint64_t bytes) {
  Paths paths;
  const uint64_t before = size_bytes_;
  while (!entries_.empty() && before - size_bytes_ < bytes) {
    paths.push_back(drop(std::prev(entries_.end())));
    meters_.evictions.add();
  }
  return paths;
}

void DiskCache::remove_files(const Paths& paths) {
  for (const std::string& path : paths) {
    if (auto removed = files_.remove(path); !removed && removed.error().code != pipeline::Errc::kNotFound)
      meters_.errors.add();  // the next start finds it again
  }
}

std::optional<std::string> DiskCache::find(const BlockId& id) {
  std::string name;
  uint64_t length = 0;
  {
    std::lock_guard lock(mutex_);
    admission_.note(id.hash().low);
    auto found = by_id_.find(id);
    if (found == by_id_.end()) {
      meters_.count(false);
      return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    length = found->second->length;
    name = file_name(id, found->second->length);
  }
  auto file = files_.open_to_read(concat(folder_of(options_.folder, name), "/", name));
  auto text = file ? (*file)->read(0, kHeader + length + 1) : Result<std::string>(pipeline::fail(file.error()));
  if (text && text->size() >= kHeader) {
    const std::string_view bytes = std::string_view(*text).substr(kHeader);
    if (bytes.size() == length && text->starts_with(header(name, bytes))) {
      meters_.count(true);
      meters_.hit_bytes.add(bytes.size());
      text->erase(0, kHeader);
      return *std::move(text);
    }
  }
  meters_.count(false);
  meters_.errors.add();
  forget(id);
  return std::nullopt;
}

void DiskCache::forget(const BlockId& id) {
  Paths paths;
  {
    std::lock_guard lock(mutex_);
    if (auto found = by_id_.find(id); found != by_id_.end()) paths.push_back(drop(found->second));
  }
  remove_files(paths);
}

std::optional<DiskCache::Paths> DiskCache::make_room(const BlockId& id, uint64_t bytes) {
  if (bytes > options_.limit_bytes) return std::nullopt;
  Paths paths;
  if (size_bytes_ + bytes > options_.limit_bytes) {
    const auto oldest = std::prev(entries_.end());
    if (!admission_.prefers(id.hash().low, oldest->id.hash().low)) {
      entries_.splice(entries_.begin(), entries_, oldest);  // its turn to be doubted again comes after all others
      return std::nullopt;
    }
    paths = drop_oldest(size_bytes_ + bytes - options_.limit_bytes);
  }
  if (options_.keep_free_bytes == 0) return paths;
  const auto free = files_.free_bytes(options_.folder);
  const uint64_t wanted = options_.keep_free_bytes + bytes;
  if (!free || *free >= wanted) return paths;
  if (size_bytes_ == 0 && paths.empty()) return std::nullopt;  // others have filled the disk
  for (std::string& path : drop_oldest(wanted - *free)) paths.push_back(std::move(path));
  return paths;
}

Result<void> DiskCache::write(const std::string& path, std::string_view name, std::string_view bytes) {
  TRY_LET(auto file, files_.create(path));
  TRY(file->append(header(name, bytes)));
  return file->append(bytes);
}

// Where the disk is full (or the file a remainder): once more with room.
bool DiskCache::write_or_evict(const std::string& path, std::string_view name, std::string_view bytes) {
  if (write(path, name, bytes)) return true;
  meters_.errors.add();
  (void)files_.remove(path);
  Paths evicted;
  {
    std::lock_guard lock(mutex_);
    evicted = drop_oldest(kEvictedAtOnce * bytes.size());
  }
  remove_files(evicted);
  if (write(path, name, bytes)) return true;
  (void)files_.remove(path);
  return false;
}

void DiskCache::put(const BlockId& id, std::string_view bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  const std::string name = file_name(id, length);
  std::optional<Paths> evicted;
  {
    std::lock_guard lock(mutex_);
    if (by_id_.contains(id) || writing_.contains(id)) return;
    evicted = make_room(id, bytes.size());
    if (!evicted) return meters_.refused.add();
    writing_.insert(id);
  }
  remove_files(*evicted);
  const bool written = write_or_evict(concat(folder_of(options_.folder, name), "/", name), name, bytes);
  std::lock_guard lock(mutex_);
  writing_.erase(id);
  if (!written) return;
  add(id, length);
  meters_.stored_bytes.add(length);
}

void DiskCache::remove_object(const Hash128& object) {
  Paths paths;
  {
    std::lock_guard lock(mutex_);
    for (auto at = by_id_.lower_bound({object, 0}); at != by_id_.end() && at->first.object == object;)
      paths.push_back(drop((at++)->second));
  }
  remove_files(paths);
}

uint64_t DiskCache::size_bytes() const {
  std::lock_guard lock(mutex_);
  return size_bytes_;
}

}  // namespace server
