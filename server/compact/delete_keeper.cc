#include "server/compact/delete_keeper.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::log_info;
using pipeline::log_warn;

namespace {

constexpr std::string_view kRequest = ".request", kCancelled = ".cancelled", kReceipt = ".receipt";

std::string key_of(const Ulid& cluster, uint64_t number, std::string_view kind) {
  std::string digits = std::to_string(number);
  return concat(deletes_folder(cluster), "/", std::string(20 - digits.size(), '0'), digits, kind);
}

// The number and the kind of a key; nothing: not one of ours.
std::optional<std::pair<uint64_t, std::string_view>> parse_key(std::string_view key) {
  std::string_view name = key.substr(key.rfind('/') + 1);
  if (name.size() < 20) return std::nullopt;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + 20, number);
  std::string_view kind = name.substr(20);
  if (error != std::errc() || end != name.data() + 20) return std::nullopt;
  if (kind != kRequest && kind != kCancelled && kind != kReceipt) return std::nullopt;
  return std::pair(number, kind);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else
      out += c;
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
  }
  return out;
}

// The selector alone; what the filters search for is left out.
std::string without_filters(const std::string& query) {
  auto expr = parse_query(query);
  return expr && expr->log() != nullptr ? selector_text(expr->log()->selector) : std::string();
}

// Already there: written by a try whose answer was lost, or before a crash.
Result<void> put_once(ObjectStore& store, const std::string& key, std::string_view bytes) {
  auto outcome = store.put(key, bytes);
  if (!outcome && outcome.error().code == Errc::kInvalid) return {};
  return outcome;
}

Result<DeleteRequest> read_kept(ObjectStore& store, const std::string& key) {
  TRY_LET(uint64_t size, store.size(key));
  std::string text;
  TRY(store.get_range(key, 0, size, text));
  auto request = decode_delete(text);
  if (!request) return fail(request.error().within(key));
  return request;
}

}  // namespace

std::string deletes_folder(const Ulid& cluster) { return concat(cluster.text(), "/deletes"); }

std::string encode_delete(const DeleteRequest& r) {
  std::string out =
      concat("number ", r.number, "\nid ", escaped(r.id), "\ntenant ", escaped(r.tenant), "\nquery ", escaped(r.query),
             "\nbegin ", r.begin, "\nend ", r.end, "\ncreated ", r.created, "\nprocessed ", r.processed,
             "\nremoved_entries ", r.removed_entries, "\nremoved_bytes ", r.removed_bytes, "\n");
  for (const std::string& key : r.unreadable) out += concat("unreadable ", escaped(key), "\n");
  return out;
}

Result<DeleteRequest> decode_delete(std::string_view text) {
  DeleteRequest request;
  bool good = true;
  auto number = [&good](std::string_view digits, auto& out) {
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    good = good && error == std::errc() && end == digits.data() + digits.size();
  };
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) return fail(Errc::kCorrupt, "a request to delete that is cut off");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string_view name = line.substr(0, line.find(' '));
    const std::string_view value = line.substr(std::min(line.size(), name.size() + 1));
    if (name == "number") number(value, request.number);
    if (name == "id") request.id = unescaped(value);
    if (name == "tenant") request.tenant = unescaped(value);
    if (name == "query") request.query = unescaped(value);
    if (name == "begin") number(value, request.begin);
    if (name == "end") number(value, request.end);
    if (name == "created") number(value, request.created);
    if (name == "processed") number(value, request.processed);
    if (name == "removed_entries") number(value, request.removed_entries);
    if (name == "removed_bytes") number(value, request.removed_bytes);
    if (name == "unreadable") request.unreadable.push_back(unescaped(value));
  }
  if (!good || request.number == 0) return fail(Errc::kCorrupt, "not a request to delete");
  return request;
}

DeleteKeeper::DeleteKeeper(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                           pipeline::Registry& registry, DeleteKeeperOptions options)
    : store_(store),
      catalog_(catalog),
      clock_(clock),
      options_(options),
      received_(registry.counter("skidway_server_delete_requests_received_total", "Requests to delete accepted.")),
      processed_(registry.counter("skidway_server_delete_requests_processed_total",
                                  "Requests to delete of whose entries nothing exists any more.")),
      removed_(registry.counter("skidway_server_deleted_entries_total", "Entries removed by requests to delete.")),
      registry_(registry) {
  registry_.gauge_callback("skidway_server_delete_requests_pending", "Requests to delete that are not processed",
                           [&catalog]() -> double {
                             auto snapshot = catalog.snapshot();
                             return snapshot ? static_cast<double>((*snapshot)->deletes.size()) : 0;
                           });
}

DeleteKeeper::~DeleteKeeper() { registry_.remove("skidway_server_delete_requests_pending", {}); }

Result<DeleteRequest> DeleteKeeper::accept(DeleteRequest request) {
  std::lock_guard lock(mutex_);
  TRY(adopt_once());  // or its number may be another's
  request.created = clock_.wall();
  TRY_LET(request.number, catalog_.add_delete(request));
  TRY(failpoint("delete.numbered"));
  TRY(keep(request));  // in force all the same: finish() tries again
  TRY(failpoint("delete.kept"));
  received_.add();
  log_info("request to delete accepted", {{"request", request.id}, {"tenant", request.tenant}});
  return request;
}

Result<void> DeleteKeeper::keep(const DeleteRequest& request) {
  return put_once(store_, key_of(catalog_.cluster(), request.number, kRequest), encode_delete(request));
}

Result<void> DeleteKeeper::cancel(const DeleteRequest& request) {
  std::lock_guard lock(mutex_);
  TRY(catalog_.cancel_delete(request.number));
  TRY(failpoint("delete.cancelled"));
  log_info("request to delete cancelled", {{"request", request.id}, {"tenant", request.tenant}});
  return put_once(store_, key_of(catalog_.cluster(), request.number, kCancelled), "");
}

