#include "agent/sink/equal_entries.h"

#include <algorithm>
#include <utility>

#include "pipeline/base/hash.h"
#include "pipeline/base/varint.h"
#include "pipeline/codec/push_writer.h"

namespace agent {

using pipeline::ByteBuffer;
using pipeline::UnixNanos;

namespace {
constexpr size_t kFirstSlots = 256;
}

UnixNanos EqualEntries::append(ByteBuffer& stream, UnixNanos time, std::string_view line,
                               std::span<const pipeline::Metadata> metadata) {
  catch_up(stream.view());
  make_room(stream.view());
  size_t begin = stream.size();
  for (;;) {
    pipeline::append_push_entry(stream, time, line, metadata);
    std::string_view entry = stream.view().substr(begin);
    uint64_t hash = pipeline::hash64(entry);
    Slot& slot = find(stream.view(), hash, entry);
    if (slot.size == 0) {
      fill(slot, hash, begin, entry.size());
      return time;
    }
    time += ++slot.copies;
    stream.resize(begin);
  }
}

void EqualEntries::clear() {
  if (used_ > 0) slots_.clear();
  used_ = 0, known_bytes_ = 0;
}

EqualEntries::Slot& EqualEntries::find(std::string_view stream, uint64_t hash, std::string_view entry) {
  for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[i];
    if (slot.size == 0 || (slot.hash == hash && stream.substr(slot.begin, slot.size) == entry)) return slot;
  }
}

void EqualEntries::fill(Slot& slot, uint64_t hash, size_t begin, size_t size) {
  slot = {hash, static_cast<uint32_t>(begin), static_cast<uint32_t>(size), 0};
  used_++;
  known_bytes_ = begin + size;
}

// Entries written since the last call, without a look at equality because their times rose.
void EqualEntries::catch_up(std::string_view stream) {
  while (known_bytes_ < stream.size()) {
    pipeline::ByteReader reader(stream.substr(known_bytes_));
    reader.bytes(1);  // the tag
    reader.sized_bytes();
    size_t size = stream.size() - known_bytes_ - reader.remaining();
    make_room(stream);
    std::string_view entry = stream.substr(known_bytes_, size);
    uint64_t hash = pipeline::hash64(entry);
    fill(find(stream, hash, entry), hash, known_bytes_, size);
  }
}

void EqualEntries::make_room(std::string_view stream) {
  if (2 * (used_ + 1) <= slots_.size()) return;
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max(kFirstSlots, slots_.size() * 2)));
  for (const Slot& slot : old)
    if (slot.size != 0) find(stream, slot.hash, stream.substr(slot.begin, slot.size)) = slot;
}

}  // namespace agent
