#include "agent/kubernetes/pod_watch.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::Result;

namespace {
using std::chrono::milliseconds;
constexpr milliseconds kTick{1'000};  // until everything is known
constexpr milliseconds kSweepEvery{30'000};
constexpr milliseconds kSaveAfter{1'000};
constexpr milliseconds kAttachWait{3'000};  // for nodes and namespaces that cannot be listed; less than files wait
}  // namespace

Result<std::unique_ptr<PodWatch>> PodWatch::create(pipeline::Loop& loop, KubernetesOptions options, Events events,
                                                   pipeline::Registry& metrics) {
  TRY_LET(auto api, ApiClient::create(loop, options.api));
  return std::unique_ptr<PodWatch>(new PodWatch(loop, std::move(options), std::move(events), metrics, std::move(api)));
}

PodWatch::PodWatch(pipeline::Loop& loop, KubernetesOptions options, Events events, pipeline::Registry& metrics,
                   std::unique_ptr<ApiClient> api)
    : loop_(loop),
      options_(std::move(options)),
      events_(std::move(events)),
      metrics_(metrics),
      api_(std::move(api)),
      store_(
          options_, [this](const std::vector<PodId>& pods) { on_changed(pods); }, metrics),
      tick_(loop, [this] { tick(); }),
      refresh_(loop, [this] { ask_kubelet(); }),
      save_(loop, [this] { store_.save(); }),
      kubelet_failures_(metrics.counter("skidway_agent_kubernetes_failures_total",
                                        "Lists and watches of the Kubernetes API that failed.",
                                        {{"resource", "kubelet"}})) {
  if (events_.memory && (options_.kubelet || !options_.node.empty())) store_.remember(*events_.memory);
  if (options_.kubelet) return;
  const std::string& node = options_.node;
  add("pods", "/api/v1/pods", node.empty() ? "" : concat("fieldSelector=spec.nodeName%3D", node), store_.pods());
  if (options_.attach_node)
    add("nodes", "/api/v1/nodes", node.empty() ? "" : concat("fieldSelector=metadata.name%3D", node), store_.nodes());
  if (options_.attach_namespace) add("namespaces", "/api/v1/namespaces", "", store_.namespaces());
}

PodWatch::~PodWatch() { stop(); }

void PodWatch::add(std::string what, std::string path, std::string selector, ObjectHandler& handler) {
  ReflectorOptions options;
  options.what = std::move(what);
  options.path = std::move(path);
  options.selector = std::move(selector);
  reflectors_.push_back(std::make_unique<Reflector>(loop_, *api_, std::move(options), handler, metrics_));
}

void PodWatch::on_changed(const std::vector<PodId>& pods) {
  if (!save_.active()) save_.start(kSaveAfter);
  events_.changed(pods);
}

void PodWatch::start() {
  started_ = loop_.now();
  next_sweep_ = started_ + kSweepEvery;
  for (auto& reflector : reflectors_) reflector->start();
  if (options_.kubelet) ask_kubelet();
  tick_.start(kTick);
}

void PodWatch::stop() {
  tick_.stop();
  refresh_.stop();
  if (save_.active()) store_.save();
  save_.stop();
  for (auto& reflector : reflectors_) reflector->stop();
  if (request_ != 0) api_->cancel(std::exchange(request_, 0));
}

bool PodWatch::synced() const {
  for (const auto& reflector : reflectors_)
    if (!reflector->synced()) return false;
  return !options_.kubelet || kubelet_synced_;
}

std::string PodWatch::trouble() const {
  constexpr const char* kNames[] = {"pods", "nodes or namespaces", "namespaces"};
  for (size_t i = 0; i < reflectors_.size(); ++i)
    if (!reflectors_[i]->trouble().empty()) return concat(kNames[i], ": ", reflectors_[i]->trouble());
  return kubelet_trouble_;
}

void PodWatch::tick() {
  const auto now = loop_.now();
  if (!reflectors_.empty() && reflectors_[0]->synced() && now - started_ >= kAttachWait)
    for (size_t i = 1; i < reflectors_.size(); ++i)
      if (!reflectors_[i]->synced() && !reflectors_[i]->trouble().empty()) store_.give_up_attaching();
  tick_.start(synced() ? kSweepEvery : kTick);
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepEvery;
  store_.sweep(now, events_.has_files);
}

// --- a kubelet

void PodWatch::ask_kubelet() {
  request_ = api_->get("/pods", [this](auto answer) { on_kubelet(std::move(answer)); });
}

void PodWatch::on_kubelet(Result<pipeline::HttpClientResponse> answer) {
  if (std::exchange(request_, 0) == 0) return;  // stopped
  refresh_.start(options_.refresh);
  std::string why;
  auto list = answer && answer->status == 200 ? ObjectReader::parse(answer->body) : std::nullopt;
  if (!answer) {
    why = answer.error().message;
  } else if (answer->status != 200) {
    if (answer->status == 401) api_->token_refused();
    why = concat("GET /pods: ", answer->status);
  } else if (!list) {
    why = "GET /pods: no JSON object";
  }
  if (!why.empty()) {  // the former list stays
    kubelet_failures_.add();
    if (kubelet_trouble_.empty()) pipeline::log_warn("kubelet", {{"error", why}});
    kubelet_trouble_ = concat("kubelet: ", why);
    return;
  }
  if (!kubelet_trouble_.empty()) pipeline::log_info("kubelet answers again", {});
  kubelet_trouble_.clear();
  kubelet_synced_ = true;
  std::vector<pipeline::JsonValue> items;
  if (auto found = list->get("items"); found.kind == pipeline::JsonKind::kArray) pipeline::json_elements(found, items);
  store_.pods().begin_list();
  for (const auto& item : items) store_.pods().add(item);
  store_.pods().end_list();
}

}  // namespace agent
