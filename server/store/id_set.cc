#include "server/store/id_set.h"

#include <algorithm>
#include <map>
#include <optional>

#include "pipeline/base/checksum.h"
#include "pipeline/base/varint.h"
#include "server/store/format.h"
#include "server/store/gram.h"
#include "server/store/id_keys.h"

namespace server {

namespace {

constexpr uint8_t kBackslash = 1;
// 0.3 % of the keys that are not there are found, so of ids.
constexpr uint64_t kBitsPerKey = 12;
constexpr uint8_t kProbes = 8;
constexpr size_t kFewestSlots = 1 << 10, kMostSlots = 1 << 22;

uint64_t spread(uint32_t key) { return key * kGramMultiplier; }

uint64_t block_of(uint32_t key, uint64_t blocks) { return (key * blocks) >> 32; }

// Calls `see` with the number of each bit of a key until that answers false. False: it did.
template <class See>
bool each_bit(uint32_t key, unsigned probes, uint64_t bits, See see) {
  const uint64_t hash = spread(key);
  uint32_t place = static_cast<uint32_t>(hash);
  const uint32_t step = static_cast<uint32_t>(hash >> 32) | 1;
  for (unsigned i = 0; i < probes; ++i, place += step)
    if (!see((uint64_t{place} * bits) >> 32)) return false;
  return true;
}

}  // namespace

bool is_id_set_length(uint64_t length) {
  return length <= kIdBlockBytes ? length >= kIdBlockHeader : length % kIdBlockBytes == 0;
}

void IdSetBuilder::add_page(std::string_view text, std::span<const uint64_t> lengths) {
  backslash_ = backslash_ || text.find('\\') != std::string_view::npos;
  if (overflown_) return;
  scratch_.clear();
  append_id_keys(text, lengths, scratch_);
  for (uint32_t key : scratch_) add(key);
}

void IdSetBuilder::add(uint32_t key) {
  if (overflown_) return;
  if ((count_ + 1) * 4 > slots_.size() * 3) {
    if (slots_.size() == kMostSlots) {
      overflown_ = true, slots_ = {};
      return;
    }
    std::vector<uint32_t> before(std::max(kFewestSlots, slots_.size() * 2));
    before.swap(slots_);
    count_ = 0;
    for (uint32_t old : before)
      if (old != 0) add(old);
  }
  const size_t mask = slots_.size() - 1;
  size_t slot = (spread(key) >> 32) & mask;
  while (slots_[slot] != 0 && slots_[slot] != key) slot = (slot + 1) & mask;
  count_ += slots_[slot] == 0;
  slots_[slot] = key;
}

std::string IdSetBuilder::finish(uint64_t most_bytes) const {
  if (overflown_) return {};
  const uint64_t body = (count_ * kBitsPerKey + 7) / 8;
  const uint64_t blocks = body <= kIdBlockBytes - kIdBlockHeader ? 1 : body / (kIdBlockBytes - kIdBlockHeader) + 1;
  const uint64_t block_bytes = blocks == 1 ? body + kIdBlockHeader : kIdBlockBytes;
  const uint64_t bits = (block_bytes - kIdBlockHeader) * 8;
  if (blocks * block_bytes > most_bytes) return {};
  std::string out(blocks * block_bytes, '\0');
  for (uint32_t key : slots_) {
    if (key == 0) continue;
    char* block = out.data() + block_of(key, blocks) * block_bytes + kIdBlockHeader;
    each_bit(key, kProbes, bits, [&](uint64_t bit) {
      block[bit / 8] = static_cast<char>(block[bit / 8] | 1 << bit % 8);
      return true;
    });
  }
  for (uint64_t i = 0; i < blocks; ++i) {
    char* block = out.data() + i * block_bytes;
    block[4] = static_cast<char>(backslash_ ? kBackslash : 0);
    block[5] = static_cast<char>(kProbes);
    std::string checksum;
    pipeline::append_fixed<uint32_t>(checksum, pipeline::crc32c({block + 4, block_bytes - 4}));
    std::copy(checksum.begin(), checksum.end(), block);
  }
  return out;
}

namespace {

// One object's set, and what of it has been read.
class IdSetReader {
 public:
  IdSetReader(ObjectStore& store, const std::string& key, const ObjectSummary& object, FilterReads& reads)
      : store_(store),
        key_(key),
        offset_(object.size - object.footer_length - object.ids_length),
        block_bytes_(std::min<uint64_t>(object.ids_length, kIdBlockBytes)),
        blocks_(object.ids_length / block_bytes_),
        reads_(reads) {}

