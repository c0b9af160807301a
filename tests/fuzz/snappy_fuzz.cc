// Snappy blocks: what our encoder makes is read back by the library, however the bytes are cut into fragments; what
// comes from elsewhere is read or refused.
#include <string>

#include "pipeline/codec/snappy_block.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = fuzz::text_of(data, size);
  ByteBuffer out;
  (void)snappy_uncompress(bytes, 1 << 20, out);
  if (size < 2) return 0;
  // The first bytes say how often the rest is repeated, so that there is something to find far back, and where it is
  // cut.
  std::string text;
  for (size_t i = 0; i <= data[0]; ++i) text.append(bytes.substr(2)).push_back(static_cast<char>(i * data[1]));
  size_t cut = text.size() * data[1] / 256;
  std::string_view fragments[] = {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)};
  std::string block = snappy_compress(fragments);
  fuzz::demand(snappy_uncompress(block, text.size(), out).has_value(), "the library reads the block");
  fuzz::demand(std::string_view(out.data(), out.size()) == text, "the bytes are the same");
  return 0;
}
