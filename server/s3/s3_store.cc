#include "server/s3/s3_store.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/base/time_format.h"
#include "server/s3/s3_upload.h"
#include "server/s3/xml.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::HttpClientResponse;

namespace {

constexpr std::chrono::hours kAbandonedAfter{24};  // no upload takes that long
constexpr uint64_t kListBytes = 512 << 10;         // about what a page of 1,000 keys takes

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

class S3Store final : public ObjectStore {
 public:
  S3Store(std::unique_ptr<S3Client> client, const pipeline::Clock& clock) : client_(std::move(client)), clock_(clock) {}

  Result<void> probe(const Ulid& id);

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override {
    return std::unique_ptr<ObjectUpload>(std::make_unique<S3Upload>(*client_, whole(key), conditional_));
  }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override;
  Result<uint64_t> size(const std::string& key) override;
  Result<void> remove(const std::string& key) override;
  Result<void> abandon(const std::string& key) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<uint64_t> remove_unfinished(const std::string& folder) override;
  uint64_t request_worth_bytes() const override { return 256 << 10; }
  void give_up_after(std::chrono::milliseconds delay) override { client_->give_up_after(delay); }

 private:
  std::string whole(std::string_view key) const {
    const std::string& prefix = client_->options().prefix;
    return prefix.empty() ? std::string(key) : concat(prefix, "/", key);
  }
  // What all keys in `folder` begin with.
  std::string below(const std::string& folder) const { return whole(folder.empty() ? "" : concat(folder, "/")); }
  template <class Wanted>
  Result<uint64_t> abort_uploads(const std::string& prefix, Wanted wanted);
  // A good answer, or the error with its context.
  Result<HttpClientResponse> call(S3Request request, std::string_view what, std::string_view key);
  Result<XmlElement> call_for_xml(S3Request request, std::string_view what, std::string_view key);
  // A 404 of a HEAD does not say whether it is the object or the bucket that is not there.
  Result<void> check_bucket(std::string_view what, std::string_view key);

  std::unique_ptr<S3Client> client_;
  const pipeline::Clock& clock_;
  bool conditional_ = false;
};

Result<HttpClientResponse> S3Store::call(S3Request request, std::string_view what, std::string_view key) {
  auto answer = client_->call(std::move(request));
  if (!answer) return fail(answer.error().within(concat(what, " ", key)));
  if (answer->status / 100 == 2) return answer;
  return fail(s3_error(*answer, client_->place()).within(concat(what, " ", key)));
}

Result<XmlElement> S3Store::call_for_xml(S3Request request, std::string_view what, std::string_view key) {
  TRY_LET(auto answer, call(std::move(request), what, key));
  auto root = XmlElement::parse(answer.body);
  if (root) return root;
  return fail(Errc::kUnavailable, concat(what, " ", key, ": ", client_->place(),
                                         " answered what is not S3: ", root.error().message, "; check store.endpoint"));
}

Result<void> S3Store::check_bucket(std::string_view what, std::string_view key) {
  S3Request request{S3Operation::kList, "GET", ""};
  request.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", whole("")}};
  TRY(call_for_xml(std::move(request), what, key));
  return {};
}

Result<void> S3Store::get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) {
  out.clear();
  if (length == 0) {
    TRY(size(key));
    return {};
  }
  S3Request request{S3Operation::kGet, "GET", whole(key)};
  request.headers.set("Range", concat("bytes=", offset, "-", offset + length - 1));
  request.answer_bytes = length;
  auto answer = client_->call(std::move(request));
  if (!answer) return fail(answer.error().within(concat("read object ", key)));
  if (answer->status == 416) {
    return fail(Errc::kCorrupt, concat("read object ", key, ": ends before byte ", offset, ", wanted [", offset, ", ",
                                       offset + length, ")"));
  }
  if (answer->status / 100 != 2) return fail(s3_error(*answer, client_->place()).within(concat("read object ", key)));
  out = std::move(answer->body);
  if (answer->status == 200) {  // the whole object: a range that covers it, or a store that knows no ranges
    out.erase(0, std::min<uint64_t>(offset, out.size()));
    if (out.size() > length) out.resize(length);
  }
  if (out.size() == length) return {};
  return fail(Errc::kCorrupt, concat("read object ", key, ": ends at byte ", offset + out.size(), ", wanted [", offset,
                                     ", ", offset + length, ")"));
}

Result<uint64_t> S3Store::size(const std::string& key) {
  auto answer = call({S3Operation::kHead, "HEAD", whole(key)}, "ask for object", key);
  if (!answer) {
    if (answer.error().code == Errc::kNotFound) TRY(check_bucket("ask for object", key));
    return fail(answer.error());
  }
  auto size = number_of(answer->headers.get("Content-Length"));
  if (size) return *size;
  return fail(Errc::kUnavailable, concat("ask for object ", key, ": ", client_->place(), " gave no Content-Length"));
}

Result<void> S3Store::remove(const std::string& key) {
  auto answer = call({S3Operation::kDelete, "DELETE", whole(key)}, "remove object", key);
  if (!answer && answer.error().code != Errc::kNotFound) return fail(answer.error());
  return {};
}

