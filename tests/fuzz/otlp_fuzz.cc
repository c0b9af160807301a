// OTLP log exports in both forms: whatever the bytes, a request is read or refused; what is told has labels that parse,
// names that are label names, no empty values, and streams before their entries.
#include "pipeline/codec/otlp_entries.h"
#include "pipeline/codec/otlp_json.h"
#include "pipeline/codec/otlp_reader.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

class Judge final : public PushVisitor {
 public:
  void on_stream(std::string_view labels, size_t) override {
    fuzz::demand(LabelSet::parse(labels).has_value(), "the labels parse");
    any_ = true;
  }
  void on_entry(UnixNanos, std::string_view, std::span<const Metadata> metadata) override {
    fuzz::demand(any_, "a stream before its entries");
    for (const Metadata& pair : metadata) {
      fuzz::demand(is_label_name(pair.name), "names of metadata are label names");
      fuzz::demand(!pair.value.empty(), "no value is empty");
    }
  }

 private:
  bool any_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes = fuzz::text_of(data, size).substr(1);
  OtlpMapping mapping;
  mapping.discover_service_name = default_service_name_labels();
  mapping.resource_as_discovered = (data[0] & 1) != 0;
  mapping.severity_text_as_label = (data[0] & 2) != 0;
  Judge judge;
  OtlpEntries entries(mapping, 1, judge);
  Result<void> read = (data[0] & 4) != 0 ? decode_otlp(bytes, entries) : decode_otlp_json(bytes, entries);
  if (read) entries.finish();
  return 0;
}