  // Whether a line may have one of these texts, or a backslash where that is as good. Nothing: it cannot be read.
  std::optional<bool> may_have(const std::vector<std::vector<uint32_t>>& texts, bool or_backslash) {
    std::vector<uint64_t> wanted;
    for (const auto& keys : texts) wanted.push_back(block_of(keys[0], blocks_));
    if (!fetch(std::move(wanted))) return std::nullopt;
    if (or_backslash && (flags_ & kBackslash) != 0) return true;
    for (const auto& keys : texts) {
      bool all = true;
      for (size_t i = 0; i < keys.size() && all; ++i) {
        const uint64_t number = block_of(keys[i], blocks_);
        if (!fetch({number})) return std::nullopt;
        all = has(read_.find(number)->second, keys[i]);
      }
      if (all) return true;
    }
    return false;
  }

  bool gone() const { return gone_; }  // the object is not there

 private:
  // Blocks that are not there yet; neighbours in one read.
  bool fetch(std::vector<uint64_t> numbers) {
    std::erase_if(numbers, [&](uint64_t number) { return read_.contains(number); });
    std::sort(numbers.begin(), numbers.end());
    const uint64_t most = std::max<uint64_t>(1, store_.request_worth_bytes() / block_bytes_);
    for (size_t i = 0; i < numbers.size();) {
      const uint64_t first = numbers[i];
      uint64_t last = first;
      while (i < numbers.size() && numbers[i] - first < most) last = numbers[i++];
      if (!fetch(first, last)) return false;
    }
    return true;
  }

  bool fetch(uint64_t first, uint64_t last) {
    const uint64_t length = (last - first + 1) * block_bytes_;
    std::string bytes;
    if (auto outcome = store_.get_range(key_, offset_ + first * block_bytes_, length, bytes); !outcome) {
      gone_ = outcome.error().code == pipeline::Errc::kNotFound;
      return false;
    }
    ++reads_.ranges;
    reads_.bytes += length;
    for (uint64_t number = first; number <= last; ++number) {
      std::string block = bytes.substr((number - first) * block_bytes_, block_bytes_);
      pipeline::ByteReader reader(block);
      if (pipeline::crc32c(std::string_view(block).substr(4)) != reader.fixed<uint32_t>()) return false;
      flags_ = reader.fixed<uint8_t>();
      read_[number] = std::move(block);
    }
    return true;
  }

  bool has(const std::string& block, uint32_t key) const {
    const uint64_t bits = (block.size() - kIdBlockHeader) * 8;
    if (bits == 0) return false;
    return each_bit(key, static_cast<uint8_t>(block[5]), bits, [&](uint64_t bit) {
      return (static_cast<unsigned char>(block[kIdBlockHeader + bit / 8]) >> bit % 8 & 1) != 0;
    });
  }

  ObjectStore& store_;
  const std::string& key_;
  const uint64_t offset_, block_bytes_, blocks_;
  FilterReads& reads_;
  std::map<uint64_t, std::string> read_;
  uint8_t flags_ = 0;
  bool gone_ = false;
};

// The keys of each text; none: the set cannot tell.
std::vector<std::vector<uint32_t>> keys_of(const PageCondition& condition) {
  std::vector<std::vector<uint32_t>> out;
  if (!condition.metadata.empty() || !condition.not_with.empty()) return out;
  for (const std::string& text : condition.texts) {
    out.push_back(id_keys(text));
    if (out.back().empty()) return {};
  }
  return out;
}

}  // namespace

bool may_have_ids(ObjectStore& store, const std::string& key, const ObjectSummary& object,
                  std::span<const PageCondition> conditions, FilterReads& reads) {
  if (!is_id_set_length(object.ids_length) || object.footer_length > object.size ||
      object.ids_length > object.size - object.footer_length)
    return true;
  IdSetReader reader(store, key, object, reads);
  for (const PageCondition& condition : conditions) {
    const auto texts = keys_of(condition);
    if (texts.empty()) continue;
    const auto may = reader.may_have(texts, condition.or_backslash);
    if (!may) {
      reads.damaged += !reader.gone();  // where the object is gone, who opens it says so
      return true;
    }
    if (!*may) return false;
  }
  return true;
}

}  // namespace server
