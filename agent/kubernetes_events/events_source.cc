#include "agent/kubernetes_events/events_source.h"

#include <map>
#include <set>

#include "agent/kubernetes/api_configuration.h"
#include "agent/kubernetes/reflector.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::LabelSet;

namespace {
constexpr size_t kParcelBytes = 256 << 10;
// Watches of events have no bookmarks: they may be silent until the server ends them, after 10 minutes at most.
constexpr std::chrono::minutes kLongestSilence{11};

struct Counters {
  explicit Counters(const StreamParts& parts)
      : lines(parts.registry.counter("skidway_agent_kubernetes_event_lines_total", "Events that became lines.",
                                     {{"source", parts.options->metric_name()}})),
        errors(parts.registry.counter("skidway_agent_kubernetes_event_errors_total",
                                      "Events that are about nothing that has a name.",
                                      {{"source", parts.options->metric_name()}})) {}
  pipeline::Counter& lines;
  pipeline::Counter& errors;
};

// The events of one namespace, or of all.
class EventsWatch final : public ObjectHandler {
 public:
  EventsWatch(const StreamParts& parts, ApiClient& api, const std::string& namespace_name, Counters& counters)
      : parts_(parts),
        options_(static_cast<const EventsOptions&>(*parts.options->stream)),
        key_(namespace_name.empty() ? "*" : namespace_name),
        counters_(counters),
        reflector_(parts.loop, api, reflector_options(namespace_name), *this, parts.registry) {}

  Reflector& reflector() { return reflector_; }

  void begin_list() override {
    in_list_ = true;
    listed_.clear();
  }
  void add(const pipeline::JsonValue& object) override { take(object); }
  void changed(const pipeline::JsonValue& object) override { take(object); }
  void end_list() override {
    in_list_ = false;
    std::erase_if(versions_, [&](const auto& entry) { return !listed_.contains(entry.first); });
    listed_.clear();
  }
  void removed(const pipeline::JsonValue& object) override {
    versions_.erase(ObjectMeta::read(ObjectReader(object)).uid);
  }

  // Everything up to `version` is in parcels: when these are settled, the next run may go on there.
  void advanced(const std::string& version) override {
    if (version == advanced_) return;
    advanced_ = version;
    parts_.reader.take(std::exchange(parcel_, {}), [cursors = parts_.cursors, key = key_, version](bool settled) {
      if (settled) cursors.save(key, version);
    });
    if (parts_.reader.full()) reflector_.pause();
  }

 private:
  ReflectorOptions reflector_options(const std::string& namespace_name) const {
    ReflectorOptions out;
    out.what = "events";
    out.path = namespace_name.empty() ? "/api/v1/events" : concat("/api/v1/namespaces/", namespace_name, "/events");
    out.bookmarks = false;
    out.longest_silence = kLongestSilence;
    const auto cursors = parts_.cursors.saved();
    if (auto known = cursors.find(key_); known != cursors.end()) out.version = known->second;
    return out;
  }

  void take(const pipeline::JsonValue& object) {
    auto line = EventLine::read(ObjectReader(object), options_.format);
    if (!line) return counters_.errors.add();
    if (in_list_) listed_.insert(line->uid);
    std::string& version = versions_[line->uid];
    if (!version.empty() && version == line->version) return;  // an earlier list had it
    version = line->version;
    std::vector<pipeline::Label> labels = line->labels.labels();
    labels.emplace_back("job", options_.job_name);
    labels.emplace_back("instance", parts_.options->name);
    parcel_.add(parcel_.add_labels(LabelSet::from(std::move(labels))), line->time, line->text);
    counters_.lines.add();
    if (parcel_.bytes() > kParcelBytes) parts_.reader.take(std::exchange(parcel_, {}));
  }

  const StreamParts parts_;
  const EventsOptions& options_;
  const std::string key_;  // of the cursor
  Counters& counters_;
  Parcel parcel_;
  std::string advanced_;
  std::map<std::string, std::string> versions_;  // by uid, of the events that the API has
  std::set<std::string> listed_;
  bool in_list_ = false;
  Reflector reflector_;
};

class EventsSource final : public StreamSource {
 public:
  explicit EventsSource(const StreamParts& parts)
      : parts_(parts), options_(static_cast<const EventsOptions&>(*parts_.options->stream)), counters_(parts_) {}
  ~EventsSource() override { stop(); }

  pipeline::Result<void> start() override {
    TRY_LET(api_, ApiClient::create(parts_.loop, options_.api));
    std::vector<std::string> namespaces = options_.namespaces;
    if (namespaces.empty()) namespaces.push_back("");
    for (const std::string& name : namespaces)
      watches_.push_back(std::make_unique<EventsWatch>(parts_, *api_, name, counters_));
    parts_.reader.on_room([weak = std::weak_ptr(alive_)] {
      if (auto self = weak.lock(); self && *self) (*self)->resume();
    });
    for (auto& watch : watches_) watch->reflector().start();
    return {};
  }

  void stop() override {
    *alive_ = nullptr;
    for (auto& watch : watches_) watch->reflector().stop();
  }

  std::string unready() const override {
    for (const auto& watch : watches_)
      if (!watch->reflector().trouble().empty()) return concat("events: ", watch->reflector().trouble());
    return {};
  }

  std::vector<Target> targets() const override {
    Target target{.source = parts_.options->name, .path = options_.place()};
    std::vector<pipeline::Label> labels(parts_.options->labels.begin(), parts_.options->labels.end());
    labels.emplace_back("job", options_.job_name);
    target.labels = LabelSet::from(std::move(labels));
    target.reason = unready();
    target.state = target.reason.empty() ? "active" : "failed";
    return {target};
  }

 private:
  void resume() {
    for (auto& watch : watches_) watch->reflector().resume();
  }

  const StreamParts parts_;
  const EventsOptions& options_;
  Counters counters_;
  std::unique_ptr<ApiClient> api_;
  std::vector<std::unique_ptr<EventsWatch>> watches_;
  const std::shared_ptr<EventsSource*> alive_ = std::make_shared<EventsSource*>(this);
};
}  // namespace

std::shared_ptr<const StreamOptions> read_events(const pipeline::ConfigTable& table) {
  auto out = std::make_shared<EventsOptions>();
  auto api = read_api(table);
  if (api) {
    out->api = *std::move(api);
  } else {
    table.error_at("api", "no API to ask, and KUBERNETES_SERVICE_HOST is not set",
                   "for example api = { server = \"https://10.0.0.1:6443\", token_file = \"/etc/token\" }");
  }
  out->namespaces = table.strings("namespaces");
  for (const std::string& name : out->namespaces)
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
      table.error_at("namespaces", concat("\"", name, "\" is no name of a namespace"), "small letters, digits and -");
  if (table.choice("log_format", "logfmt", {"logfmt", "json"}) == "json") out->format = EventFormat::kJson;
  out->job_name = table.string("job_name", "loki.source.kubernetes_events");
  return out;
}

std::unique_ptr<StreamSource> make_events(const StreamParts& parts) { return std::make_unique<EventsSource>(parts); }

}  // namespace agent
