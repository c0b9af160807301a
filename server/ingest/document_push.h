// Pushes that consist of JSON documents, one a line: Elasticsearch's _bulk, and JSON lines.
//
//   {"create":{"_index":"shop"}}                                    _bulk: an action, then its document
//   {"@timestamp":"2026-11-21T18:00:00Z","message":"text","service":{"name":"web"},"took":5}
//   {"timestamp":"...","labels":{"app":"web"},"line":"text","structured_metadata":{"took":"5"}}   JSON lines: as
//                                                                   `skidway query -o jsonl` writes them, or any object
//
// A document becomes an entry: its first time field the time (RFC 3339, or a number since 1970: of s, ms, us or ns by
// its size; none: now), its first line field the line (none: the document as it stands), its stream fields labels, all
// other fields structured metadata. Names of nested objects are joined with a dot to find them, with _ to store them;
// arrays are kept as JSON. A document with `labels` (an object) and `line` or `line_b64` is taken in the second form.
//
// Errors:  kInvalid: the body as a whole (an action that is none). A faulty document is told in its outcome.
// Thread:  any.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/codec/push_visitor.h"

namespace server {

// Which fields mean what. In order of preference.
struct DocumentForm {
  std::vector<std::string> time_fields = {"@timestamp", "timestamp", "time"};
  std::vector<std::string> line_fields = {"message", "log", "msg", "event.original"};
  std::vector<std::string> stream_fields = {
      "service.name",         "service.namespace",   "service.environment",       "container.name",
      "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.container.name", "host.name"};
  std::string index = {};  // of _bulk, where the action names none
};

struct DocumentOutcome {
  int status = 201;
  std::string text = {};                         // why it was refused
  std::string action = {}, index = {}, id = {};  // of _bulk
  uint64_t line = 0;                             // of the body, from 1

  void refuse(std::string why, int code = 400) { status = code, text = std::move(why); }
};

class DecodedDocuments {
 public:
  struct Entry {
    size_t outcome;
    pipeline::UnixNanos time;
    std::string line;
    std::vector<std::pair<std::string, std::string>> metadata;
  };

  // Stream by stream, the entries of each in the order of the body.
  void tell(pipeline::PushVisitor& visitor) const;
  // Of the entry told as number `n`.
  size_t outcome_of(size_t n) const { return told_order_[n]; }
  const std::vector<DocumentOutcome>& outcomes() const { return outcomes_; }

 private:
  friend class DocumentReader;
  void finish();
  std::map<std::string, std::vector<Entry>> streams_;  // by the text of their labels
  std::vector<DocumentOutcome> outcomes_;
  std::vector<size_t> told_order_;
};

pipeline::Result<DecodedDocuments> read_bulk(std::string_view body, const DocumentForm& form, pipeline::UnixNanos now);
pipeline::Result<DecodedDocuments> read_json_lines(std::string_view body, const DocumentForm& form,
                                                   pipeline::UnixNanos now);

// Elasticsearch's answer to a _bulk.
std::string bulk_answer(const std::vector<DocumentOutcome>& outcomes);

}  // namespace server
