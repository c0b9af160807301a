#include "agent/kubernetes/reflector.h"

#include <algorithm>
#include <random>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::HttpClientResponse;
using pipeline::Result;

namespace {
using std::chrono::milliseconds;
constexpr milliseconds kBackoffForgotten{120'000};  // after so long without a failure
constexpr milliseconds kShortWatch{1'000};
constexpr size_t kEventBytes = 16 << 20;
constexpr size_t kRefusalBytes = 64 << 10;
constexpr int kWatchSeconds = 300;  // to twice that, at random: agents of many nodes do not come back together

uint64_t random_below(uint64_t end) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return end == 0 ? 0 : random() % end;
}

std::string escaped(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += '%', out += kHex[c >> 4], out += kHex[c & 15];
    }
  }
  return out;
}

milliseconds retry_after(const HttpClientResponse& answer) {
  const int seconds = std::atoi(std::string(answer.headers.get("Retry-After")).c_str());
  return std::chrono::seconds(std::clamp(seconds, 0, 300));
}

// "403 Forbidden: pods is forbidden: ...", or the first line of a plain text.
std::string describe(int status, std::string_view body) {
  if (auto object = ObjectReader::parse(body)) {
    const ApiStatus said = ApiStatus::read(*object);
    return concat(status, " ", said.reason, said.reason.empty() ? "" : ": ", said.message);
  }
  return concat(status, " ", body.substr(0, std::min<size_t>(body.find('\n'), 200)));
}
}  // namespace

Reflector::Reflector(pipeline::Loop& loop, ApiClient& api, ReflectorOptions options, ObjectHandler& handler,
                     pipeline::Registry& metrics)
    : loop_(loop),
      api_(api),
      options_(std::move(options)),
      handler_(handler),
      retry_(loop, [this] { go(); }),
      guard_(loop, [this] { on_silence(); }),
      failures_(metrics.counter("skidway_agent_kubernetes_failures_total",
                                "Lists and watches of the Kubernetes API that failed.", {{"resource", options_.what}})),
      upstream_failures_(
          metrics.counter("prometheus_sd_kubernetes_failures_total", "The number of failed WATCH/LIST requests.")),
      up_(metrics.gauge("skidway_agent_kubernetes_up", "1: the last list or watch of the Kubernetes API went well.",
                        {{"resource", options_.what}})),
      version_(options_.version) {}

Reflector::~Reflector() { stop(); }

void Reflector::start() {
  running_ = true;
  step_ = version_.empty() ? Step::kStreamedList : Step::kWatch;
  go();
}

void Reflector::stop() {
  running_ = false;
  retry_.stop();
  guard_.stop();
  if (request_ != 0) api_.cancel(std::exchange(request_, 0));
}

void Reflector::pause() {
  paused_ = true;
  if (request_ != 0) api_.pause(request_);
}

void Reflector::resume() {
  paused_ = false;
  if (request_ != 0) api_.resume(request_);
}

std::string Reflector::query(const std::string& rest) const {
  return concat(options_.path, "?", options_.selector, options_.selector.empty() ? "" : "&", rest);
}

void Reflector::go() {
  if (!running_) return;
  if (request_ != 0) return well();  // a watch that has lasted
  switch (step_) {
    case Step::kList: return list();
    case Step::kStreamedList: return can_stream_list_ ? watch(true) : list();
    case Step::kWatch: return watch(false);
  }
}

// --- lists

// The first list may be of any age ("0"), a later one not older than what was seen, one after an error the latest ("").
void Reflector::list() {
  step_ = Step::kList;
  std::string asked;
  if (!continue_.empty()) {
    asked = concat("limit=500&continue=", escaped(continue_));
  } else if (list_version_ == "0") {
    asked = "limit=500&resourceVersion=0";
  } else if (!list_version_.empty()) {
    asked = concat("resourceVersion=", escaped(list_version_));
  } else {
    asked = paged_ ? "limit=500" : "";
  }
  request_ = api_.get(query(asked), [this](auto answer) { on_list(std::move(answer)); });
}

