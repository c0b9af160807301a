// StreamTable: from the label text of a push to its stream. Each distinct text is parsed and checked once, then found
// by its bytes; anew where the tenant's rules have changed. A stream without service_name gets one, as Loki's do.
//
// Thread:  any (a shared lock for texts that are known).
// Limits:  forgets everything when it has grown to kMaxBytes; streams in use live on through their pointers.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/base/result.h"
#include "server/ingest/head_snapshot.h"
#include "server/ingest/push_rules.h"
#include "server/ingest/validation.h"

namespace server {

// A text whose labels parse: the stream, or why its entries are refused.
struct StreamVerdict {
  std::shared_ptr<const Stream> stream;  // null: refused
  RejectReason reason{};
  std::string text;
  std::optional<std::string> level;  // detected_level of all its entries, where its labels tell it
  uint64_t rules = 0;                // PushRules::id() by which it was judged
};

class StreamTable {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;  // some 30,000 streams; beyond, a look-up costs a parse now and then

  // kInvalid `couldn't parse labels: ...`: the whole request is to be refused.
  pipeline::Result<std::shared_ptr<const StreamVerdict>> find(std::string_view tenant, std::string_view label_text,
                                                              const PushRules& rules);

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return pipeline::hash64(text); }
  };
  static pipeline::Result<StreamVerdict> judge(std::string_view tenant, std::string_view label_text,
                                               const PushRules& rules);

  std::shared_mutex mutex_;
  // By tenant, a zero byte, the label text as sent.
  std::unordered_map<std::string, std::shared_ptr<const StreamVerdict>, TextHash, std::equal_to<>> known_;
  size_t bytes_ = 0;  // of known_, roughly
};

}  // namespace server
