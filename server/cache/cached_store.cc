#include "server/cache/cached_store.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::Hash128;
using pipeline::Result;

namespace {

constexpr uint64_t kMostRemoteBytes = 1'000'000;  // of memcached's items
constexpr size_t kMostSizes = 1 << 20;            // then all are forgotten, and noted again as objects are opened

std::string remote_key(const Hash128& object) {
  char text[48];
  std::snprintf(text, sizeof text, "skidway-end-%016llx%016llx", static_cast<unsigned long long>(object.high),
                static_cast<unsigned long long>(object.low));
  return text;
}

}  // namespace

Result<uint64_t> CachedStore::size(const std::string& key) {
  TRY_LET(uint64_t size, store_.size(key));
  note_size(key, size);
  return size;
}

void CachedStore::note_size(const std::string& key, uint64_t size) {
  std::lock_guard lock(mutex_);
  if (sizes_.size() >= kMostSizes) sizes_.clear();
  sizes_[pipeline::hash128(key)] = size;
}

uint64_t CachedStore::known_size(const Hash128& object) const {
  std::lock_guard lock(mutex_);
  auto found = sizes_.find(object);
  return found == sizes_.end() ? 0 : found->second;
}

Result<void> CachedStore::remove(const std::string& key) {
  const Hash128 object = pipeline::hash128(key);
  const uint64_t size = known_size(object);
  if (tiers_.disk != nullptr) tiers_.disk->remove_object(object);
  for (uint64_t block = 0; tiers_.memory != nullptr && block * kBlockBytes < size; ++block)
    tiers_.memory->remove(BlockId{object, static_cast<uint32_t>(block)}.hash());
  if (tiers_.remote != nullptr) tiers_.remote->remove(remote_key(object));
  {
    std::lock_guard lock(mutex_);
    sizes_.erase(object);
  }
  return store_.remove(key);
}

CachedText CachedStore::find_block(const BlockId& id) {
  if (tiers_.memory != nullptr) {
    if (CachedText text = tiers_.memory->find(id.hash())) return text;
  }
  if (tiers_.disk == nullptr) return nullptr;
  auto bytes = tiers_.disk->find(id);
  if (!bytes) return nullptr;
  auto text = std::make_shared<const std::string>(*std::move(bytes));
  if (tiers_.memory != nullptr) tiers_.memory->put(id.hash(), text);
  return text;
}

void CachedStore::keep_block(const BlockId& id, CachedText text) {
  if (tiers_.disk != nullptr) tiers_.disk->put(id, *text);
  if (tiers_.memory != nullptr) tiers_.memory->put(id.hash(), std::move(text));
}

// Neighbouring blocks in one read.
Result<void> CachedStore::fetch_run(const Object& object, uint64_t first, size_t count, CachedText* blocks) {
  const uint64_t begin = first * kBlockBytes;
  const uint64_t end = std::min(object.size, (first + count) * kBlockBytes);
  std::string bytes;
  TRY(store_.get_range(object.key, begin, end - begin, bytes));
  for (size_t i = 0; i < count; ++i) {
    auto text = count == 1 ? std::make_shared<const std::string>(std::move(bytes))
                           : std::make_shared<const std::string>(bytes.substr(i * kBlockBytes, kBlockBytes));
    blocks[i] = text;
    keep_block({object.hash, static_cast<uint32_t>(first + i)}, std::move(text));
  }
  return {};
}

// Those that are missing of `blocks`, which begin with number `first`: what nobody reads already is read here, then the
// others are waited for.
Result<void> CachedStore::fetch(const Object& object, uint64_t first, Blocks& blocks) {
  auto id_of = [&](size_t i) { return BlockId{object.hash, static_cast<uint32_t>(first + i)}; };
  std::vector<size_t> mine, others;
  {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < blocks.size(); ++i)
      if (!blocks[i]) (underway_.insert(id_of(i)).second ? mine : others).push_back(i);
  }
  Result<void> outcome;
  for (size_t at = 0; at < mine.size() && outcome;) {
    size_t count = 1;
    while (at + count < mine.size() && mine[at + count] == mine[at] + count) ++count;
    outcome = fetch_run(object, first + mine[at], count, &blocks[mine[at]]);
    at += count;
  }
  std::unique_lock lock(mutex_);
  for (size_t i : mine) underway_.erase(id_of(i));
  fetched_.notify_all();
  TRY(outcome);
  for (size_t i : others) {
    fetched_.wait(lock, [&] { return !underway_.contains(id_of(i)); });
    lock.unlock();
    blocks[i] = find_block(id_of(i));
    if (!blocks[i]) TRY(fetch_run(object, first + i, 1, &blocks[i]));  // not kept, or it could not be read
    lock.lock();
  }
  return {};
}

bool CachedStore::find_remote(const Object& object, uint64_t offset, uint64_t length, std::string& out) {
  auto value = tiers_.remote->find(remote_key(object.hash));
  uint64_t begin = 0;
  if (!value || value->size() < sizeof begin) return false;
  std::memcpy(&begin, value->data(), sizeof begin);
  if (begin > offset || begin + (value->size() - sizeof begin) != object.size) return false;
  out.assign(*value, sizeof begin + (offset - begin), length);
  return out.size() == length;
}

void CachedStore::keep_remote(const Object& object, uint64_t offset, std::string_view bytes) {
  std::string value(reinterpret_cast<const char*>(&offset), sizeof offset);
  value += bytes;
  tiers_.remote->put(remote_key(object.hash), value);
}

Result<void> CachedStore::get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) {
  const Hash128 hash = pipeline::hash128(key);
  const Object object{key, hash, known_size(hash)};
  if (length == 0 || offset >= object.size || length > object.size - offset)
    return store_.get_range(key, offset, length, out);
  const uint64_t first = offset / kBlockBytes, last = (offset + length - 1) / kBlockBytes;
  Blocks blocks(last - first + 1);
  bool complete = true;
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = find_block({hash, static_cast<uint32_t>(first + i)});
    complete = complete && blocks[i];
  }
  const bool is_end = offset + length == object.size && length <= kMostRemoteBytes && tiers_.remote != nullptr;
  if (!complete) {
    if (is_end && find_remote(object, offset, length, out)) return {};
    if (tiers_.memory == nullptr && tiers_.disk == nullptr) {
      TRY(store_.get_range(key, offset, length, out));
      if (is_end) keep_remote(object, offset, out);
      return {};
    }
    TRY(fetch(object, first, blocks));
  }
  out.clear();
  out.reserve(length);
  for (uint64_t i = 0; i < blocks.size(); ++i) {
    const uint64_t block_begin = (first + i) * kBlockBytes;
    const uint64_t from = std::max(offset, block_begin) - block_begin;
    const uint64_t to = std::min(offset + length, block_begin + kBlockBytes) - block_begin;
    if (to > blocks[i]->size()) return store_.get_range(key, offset, length, out);  // a wrong size was noted
    out.append(*blocks[i], from, to - from);
  }
  if (!complete && is_end) keep_remote(object, offset, out);
  return {};
}

}  // namespace server