void Reflector::on_list(Result<HttpClientResponse> answer) {
  request_ = 0;
  if (!running_) return;
  if (!answer) return fail(answer.error().message);
  if (answer->status == 200) return take_page(answer->body);
  if (answer->status == 401) api_.token_refused();
  if (answer->status == 410 || answer->status == 504) {  // a page or a version that is gone, or is not there yet
    paged_ = paged_ && continue_.empty();
    continue_.clear();
    list_version_.clear();
  }
  fail(describe(answer->status, answer->body), retry_after(*answer));
}

void Reflector::take_page(const std::string& body) {
  auto object = ObjectReader::parse(body);
  if (!object) return fail("the list is no JSON object");
  if (continue_.empty()) handler_.begin_list();
  std::vector<pipeline::JsonValue> items;
  if (auto list = object->get("items"); list.kind == pipeline::JsonKind::kArray) pipeline::json_elements(list, items);
  for (const auto& item : items) handler_.add(item);
  const ObjectReader metadata = object->object("metadata");
  continue_ = metadata.text("continue");
  well();
  if (!continue_.empty()) return list();
  version_ = list_version_ = metadata.text("resourceVersion");
  paged_ = true;
  synced_ = true;
  handler_.end_list();
  handler_.advanced(version_);
  step_ = Step::kWatch;
  go();
}

// `latest`: whatever the server has now, not what is cached.
void Reflector::list_again(bool latest) {
  continue_.clear();
  list_version_ = latest ? "" : version_;
  if (latest) version_.clear();
  step_ = Step::kStreamedList;
}

// --- watches

void Reflector::watch(bool streamed_list) {
  step_ = streamed_list ? Step::kStreamedList : Step::kWatch;
  std::string asked;
  if (options_.bookmarks || streamed_list) asked += "allowWatchBookmarks=true&";
  if (streamed_list) asked += "resourceVersionMatch=NotOlderThan&sendInitialEvents=true&";
  if (!version_.empty()) asked += concat("resourceVersion=", escaped(version_), "&");
  asked += concat("timeoutSeconds=", kWatchSeconds + random_below(kWatchSeconds), "&watch=true");
  status_ = 0;
  rest_.clear();
  expired_ = false;
  event_error_.clear();
  events_ = 0;
  began_ = loop_.now();
  if (streamed_list) handler_.begin_list();
  pipeline::HttpStream stream;
  stream.on_head = [this](const HttpClientResponse& head) {
    status_ = head.status;
    if (status_ == 200 && step_ == Step::kWatch) retry_.start(kShortWatch);  // then it is well
    guard_.start(step_ == Step::kStreamedList ? options_.end_mark_wait : options_.longest_silence);
  };
  stream.on_body = [this](std::string_view piece) { on_piece(piece); };
  stream.done = [this](auto end) { on_watch_end(std::move(end)); };
  stream.idle_timeout = std::chrono::seconds(2 * kWatchSeconds + 60);
  request_ = api_.watch(query(asked), std::move(stream));
  if (paused_) api_.pause(request_);
}

void Reflector::on_piece(std::string_view piece) {
  if (status_ != 200) {
    rest_.append(piece.substr(0, kRefusalBytes - std::min(kRefusalBytes, rest_.size())));
    return;
  }
  const auto request = request_;
  for (size_t end; request_ == request && (end = piece.find('\n')) != piece.npos; piece.remove_prefix(end + 1)) {
    if (rest_.empty()) {
      on_event(piece.substr(0, end));
    } else {
      rest_.append(piece.substr(0, end));
      const std::string line = std::exchange(rest_, {});
      on_event(line);
    }
  }
  if (request_ != request) return;
  rest_.append(piece);
  if (rest_.size() <= kEventBytes) return;
  event_error_ = concat("an event larger than ", kEventBytes, " bytes");
  list_again(true);
  api_.cancel(request_);
}