uint64_t DeleteKeeper::ripe(const CatalogSnapshot& snapshot, UnixNanos now) const {
  const UnixNanos newest = now - options_.cancel_period.count();
  for (const DeleteRequest& request : snapshot.deletes) {
    if (request.created > newest) return request.number - 1;
  }
  return snapshot.last_delete;
}

Result<void> DeleteKeeper::adopt() {
  std::lock_guard lock(mutex_);
  return adopt_once();
}

Result<void> DeleteKeeper::adopt_once() {
  if (adopted_) return {};
  TRY_LET(auto snapshot, catalog_.snapshot());
  TRY_LET(KeptDeletes kept, read_kept_deletes(store_, catalog_.cluster()));
  for (DeleteRequest& request : kept.requests) {
    if (request.number <= snapshot->last_delete) continue;
    log_warn("the store knows a request to delete that the catalogue does not: it is in force again",
             {{"request", request.id}, {"tenant", request.tenant}});
    TRY(catalog_.add_delete(std::move(request)));
  }
  // Of a cancelled one that it does not know, either, at least the number must not be given again.
  for (uint64_t number : kept.cancelled) {
    if (number > snapshot->last_delete) TRY(catalog_.add_delete({.number = number, .id = "cancelled"}));
  }
  TRY_LET(snapshot, catalog_.snapshot());
  for (const DeleteRequest& request : snapshot->deletes) {
    if (!std::binary_search(kept.cancelled.begin(), kept.cancelled.end(), request.number)) continue;
    log_warn("the store knows that a request to delete was cancelled, and the catalogue does not: it is cancelled",
             {{"request", request.id}, {"tenant", request.tenant}});
    TRY(catalog_.cancel_delete(request.number));
  }
  adopted_ = true;
  return {};
}

Result<void> DeleteKeeper::finish(UnixNanos now) {
  std::lock_guard lock(mutex_);
  TRY(adopt_once());  // what it does not know it would take for cancelled
  TRY_LET(auto snapshot, catalog_.snapshot());
  TRY_LET(auto abandoned, catalog_.abandoned_outputs());  // which may hold what is to be gone
  const uint64_t ripe_now = ripe(*snapshot, now);
  for (const DeleteRequest& request : snapshot->deletes) {
    if (request.number > ripe_now || !abandoned.empty()) break;
    TRY_LET(bool applied, catalog_.is_applied(request));
    if (!applied) continue;
    TRY(failpoint("delete.applied"));
    TRY(catalog_.finish_delete(request.number));
    TRY(failpoint("delete.finished"));
    processed_.add();
  }
  TRY_LET(auto requests, catalog_.deletes());
  if (requests.empty() && snapshot->last_delete == 0) return {};
  TRY_LET(auto keys, store_.list(deletes_folder(catalog_.cluster())));
  auto is_there = [&](uint64_t number, std::string_view kind) {
    return std::binary_search(keys.begin(), keys.end(), key_of(catalog_.cluster(), number, kind));
  };
  std::map<uint64_t, const DeleteRequest*> by_number;
  for (const DeleteRequest& request : requests) {
    by_number[request.number] = &request;
    if (request.processed == 0 && !is_there(request.number, kRequest)) TRY(keep(request));
    if (request.processed == 0 || is_there(request.number, kReceipt)) continue;
    DeleteRequest receipt = request;
    receipt.query = without_filters(request.query);
    TRY(put_once(store_, key_of(catalog_.cluster(), request.number, kReceipt), encode_delete(receipt)));
    TRY(failpoint("delete.has_receipt"));
    removed_.add(request.removed_entries);
    log_info("request to delete processed", {{"request", request.id},
                                             {"tenant", request.tenant},
                                             {"entries", request.removed_entries},
                                             {"bytes", request.removed_bytes}});
  }
  for (const std::string& key : keys) {
    auto parsed = parse_key(key);
    if (!parsed || parsed->second != kRequest) continue;
    auto found = by_number.find(parsed->first);
    const bool is_cancelled = found == by_number.end();
    // The mark may be missing after a crash.
    if (is_cancelled) TRY(put_once(store_, key_of(catalog_.cluster(), parsed->first, kCancelled), ""));
    const bool is_over = is_cancelled || (found->second->processed != 0 &&
                                          now - found->second->processed >= options_.keep_request.count());
    if (!is_over) continue;
    TRY(store_.remove(key));
    TRY(failpoint("delete.request_removed"));
  }
  return {};
}

Result<KeptDeletes> read_kept_deletes(ObjectStore& store, const Ulid& cluster) {
  TRY_LET(auto keys, store.list(deletes_folder(cluster)));
  KeptDeletes kept;
  std::map<uint64_t, DeleteRequest> found;
  for (const std::string& key : keys) {  // in order: .cancelled, .receipt, .request of a number
    auto parsed = parse_key(key);
    if (!parsed) continue;
    auto [number, kind] = *parsed;
    kept.last_number = std::max(kept.last_number, number);
    if (kind == kCancelled) {
      kept.cancelled.push_back(number);
      continue;
    }
    TRY_LET(DeleteRequest request, read_kept(store, key));
    if (kind == kRequest && found.contains(number)) {
      // The receipt has all but the whole query. Whether the store has copies that no catalogue knew nobody can tell
      // now, so the request is in force once more.
      found[number].query = request.query;
      found[number].processed = 0;
    } else {
      found[number] = std::move(request);
    }
  }
  for (uint64_t number : kept.cancelled) found.erase(number);
  for (auto& [number, request] : found) kept.requests.push_back(std::move(request));
  return kept;
}

}  // namespace server
