#include "agent/docker/docker_source.h"

#include <algorithm>
#include <map>
#include <set>

#include "agent/docker/docker_follower.h"
#include "pipeline/base/log.h"
#include "pipeline/parse/json.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpClient;
using pipeline::HttpClientResponse;
using pipeline::Result;

namespace {

constexpr auto kLookAgain = 50ms;
constexpr auto kSoon = 20ms;  // after an event: others come with it
constexpr auto kFirstDelay = 500ms, kLongestDelay = 30'000ms;
constexpr size_t kLongestEvent = 1 << 20;
constexpr std::string_view kEvents =
    R"({"type":["container"],"event":["start","restart","unpause","die","destroy","rename"]})";

std::string escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<uint8_t>(c);
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

template <class Parse>
auto parsed(const Result<HttpClientResponse>& answer, Parse parse) -> decltype(parse(answer->body)) {
  if (!answer) return pipeline::fail(answer.error());
  return parse(answer->body);
}

struct Event {
  std::string id, action;  // of a container; empty: about something else
};

Event parse_event(std::string_view text) {
  Event out;
  std::vector<pipeline::JsonMember> members, actor;
  if (!pipeline::check_json(text, &members)) return out;
  for (const pipeline::JsonMember& member : members) {
    if (pipeline::json_equals(member.name, "Action")) out.action = member.value.raw;
    if (pipeline::json_equals(member.name, "Actor") && member.value.kind == pipeline::JsonKind::kObject)
      pipeline::json_members(member.value, actor);
  }
  for (const pipeline::JsonMember& member : actor)
    if (pipeline::json_equals(member.name, "ID")) out.id = member.value.raw;
  return out;
}

class DockerSource final : public StreamSource {
 public:
  explicit DockerSource(const StreamParts& parts)
      : parts_(parts),
        options_(static_cast<const DockerOptions&>(*parts.options->stream)),
        metrics_(parts.registry, *parts.options),
        home_{parts_, options_, metrics_, client_, networks_, [this] { look_at_room(); }, paused_},
        self_(std::make_shared<DockerSource*>(this)),
        begin_(parts.loop, [this] { begin(); }),
        list_(parts.loop, [this] { ask_networks(); }),
        events_again_(parts.loop, [this] { follow_events(); }) {
    parts_.reader.on_room([weak = std::weak_ptr<DockerSource*>(self_)] {
      if (auto self = weak.lock()) (*self)->resume();
    });
  }
  ~DockerSource() override { stop(); }

  Result<void> start() override {
    pipeline::HttpClientOptions options;
    options.unix_socket = options_.unix_socket;
    options.tls = options_.tls;
    options.max_connections = 64;
    TRY_LET(own_client_, HttpClient::create(parts_.loop, std::move(options)));
    client_ = own_client_.get();
    begin();
    return {};
  }

  void stop() override {
    begin_.stop();
    list_.stop();
    events_again_.stop();
    for (auto& [id, follower] : followers_) follower->stop();
    stopped_ = true;
    client_ = nullptr;
    own_client_.reset();
  }

  std::string unready() const override { return trouble_; }

  std::vector<Target> targets() const override {
    std::vector<Target> all;
    for (auto& [id, follower] : followers_) all.push_back(follower->target());
    for (const std::string& id : passed_over_)
      all.push_back({.source = parts_.options->name,
                     .path = concat("docker://", id),
                     .state = "finished",
                     .reason = "it had stopped before it was seen; read_stopped = true reads it"});
    return all;
  }

 private:
  // After a change of the configuration: what the source before this one took is settled first. Read again it would be
  // beside itself in one batch.
  void begin() {
    if (parts_.reader.waiting()) return begin_.start(kLookAgain);
    for (auto& [id, text] : parts_.cursors.saved())
      if (auto position = DockerPosition::parse(text)) cursors_[id] = *position;
    follow_events();
    ask_networks();
  }

  // --- which containers there are

  void list_soon() {
    if (!stopped_ && !asking_ && !(list_.active() && soon_)) list_.start(kSoon);
    soon_ = true;
  }

  void get(const std::string& path, std::function<void(Result<HttpClientResponse>)> done) {
    client_->send({.url = concat(options_.base_url, path)}, [this, done](Result<HttpClientResponse> answer) {
      if (stopped_) return;
      if (answer && answer->status != 200)
        answer = pipeline::fail(pipeline::Errc::kUnavailable,
                                concat("status ", answer->status, ": ", answer->body.substr(0, 300)));
      done(std::move(answer));
    });
  }

  void ask_networks() {
    if (stopped_ || asking_) return;
    asking_ = true, soon_ = false;
    std::set<std::string> touched = std::exchange(touched_, {});
    get("/networks", [this, touched](Result<HttpClientResponse> answer) {
      if (auto networks = parsed(answer, parse_networks)) networks_ = *networks;
      ask_containers(touched);  // without the labels of networks, if it must be
    });
  }

  void ask_containers(const std::set<std::string>& touched) {
    ++lists_begun_;
    std::string filters = options_.filters.empty() ? "" : concat("&filters=", escaped(options_.filters));
    get(concat("/containers/json?all=1", filters), [this, touched](Result<HttpClientResponse> answer) {
      asking_ = false;
      auto listed = parsed(answer, parse_container_list);
      if (!listed) return on_trouble(listed.error().message, touched);
      if (!trouble_.empty()) pipeline::log_info("docker daemon answers", {{"source", parts_.options->name}});
      trouble_.clear();
      delay_ = 0ms;
      look_at(*listed, touched);
      first_ = false;
      list_.start(soon_ ? std::chrono::nanoseconds(kSoon) : options_.refresh_interval);
    });
  }

