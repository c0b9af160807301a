// From the bytes of a push to the entries it adds: decoding, Loki's validation, structured metadata made tidy.
//
// Thread: any worker; uses a buffer per thread.
#pragma once

#include <string_view>

#include "server/ingest/document_push.h"
#include "server/ingest/line_levels.h"
#include "server/ingest/push_body.h"
#include "server/ingest/pushed_entries.h"
#include "server/ingest/stream_activity.h"
#include "server/ingest/stream_table.h"
#include "server/ingest/validation.h"

namespace server {

struct DecodedPush {
  PushedEntries entries;   // accepted
  Rejections rejections;   // of the others
  size_t streams = 0;      // in the request, empty ones too
  LineLevels line_levels;  // as far as lines were looked at; by the numbers of the entries in the request
  uint64_t cut_lines = 0;  // longer than max_line_size, with max_line_size_truncate
  uint64_t cut_bytes = 0;  // beyond max_line_size, of these
  bool rewritten = false;  // not what the body says: a line was cut, a time moved, labels were added

  // With PushDecoding::documents: the answer to each of them.
  std::vector<DocumentOutcome> outcomes;
};

struct PushDecoding {
  std::string_view tenant;
  const PushRules& rules;
  pipeline::UnixNanos now = 0;  // for the limits of age
  uint64_t max_raw_bytes = 100 << 20;
  const DocumentForm* documents = nullptr;  // of BodyFormat::kBulk and kJsonLines
  StreamActivity* activity = nullptr;       // for out_of_order_window; null: not checked
  std::chrono::nanoseconds monotonic{0};
  // Of the header X-Loki-Backfill-Shard: every stream gets the labels __backfill__ and __backfill_shard__, and
  // reject_old_samples does not count. "": an ordinary push.
  std::string_view backfill_shard{};
  const LineLevels* line_levels =
      nullptr;                         // of an earlier decoding of this request: these lines are not looked at again
  std::shared_ptr<ColumnPool> pool{};  // where the memory of the entries comes from, and goes to; null: none
};

// Errors refuse the request as a whole: kInvalid (malformed body or labels: 400), kOverLimit (413).
pipeline::Result<DecodedPush> decode_push_request(PushBodyKind kind, std::string_view body,
                                                  const PushDecoding& decoding, StreamTable& streams);

// The entries as one snappy block of protobuf: what the log keeps of a push that was refused in part.
std::string encode_push(const PushedEntries& entries);

}  // namespace server
