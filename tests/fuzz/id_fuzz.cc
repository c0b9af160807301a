// The id set of an object: whatever the bytes of a block, it is asked safely; and what the lines of a text have is
// never said to be absent, wherever they are cut.
#include <algorithm>
#include <cstring>

#include "pipeline/base/checksum.h"
#include "server/store/id_keys.h"
#include "server/store/id_set.h"
#include "tests/fuzz/demand.h"

using namespace server;

namespace {

// One object, which is nothing but its set.
class SetStore final : public ObjectStore {
 public:
  std::string bytes;
  Result<std::unique_ptr<ObjectUpload>> create(const std::string&) override { return not_here(); }
  Result<void> get_range(const std::string&, uint64_t offset, uint64_t length, std::string& out) override {
    fuzz::demand(offset <= bytes.size() && length <= bytes.size() - offset, "it reads inside the set");
    out = bytes.substr(offset, length);
    return {};
  }
  Result<uint64_t> size(const std::string&) override { return bytes.size(); }
  Result<void> remove(const std::string&) override { return not_here(); }
  Result<std::vector<std::string>> list(const std::string&) override { return not_here(); }
  Result<uint64_t> remove_unfinished(const std::string&) override { return not_here(); }

 private:
  static tl::unexpected<pipeline::Error> not_here() { return pipeline::fail(pipeline::Errc::kInvalid, "not here"); }
};

bool may_have(SetStore& store, std::string_view needle) {
  ObjectSummary object;
  object.size = object.ids_length = store.bytes.size();
  PageCondition condition;
  condition.texts.emplace_back(needle);
  FilterReads reads;
  return may_have_ids(store, "object", object, {&condition, 1}, reads);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  // As lines: each ends at a line feed.
  std::vector<uint64_t> lengths;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lengths.push_back(end - begin);
    begin = end;
  }
  IdSetBuilder builder;
  builder.add_page(text, lengths);
  SetStore store;
  store.bytes = builder.finish(UINT64_MAX);
  fuzz::demand(is_id_set_length(store.bytes.size()), "a set has a length of a set");
  size_t begin = 0;
  for (uint64_t length : lengths) {
    const std::string_view line = text.substr(begin, length);
    fuzz::demand(may_have(store, line), "a line is in its set");
    if (line.size() > 2) fuzz::demand(may_have(store, line.substr(1, line.size() - 2)), "and so is a part of it");
    begin += length;
  }
  // As a block with a right checksum.
  if (size < kIdBlockHeader || size > kIdBlockBytes) return 0;
  store.bytes = text;
  const uint32_t checksum = pipeline::crc32c(text.substr(sizeof(uint32_t)));
  std::memcpy(store.bytes.data(), &checksum, sizeof checksum);
  (void)may_have(store, "0b6e4f1d9a7c35820fe1d2c3b4a59687");
  return 0;
}