Result<std::vector<std::string>> S3Store::list(const std::string& folder) {
  const std::string own = whole("");
  std::vector<std::string> keys;
  std::string token;
  do {
    S3Request request{S3Operation::kList, "GET", ""};
    request.query = {{"list-type", "2"},
                     {"delimiter", "/"},
                     {"prefix", below(folder)},
                     {"max-keys", std::to_string(client_->options().list_page)}};
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    request.answer_bytes = kListBytes;
    TRY_LET(auto root, call_for_xml(std::move(request), "list", folder));
    for (const XmlElement& element : root.children) {
      if (element.name != "Contents") continue;
      std::string_view key = element.text_of("Key");
      if (!key.starts_with(own) || key.ends_with('/')) continue;
      keys.emplace_back(key.substr(own.size()));
    }
    std::string next(root.text_of("IsTruncated") == "true" ? root.text_of("NextContinuationToken") : "");
    if (!next.empty() && next == token)
      return fail(Errc::kUnavailable, concat("list ", folder, ": ", client_->place(), " repeats itself"));
    token = std::move(next);
  } while (!token.empty());
  std::sort(keys.begin(), keys.end());
  return keys;
}

Result<uint64_t> S3Store::remove_unfinished(const std::string& folder) {
  const std::string own = below(folder);
  return abort_uploads(own, [&](std::string_view key, std::optional<pipeline::UnixNanos> begun) {
    // One that is young may belong to a process that is alive: this one or another.
    if (!begun || *begun > clock_.wall() - std::chrono::nanoseconds(kAbandonedAfter).count()) return false;
    // Directly in the folder only: a prefix inside ours may be another cluster's.
    return key.starts_with(own) && key.find('/', own.size()) == key.npos;
  });
}

Result<void> S3Store::abandon(const std::string& key) {
  const std::string own = whole(key);
  TRY(abort_uploads(own, [&](std::string_view uploaded, auto) { return uploaded == own; }));
  return remove(key);
}

// Those of which the key begins so, and that are `wanted`, given their key and when they were begun.
template <class Wanted>
Result<uint64_t> S3Store::abort_uploads(const std::string& prefix, Wanted wanted) {
  uint64_t removed = 0;
  std::string key_marker, id_marker;
  while (true) {
    S3Request request{S3Operation::kList, "GET", ""};
    request.query = {{"uploads", ""}, {"prefix", prefix}};
    if (!key_marker.empty())
      request.query.insert(request.query.end(), {{"key-marker", key_marker}, {"upload-id-marker", id_marker}});
    TRY_LET(auto root, call_for_xml(std::move(request), "list unfinished uploads below", prefix));
    for (const XmlElement& upload : root.children) {
      if (upload.name != "Upload") continue;
      const std::string key(upload.text_of("Key"));
      if (!wanted(key, pipeline::parse_rfc3339(upload.text_of("Initiated")))) continue;
      S3Request abort{S3Operation::kMultipart, "DELETE", key};
      abort.query = {{"uploadId", std::string(upload.text_of("UploadId"))}};
      auto outcome = call(std::move(abort), "abort the upload of", key);
      if (!outcome && outcome.error().code != Errc::kNotFound) return fail(outcome.error());
      ++removed;
    }
    if (root.text_of("IsTruncated") != "true" || root.text_of("NextKeyMarker") == key_marker) return removed;
    key_marker = root.text_of("NextKeyMarker");
    id_marker = root.text_of("NextUploadIdMarker");
  }
}

// Whether a PUT that must not replace anything is obeyed: 412 for a key that is there. Some stores say 501, some do it
// all the same.
Result<void> S3Store::probe(const Ulid& id) {
  TRY(check_bucket("open the store:", "listing"));
  const std::string key = whole(concat("probe-", id.text()));
  auto put = [&] {
    S3Request request{S3Operation::kPut, "PUT", key};
    request.headers.set("If-None-Match", "*");
    request.body = std::make_shared<std::string>("may be removed");
    request.hedge = false;
    return client_->call(std::move(request));
  };
  TRY_LET(auto first, put());
  if (first.status == 403) return fail(s3_error(first, client_->place()).within("open the store: writing"));
  if (first.status / 100 == 2) {
    TRY_LET(auto second, put());
    conditional_ = second.status == 412;
    TRY(call({S3Operation::kDelete, "DELETE", key}, "open the store: removing", key));
  }
  pipeline::log_info("store opened", {{"place", client_->place()},
                                      {"prefix", client_->options().prefix},
                                      {"conditional_put", conditional_ ? "yes" : "no"}});
  return {};
}

}  // namespace

Result<UnaskedS3Store> make_s3_store(S3Options options, S3Doors doors) {
  auto ulids = std::make_shared<UlidMaker>(doors.clock);
  const pipeline::Clock& clock = doors.clock;
  TRY_LET(auto client, S3Client::start(std::move(options), std::move(doors)));
  auto store = std::make_unique<S3Store>(std::move(client), clock);
  S3Store* made = store.get();
  return UnaskedS3Store{std::move(store), [made, ulids] { return made->probe(ulids->make()); }};
}

Result<std::unique_ptr<ObjectStore>> open_s3_store(S3Options options, S3Doors doors) {
  TRY_LET(auto made, make_s3_store(std::move(options), std::move(doors)));
  TRY(made.prepare());
  return std::move(made.store);
}

}  // namespace server
