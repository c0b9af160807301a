#include "server/store/page_filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "pipeline/base/checksum.h"
#include "pipeline/base/varint.h"
#include "server/store/columns.h"
#include "server/store/page_condition.h"

namespace server {

using pipeline::append_varint;
using pipeline::ByteReader;

namespace {

constexpr uint64_t kStripeBytes = 4096;  // about: what a row costs at least to read and to check
constexpr size_t kWriteBytes = 256 << 10;

// Bit i of word k becomes bit k of word i.
void transpose(uint64_t (&words)[64]) {
  uint64_t mask = 0x0000'0000'ffff'ffff;
  for (unsigned width = 32; width != 0; width >>= 1, mask ^= mask << width) {
    for (unsigned k = 0; k < 64; k = ((k | width) + 1) & ~width) {
      const uint64_t swapped = ((words[k] >> width) ^ words[k | width]) & mask;
      words[k] ^= swapped << width;
      words[k | width] ^= swapped;
    }
  }
}

// `count` bits from bit `from` on; the others are zero.
uint64_t bits_at(const std::vector<uint64_t>& words, uint64_t from, unsigned count) {
  const size_t word = from / 64;
  const unsigned shift = from % 64;
  uint64_t out = words[word] >> shift;
  if (shift != 0 && word + 1 < words.size()) out |= words[word + 1] << (64 - shift);
  return count == 64 ? out : out & ((uint64_t{1} << count) - 1);
}

void put_bits(std::vector<uint64_t>& words, uint64_t at, uint64_t bits, unsigned count) {
  const unsigned shift = at % 64;
  words[at / 64] |= bits << shift;
  if (shift + count > 64) words[at / 64 + 1] |= bits >> (64 - shift);
}

}  // namespace

void FilterGrid::arrange() {
  for (Size& size : sizes) size.columns = 0;
  column_of.assign(size_of.size(), 0);
  for (size_t page = 0; page < size_of.size(); ++page)
    if (size_of[page] != kNoSize) column_of[page] = sizes[size_of[page]].columns++;
  uint64_t bits = 0;
  for (Size& size : sizes) {
    size.first_bit = bits;
    bits += uint64_t{size.rows / stripes} * size.columns;
  }
  stripe_bytes = (bits + 7) / 8 + sizeof(uint32_t);
}

std::string encode_filter(std::span<const FilterPart> parts) {
  std::string out;
  auto append_grid = [&](const FilterGrid& grid) {
    append_varint(out, grid.sizes.size());
    if (grid.sizes.empty()) return;
    append_varint(out, static_cast<uint64_t>(std::countr_zero(grid.stripes)));
    append_varint(out, grid.offset);
    for (const FilterGrid::Size& size : grid.sizes) append_varint(out, size.rows);
    for (uint8_t size : grid.size_of) out += static_cast<char>(size + 1);  // kNoSize wraps to 0
  };
  append_varint(out, parts.size());
  for (const FilterPart& part : parts) {
    append_varint(out, part.flags.size());
    out.append(reinterpret_cast<const char*>(part.flags.data()), part.flags.size());
    append_grid(part.lines);
    append_grid(part.metadata);
  }
  return out;
}

namespace {

bool take_bytes(ByteReader& reader, uint64_t count, std::vector<uint8_t>& out) {
  std::string_view bytes = reader.bytes(count);
  out.assign(bytes.begin(), bytes.end());
  return reader.ok();
}

bool take_grid(ByteReader& reader, uint64_t pages, uint64_t end, FilterGrid& grid) {
  const uint64_t sizes = reader.varint();
  if (sizes == 0) {
    grid.size_of.assign(pages, FilterGrid::kNoSize);
    return reader.ok();
  }
  const uint64_t stripes_log = reader.varint();
  grid.offset = reader.varint();
  if (!reader.ok() || sizes >= FilterGrid::kNoSize || uint64_t{1} << std::min<uint64_t>(stripes_log, 63) > kMostStripes)
    return false;
  grid.stripes = 1U << stripes_log;
  for (uint64_t i = 0; i < sizes; ++i) {
    const uint64_t rows = reader.varint();
    if (rows > kGramBuckets || !is_filter_rows(static_cast<uint32_t>(rows)) || rows % grid.stripes != 0) return false;
    if (i > 0 && rows <= grid.sizes.back().rows) return false;
    grid.sizes.push_back({static_cast<uint32_t>(rows)});
  }
  if (!take_bytes(reader, pages, grid.size_of)) return false;
  for (uint8_t& size : grid.size_of) {
    if (size > sizes) return false;
    --size;
  }
  grid.arrange();
  return grid.offset <= end && grid.length() <= end - grid.offset;
}

}  // namespace

bool decode_filter(std::string_view raw, size_t pages, uint64_t end, std::vector<FilterPart>& parts) {
  ByteReader reader(raw);
  uint64_t count = reader.varint(), next = 0;
  if (!reader.ok() || count > reader.remaining()) return false;
  for (; count > 0; --count) {
    FilterPart part;
    part.first_page = static_cast<uint32_t>(next);
    const uint64_t of_part = reader.varint();
    if (!reader.ok() || of_part == 0 || of_part > pages - next || !take_bytes(reader, of_part, part.flags))
      return false;
    if (!take_grid(reader, of_part, end, part.lines) || !take_grid(reader, of_part, end, part.metadata)) return false;
    next += of_part;
    parts.push_back(std::move(part));
  }
  return next == pages && reader.at_end();
}

FilterBuilder::Bits FilterBuilder::take_bits() {
  Bits out;
  out.rows = filter_rows(grams_.count());
  out.words = grams_.fold(out.rows);
  grams_.clear();
  return out;
}

void FilterBuilder::add_page(std::string_view text, std::span<const uint32_t> metadata_offsets,
                             std::string_view metadata) {
  grams_.add_text(text);
  lines_.push_back(take_bits());
  const bool backslash = text.find('\\') != std::string_view::npos;
  flags_.push_back(backslash ? FilterPart::kBackslash : 0);
  metadata_.emplace_back();
  if (metadata.empty()) return;
  add_metadata(metadata_offsets, metadata);
  metadata_.back() = take_bits();
}

void FilterBuilder::add_metadata(std::span<const uint32_t> offsets, std::string_view metadata) {
  std::string_view before;
  std::vector<std::string_view> names;  // few
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    std::string_view encoded = metadata.substr(offsets[row], offsets[row + 1] - offsets[row]);
    if (encoded == before) continue;  // as often
    before = encoded;
    for (const auto& [name, value] : MetadataView(encoded)) {
      grams_.add_metadata(name, value);
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      grams_.add_metadata(name, kAnyMetadataValue);
      names.push_back(name);
    }
  }
}