void Reflector::on_event(std::string_view line) {
  if (line.empty()) return;
  auto event = ObjectReader::parse(line);
  if (!event) {
    event_error_ = "an event is no JSON object";
    list_again(true);
    return api_.cancel(request_);
  }
  const bool in_list = step_ == Step::kStreamedList;
  guard_.start(in_list ? options_.end_mark_wait : options_.longest_silence);
  const std::string type = event->text("type");
  const pipeline::JsonValue object = event->get("object");
  if (type == "ERROR") return on_error_event(ObjectReader(object));
  ++events_;
  if (!in_list) well();
  const ObjectReader metadata = ObjectReader(object).object("metadata");
  const std::string version = metadata.text("resourceVersion");
  if (type == "DELETED") {
    handler_.removed(object);
  } else if (type != "BOOKMARK") {
    in_list&& type == "ADDED" ? handler_.add(object) : handler_.changed(object);
  }
  if (in_list) {  // its versions are those of the objects, in any order, until the mark
    auto annotations = metadata.texts("annotations");
    auto mark = annotations.find("k8s.io/initial-events-end");
    if (type != "BOOKMARK" || mark == annotations.end() || mark->second != "true") return;
    step_ = Step::kWatch;
    synced_ = true;
    handler_.end_list();
    well();
    guard_.start(options_.longest_silence);
  }
  if (version.empty()) return;
  version_ = list_version_ = version;
  handler_.advanced(version_);
}

void Reflector::on_error_event(const ObjectReader& object) {
  const ApiStatus status = ApiStatus::read(object);
  expired_ = status.code == 410 || status.reason == "Expired" || status.reason == "Gone";
  if (!expired_) event_error_ = concat(status.code, " ", status.reason, ": ", status.message);
}

void Reflector::on_watch_end(Result<HttpClientResponse> end) {
  request_ = 0;
  guard_.stop();
  retry_.stop();
  if (!running_) return;
  if (!event_error_.empty()) return fail(event_error_);
  if (end && end->status != 200) return on_refused_watch(*end);
  if (!end) {
    if (events_ > 0 && step_ == Step::kWatch && loop_.now() - began_ > kShortWatch) backoff_ = milliseconds(0);
    return fail(end.error().message);
  }
  const bool lasted = events_ > 0 || loop_.now() - began_ >= kShortWatch;
  if (expired_) {
    list_again(false);
    if (lasted || backoff_.count() == 0) return next_after(milliseconds(0));
    return fail("the version is too old, again");
  }
  if (step_ == Step::kStreamedList) return fail("the streamed list ended before its end mark");
  if (!lasted) return fail("the watch ended at once");
  go();
}

void Reflector::on_refused_watch(const HttpClientResponse& end) {
  const int status = end.status;
  if (status == 401) api_.token_refused();
  const bool passes = status == 401 || status == 403 || status == 429 || status == 504 || status == 503;
  if (step_ == Step::kStreamedList && !passes && status != 410) {
    can_stream_list_ = false;  // an older server, or one with the feature off
    pipeline::log_info("the API streams no lists, pages are taken",
                       {{"resource", options_.what}, {"answer", describe(status, rest_)}});
    return next_after(milliseconds(0));
  }
  if (!passes) list_again(true);
  fail(describe(status, rest_), retry_after(end));
}

// A streamed list without an end: a server that does not know of them. A watch without a bookmark: perhaps of a version
// that the server, put back to an older state, has not reached.
void Reflector::on_silence() {
  if (request_ == 0) return;
  const bool in_list = step_ == Step::kStreamedList;
  if (in_list) can_stream_list_ = false;
  if (in_list || options_.bookmarks) list_again(true);
  event_error_ = in_list ? "a streamed list without its end mark" : "a watch without a word";
  api_.cancel(request_);
}

// --- failures

void Reflector::next_after(milliseconds wait) { retry_.start(wait); }

void Reflector::fail(const std::string& why, milliseconds at_least) {
  failures_.add();
  upstream_failures_.add();
  up_.set(0);
  const auto now = loop_.now();
  if (now - failed_at_ > kBackoffForgotten) backoff_ = milliseconds(0);
  failed_at_ = now;
  backoff_ = backoff_.count() == 0 ? options_.first_backoff : std::min(2 * backoff_, options_.longest_backoff);
  const milliseconds jitter(random_below(static_cast<uint64_t>(backoff_.count())));
  const milliseconds wait = std::max(at_least, std::min(backoff_ + jitter, 2 * options_.longest_backoff));
  if (trouble_.empty())
    pipeline::log_warn("kubernetes api", {{"resource", options_.what}, {"error", why}, {"retry_ms", wait.count()}});
  trouble_ = why;
  next_after(wait);
}

void Reflector::well() {
  up_.set(1);
  if (trouble_.empty()) return;
  trouble_.clear();
  pipeline::log_info("kubernetes api answers again", {{"resource", options_.what}});
}

}  // namespace agent
