// Snappy blocks: what our encoder makes is read back by the library and by us, however the bytes are cut into
// fragments; what comes from elsewhere is read or refused as the library does. A literal of 4 GiB, which the library
// takes for one of no bytes, we refuse.
#include <snappy.h>
#include <string>

#include "pipeline/codec/snappy_block.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

constexpr std::string_view kLongestLiteral = "\xfc\xff\xff\xff\xff";

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = fuzz::text_of(data, size);
  ByteBuffer out;
  const bool read = snappy_uncompress(bytes, 1 << 20, out).has_value();
  if (size_t length = 0; snappy::GetUncompressedLength(bytes.data(), bytes.size(), &length) && length <= 1 << 20) {
    std::string theirs;
    const bool library_read = snappy::Uncompress(bytes.data(), bytes.size(), &theirs);
    fuzz::demand(library_read == read || (!read && bytes.find(kLongestLiteral) != bytes.npos), "the library agrees");
    fuzz::demand(!read || theirs == out.view(), "the library reads the same");
  }
  if (size < 2) return 0;
  // The first bytes say how often the rest is repeated, so that there is something to find far back, and where it is
  // cut.
  std::string text;
  for (size_t i = 0; i <= data[0]; ++i) text.append(bytes.substr(2)).push_back(static_cast<char>(i * data[1]));
  size_t cut = text.size() * data[1] / 256;
  std::string_view fragments[] = {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)};
  std::string block = snappy_compress(fragments);
  std::string theirs;
  fuzz::demand(snappy::Uncompress(block.data(), block.size(), &theirs) && theirs == text,
               "the library reads the block");
  fuzz::demand(snappy_uncompress(block, text.size(), out).has_value(), "we read the block");
  fuzz::demand(std::string_view(out.data(), out.size()) == text, "the bytes are the same");
  return 0;
}