FilterGrid FilterBuilder::plan(const std::vector<Bits>& pages, uint64_t offset) {
  FilterGrid grid;
  grid.offset = offset;
  uint64_t bits = 0;
  for (const Bits& page : pages) bits += page.rows;
  while (grid.stripes < kMostStripes && bits / 8 / grid.stripes > kStripeBytes) grid.stripes *= 2;
  // A page with fewer rows than there are stripes has each of its rows several times.
  auto rows_of = [&](const Bits& page) { return std::max(page.rows, grid.stripes); };
  std::vector<uint32_t> rows;
  for (const Bits& page : pages)
    if (page.rows != 0) rows.push_back(rows_of(page));
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (uint32_t r : rows) grid.sizes.push_back({r});
  for (const Bits& page : pages) {
    auto found = std::lower_bound(rows.begin(), rows.end(), rows_of(page));
    grid.size_of.push_back(page.rows == 0 ? FilterGrid::kNoSize : static_cast<uint8_t>(found - rows.begin()));
  }
  grid.arrange();
  return grid;
}

Result<void> FilterBuilder::write_grid(const FilterGrid& grid, const std::vector<Bits>& pages, const Write& write) {
  std::vector<std::vector<const Bits*>> columns(grid.sizes.size());
  for (size_t page = 0; page < pages.size(); ++page)
    if (grid.size_of[page] != FilterGrid::kNoSize) columns[grid.size_of[page]].push_back(&pages[page]);
  const uint64_t body = grid.stripe_bytes - sizeof(uint32_t);
  std::vector<uint64_t> stripe(body / 8 + 2);
  std::string out;
  for (uint32_t s = 0; s < grid.stripes; ++s) {
    std::fill(stripe.begin(), stripe.end(), 0);
    for (size_t size = 0; size < grid.sizes.size(); ++size) {
      const uint32_t rows = grid.sizes[size].rows / grid.stripes, width = grid.sizes[size].columns;
      for (uint32_t row = 0; row < rows; row += 64) {
        const unsigned tall = std::min(64U, rows - row);
        for (uint32_t column = 0; column < width; column += 64) {
          const unsigned wide = std::min(64U, width - column);
          uint64_t block[64] = {};
          for (unsigned i = 0; i < wide; ++i) {
            const Bits& page = *columns[size][column + i];
            const uint32_t stretch = std::max(1U, grid.stripes / page.rows);
            block[i] = bits_at(page.words, (uint64_t{s} * rows + row) / stretch, tall);
          }
          transpose(block);
          for (unsigned i = 0; i < tall; ++i)
            put_bits(stripe, grid.sizes[size].first_bit + uint64_t{row + i} * width + column, block[i], wide);
        }
      }
    }
    const size_t begin = out.size();
    out.append(reinterpret_cast<const char*>(stripe.data()), body);
    pipeline::append_fixed<uint32_t>(out, pipeline::crc32c(std::string_view(out).substr(begin)));
    if (out.size() < kWriteBytes) continue;
    TRY(write(out));
    out.clear();
  }
  return out.empty() ? Result<void>() : write(out);
}

Result<void> FilterBuilder::finish_part(uint64_t offset, const Write& write) {
  if (lines_.empty()) return {};
  FilterPart part;
  part.first_page = parts_.empty() ? 0 : parts_.back().first_page + parts_.back().pages();
  part.flags = std::move(flags_);
  part.lines = plan(lines_, offset);
  TRY(write_grid(part.lines, lines_, write));
  part.metadata = plan(metadata_, offset + part.lines.length());
  if (!part.metadata.sizes.empty()) TRY(write_grid(part.metadata, metadata_, write));
  parts_.push_back(std::move(part));
  lines_.clear(), metadata_.clear(), flags_.clear();
  return {};
}

}  // namespace server
