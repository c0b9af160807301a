#include "server/cli/entry_pages.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Errc;

std::string key_of(const AnsweredEntry& entry) {
  std::string out = concat(entry.labels.text(), "\n", entry.line, "\n");
  for (const auto& [name, value] : entry.metadata) out += concat(name, "=", value, "\n");
  return out;
}

// "max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)": the second number, or 0.
uint64_t allowed_limit(std::string_view message) {
  const size_t at = message.find("max_entries_limit_per_query (");
  const size_t greater = at == message.npos ? at : message.find(" > ", at + 29);
  if (greater == message.npos) return 0;
  uint64_t out = 0;
  std::from_chars(message.data() + greater + 3, message.data() + message.size(), out);
  return out;
}

}  // namespace

EntryPages::EntryPages(const ServerConnection& server, EntryQuery query) : server_(server), query_(std::move(query)) {}

pipeline::Result<QueryAnswer> EntryPages::fetch(uint64_t limit) const {
  Parameters parameters{{"query", query_.query},
                        {"start", std::to_string(query_.start)},
                        {"end", std::to_string(query_.end)},
                        {"limit", std::to_string(limit)},
                        {"direction", query_.forward ? "forward" : "backward"}};
  if (!query_.step.empty()) parameters.emplace_back("step", query_.step);
  if (!query_.interval.empty()) parameters.emplace_back("interval", query_.interval);
  pipeline::HttpHeaders headers;
  if (query_.with_metadata) headers.set("X-Loki-Response-Encoding-Flags", "categorize-labels");
  TRY_LET(const std::string body, server_.get("/loki/api/v1/query_range", parameters, headers));
  return parse_query_answer(body);
}

pipeline::Result<QueryAnswer> EntryPages::next() {
  // Entries known from the last page come again, so ask for as many more.
  const uint64_t wanted = query_.limit == 0 ? UINT64_MAX : query_.limit - handed_out_ + known_.size();
  uint64_t asked = std::min({query_.page + known_.size(), wanted, server_max_});
  auto answer = fetch(asked);
  if (!answer) {
    const uint64_t allowed = allowed_limit(answer.error().message);
    if (allowed == 0 || allowed >= asked) return answer;
    server_max_ = asked = allowed;
    answer = fetch(asked);
    if (!answer) return answer;
  }
  if (answer->type != "streams") {
    finished_ = true;
    return answer;
  }
  const uint64_t received = answer->entries.size();
  std::stable_sort(answer->entries.begin(), answer->entries.end(),
                   [this](const AnsweredEntry& a, const AnsweredEntry& b) {
                     return query_.forward ? a.time < b.time : a.time > b.time;
                   });
  skip_known(*answer);
  if (query_.limit != 0 && answer->entries.size() > query_.limit - handed_out_) {
    answer->entries.resize(query_.limit - handed_out_);
  }
  handed_out_ += answer->entries.size();
  finished_ = received < asked || (query_.limit != 0 && handed_out_ == query_.limit);
  if (!finished_ && answer->entries.empty()) {
    const pipeline::UnixNanos time = query_.forward ? query_.start : query_.end - 1;
    return pipeline::fail(Errc::kOverLimit,
                          concat("at least ", asked, " entries have the time ", pipeline::format_rfc3339(time),
                                 ", more than this server answers at once; narrow the query"));
  }
  return answer;
}

// Leaves out what the last page brought, and remembers the edge of this one.
void EntryPages::skip_known(QueryAnswer& answer) {
  if (answer.entries.empty()) return;
  std::erase_if(answer.entries, [this](const AnsweredEntry& entry) {
    const pipeline::UnixNanos edge = query_.forward ? query_.start : query_.end - 1;
    return entry.time == edge && known_.contains(key_of(entry));
  });
  if (answer.entries.empty()) return;
  const pipeline::UnixNanos edge = answer.entries.back().time;
  const pipeline::UnixNanos edge_before = query_.forward ? query_.start : query_.end - 1;
  if (edge != edge_before) known_.clear();
  for (const AnsweredEntry& entry : answer.entries) {
    if (entry.time == edge) known_.insert(key_of(entry));
  }
  if (query_.forward) {
    query_.start = edge;
  } else {
    query_.end = edge + 1;
  }
}

}  // namespace server
