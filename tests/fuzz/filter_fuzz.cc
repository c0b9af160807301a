// Section FILTER of an object: whatever the bytes, it is refused, or what it says lies inside the object; what is
// written reads back the same.
#include "server/store/page_filter.h"
#include "tests/fuzz/demand.h"

using namespace server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kEnd = 1 << 24;
  if (size == 0) return 0;
  const size_t pages = data[0];
  std::vector<FilterPart> parts;
  if (!decode_filter(fuzz::text_of(data, size).substr(1), pages, kEnd, parts)) return 0;
  size_t next = 0;
  for (const FilterPart& part : parts) {
    fuzz::demand(part.first_page == next, "parts follow each other");
    next += part.pages();
    for (const FilterGrid* grid : {&part.lines, &part.metadata}) {
      fuzz::demand(grid->offset + grid->length() <= kEnd || grid->sizes.empty(), "the grid lies inside the object");
      fuzz::demand(grid->size_of.size() == part.pages(), "every page has a size or none");
      for (size_t page = 0; page < grid->size_of.size(); ++page) {
        const uint8_t number = grid->size_of[page];
        if (number == FilterGrid::kNoSize) continue;
        fuzz::demand(number < grid->sizes.size(), "the size is one of the grid");
        const FilterGrid::Size& of = grid->sizes[number];
        const uint64_t last_bit =
            of.first_bit + uint64_t{of.rows / grid->stripes - 1} * of.columns + grid->column_of[page];
        fuzz::demand(last_bit / 8 + sizeof(uint32_t) < grid->stripe_bytes, "its bits lie inside a stripe");
      }
    }
  }
  fuzz::demand(next == pages, "every page is in a part");
  std::vector<FilterPart> again;
  fuzz::demand(decode_filter(encode_filter(parts), pages, kEnd, again), "what is written is read");
  fuzz::demand(encode_filter(again) == encode_filter(parts), "and is the same");
  return 0;
}
