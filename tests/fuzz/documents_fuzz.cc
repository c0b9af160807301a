// Elasticsearch's _bulk and JSON lines: whatever the bytes, a body is read or refused; what is told has labels that
// parse and belongs to a document; every answer is JSON.
#include "pipeline/parse/json.h"
#include "server/ingest/document_push.h"
#include "tests/fuzz/demand.h"

using namespace server;

namespace {

class Judge final : public pipeline::PushVisitor {
 public:
  explicit Judge(const DecodedDocuments& documents) : documents_(documents) {}
  void on_stream(std::string_view labels, size_t entries) override {
    fuzz::demand(pipeline::LabelSet::parse(labels).has_value(), "the labels parse");
    left_ = entries;
  }
  void on_entry(pipeline::UnixNanos, std::string_view, std::span<const pipeline::Metadata> metadata) override {
    fuzz::demand(left_-- > 0, "as many entries as were announced");
    const size_t outcome = documents_.outcome_of(told_++);
    fuzz::demand(outcome < documents_.outcomes().size(), "an entry belongs to a document");
    fuzz::demand(documents_.outcomes()[outcome].status == 201, "a refused document has no entry");
    for (const auto& pair : metadata) fuzz::demand(!pair.value.empty(), "no value is empty");
  }

 private:
  const DecodedDocuments& documents_;
  size_t left_ = 0, told_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view body = fuzz::text_of(data, size).substr(1);
  auto documents = (data[0] & 1) != 0 ? read_bulk(body, {.index = "i"}, 1) : read_json_lines(body, {}, 1);
  if (!documents) return 0;
  Judge judge(*documents);
  documents->tell(judge);
  fuzz::demand(pipeline::check_json(bulk_answer(documents->outcomes())).has_value(), "the answer is JSON");
  return 0;
}