  void on_trouble(const std::string& why, const std::set<std::string>& touched) {
    metrics_.api_errors.add();
    touched_.insert(touched.begin(), touched.end());
    if (trouble_.empty())
      pipeline::log_warn("docker daemon does not answer", {{"source", parts_.options->name}, {"error", why}});
    trouble_ = concat("the docker daemon at ", options_.host, " does not answer: ", why);
    delay_ = std::clamp<std::chrono::milliseconds>(delay_ * 2, kFirstDelay, kLongestDelay);
    list_.start(delay_);
  }

  void look_at(const std::vector<DockerListed>& listed, const std::set<std::string>& touched) {
    std::set<std::string> there;
    passed_over_.clear();
    for (const DockerListed& one : listed) {
      there.insert(one.id);
      bool moved = touched.contains(one.id);
      auto at = followers_.find(one.id);
      if (at == followers_.end()) {
        if (!one.running && !moved && !cursors_.contains(one.id) && !options_.read_stopped) {
          passed_over_.push_back(one.id);
          continue;
        }
        at = followers_.emplace(one.id, follow(one.id)).first;
        at->second->wake();
      } else if (moved || (one.running && at->second->finished())) {
        at->second->wake();
      }
    }
    for (auto& [id, follower] : followers_)
      if (!there.contains(id) && fresh_[id] != lists_begun_) follower->remove();
    std::erase_if(followers_, [](auto& item) { return item.second->forgotten(); });
    std::erase_if(fresh_, [&](auto& item) { return !followers_.contains(item.first); });
    forget_cursors(there);
  }

  std::shared_ptr<DockerFollower> follow(const std::string& id) {
    DockerPosition from;
    if (auto saved = cursors_.find(id); saved != cursors_.end()) {
      from = saved->second;
    } else if (first_ && options_.start_at == StartAt::kEnd) {
      from = {parts_.clock.wall(), 0};
    }
    return std::make_shared<DockerFollower>(home_, id, ++last_number_, from);
  }

  void forget_cursors(const std::set<std::string>& there) {
    for (auto& [id, position] : cursors_)
      if (!there.contains(id) && !followers_.contains(id)) parts_.cursors.save(id, "");
    std::erase_if(cursors_, [&](auto& item) { return !there.contains(item.first); });
  }

  // --- events: what has just begun is read at once

  void follow_events() {
    if (stopped_) return;
    event_text_.clear();
    pipeline::HttpStream stream;
    stream.on_body = [this](std::string_view bytes) { on_event_bytes(bytes); };
    stream.done = [this](Result<HttpClientResponse>) {
      if (stopped_) return;
      list_soon();  // what was missed
      events_again_.start(1s);
    };
    client_->stream({.url = concat(options_.base_url, "/events?filters=", escaped(kEvents)), .timeout = 1h},
                    std::move(stream));
  }

  void on_event(const Event& event) {
    if (event.id.empty()) return;
    // One that is removed when it ends may not live until the next list.
    bool fresh = event.action == "start" && options_.filters.empty() && !first_ && !followers_.contains(event.id);
    if (fresh) {
      auto follower = follow(event.id);
      followers_[event.id] = follower;
      fresh_[event.id] = asking_ ? lists_begun_ : 0;  // the list that is under way does not know it
      follower->wake();
    } else {
      touched_.insert(event.id);
    }
    list_soon();
  }

  void on_event_bytes(std::string_view bytes) {
    event_text_.append(bytes);
    size_t end;
    while ((end = event_text_.find('\n')) != event_text_.npos) {
      on_event(parse_event(std::string_view(event_text_).substr(0, end)));
      event_text_.erase(0, end + 1);
    }
    if (event_text_.size() > kLongestEvent) event_text_.clear();
  }

  // --- backpressure

  void look_at_room() {
    if (paused_ || stopped_ || !parts_.reader.full()) return;
    paused_ = true;
    for (auto& [id, follower] : followers_) follower->pause();
  }

  void resume() {
    if (!paused_ || stopped_ || parts_.reader.full()) return;
    paused_ = false;
    for (auto& [id, follower] : followers_) follower->resume();
  }

  const StreamParts parts_;
  const DockerOptions& options_;
  DockerMetrics metrics_;
  HttpClient* client_ = nullptr;
  std::map<std::string, DockerNetwork> networks_;  // by id
  bool paused_ = false, stopped_ = false;
  const DockerFollower::Home home_;
  std::map<std::string, DockerPosition> cursors_;  // of an earlier run
  std::map<std::string, std::shared_ptr<DockerFollower>> followers_;
  std::vector<std::string> passed_over_;
  std::set<std::string> touched_;  // heard of since the last list
  std::string event_text_, trouble_;
  bool asking_ = false, soon_ = false, first_ = true;
  std::chrono::milliseconds delay_{0};
  uint64_t last_number_ = 0, lists_begun_ = 0;
  std::map<std::string, uint64_t> fresh_;  // followed since an event: the list that was under way then
  std::shared_ptr<DockerSource*> self_;
  std::unique_ptr<HttpClient> own_client_;
  pipeline::Timer begin_, list_, events_again_;
};

}  // namespace

std::unique_ptr<StreamSource> make_docker(const StreamParts& parts) { return std::make_unique<DockerSource>(parts); }

}  // namespace agent
