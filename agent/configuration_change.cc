#include "agent/configuration_change.h"

#include <algorithm>

#include "agent/kubernetes/kubernetes_options.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
using Source = std::shared_ptr<const SourceOptions>;

std::string_view type_name(const SourceOptions& source) {
  switch (source.type) {
    case SourceType::kKubernetes: return "kubernetes";
    case SourceType::kFile: return "file";
    case SourceType::kStream: return source.stream_type;
  }
  return "";
}

std::string_view type_name(SinkType type) {
  switch (type) {
    case SinkType::kLoki: return "loki";
    case SinkType::kStdout: return "stdout";
    case SinkType::kDiscard: return "discard";
  }
  return "";
}

const SourceOptions* find(const std::vector<Source>& sources, const std::string& name) {
  for (const Source& source : sources)
    if (source && source->name == name) return source.get();
  return nullptr;
}

bool same_api(const SourceOptions& a, const SourceOptions& b) {
  if (!a.kubernetes || !b.kubernetes) return a.kubernetes == b.kubernetes;
  return *a.kubernetes == *b.kubernetes;
}

// Apart from the compiled forms, of which the texts are.
bool same(const SourceOptions& a, const SourceOptions& b) {
  return a.name == b.name && a.type == b.type && a.stream_type == b.stream_type && a.stream_text == b.stream_text &&
         a.paths == b.paths && a.excludes == b.excludes && a.pods == b.pods && same_api(a, b) &&
         a.start_at == b.start_at && a.node == b.node && a.labels == b.labels && a.sinks == b.sinks &&
         a.max_line_bytes == b.max_line_bytes && a.relabel_text == b.relabel_text && a.stages_text == b.stages_text;
}

class Refusals {
 public:
  explicit Refusals(const std::string& file) : file_(file) {}
  void add(std::string_view what, std::string_view remedy) {
    text_ += concat(text_.empty() ? "" : "\n", file_, ": ", what, "; ", remedy);
  }
  Result<void> outcome() const {
    if (text_.empty()) return {};
    return fail(Errc::kInvalid, text_);
  }

 private:
  const std::string& file_;
  std::string text_;
};
}  // namespace

// Every entry is printed once, as its source's first sink would get it.
Configuration dry_run_of(Configuration c) {
  for (SinkOptions& sink : c.sinks) sink.type = SinkType::kStdout;
  for (auto& source : c.sources) {
    SourceOptions first = *source;
    if (first.sinks.size() > 1) first.sinks.erase(first.sinks.begin() + 1, first.sinks.end());
    source = std::make_shared<const SourceOptions>(std::move(first));
  }
  return c;
}

std::vector<std::shared_ptr<const SourceOptions>> file_sources(const Configuration& c) {
  std::vector<std::shared_ptr<const SourceOptions>> out;
  for (auto& source : c.sources)
    if (source->type == SourceType::kKubernetes || source->type == SourceType::kFile) out.push_back(source);
  return out;
}

std::vector<std::shared_ptr<const SourceOptions>> stream_sources(const Configuration& c) {
  std::vector<std::shared_ptr<const SourceOptions>> out;
  for (auto& source : c.sources)
    if (source->type == SourceType::kStream) out.push_back(source);
  return out;
}

Result<void> check_change(const Configuration& now, const Configuration& next, const std::string& name) {
  Refusals refusals(name);
  auto fixed = [&](std::string_view key, const std::string& before, const std::string& after) {
    if (before == after) return;
    refusals.add(concat(key, " cannot change while the agent runs (from \"", before, "\" to \"", after, "\")"),
                 "restart it, or put the old value back");
  };
  fixed("data_dir", now.data_dir, next.data_dir);
  fixed("http.listen", now.http_listen, next.http_listen);
  fixed("workers", std::to_string(now.workers), std::to_string(next.workers));
  auto retyped = [&](std::string_view what, const std::string& which, std::string_view before, std::string_view after) {
    if (before == after) return;
    refusals.add(concat(what, " \"", which, "\" cannot become of type \"", after, "\" (it is \"", before, "\")"),
                 "give the new one another name");
  };
  for (const SinkOptions& sink : next.sinks)
    for (const SinkOptions& before : now.sinks)
      if (before.name == sink.name) retyped("sink", sink.name, type_name(before.type), type_name(sink.type));
  for (const Source& source : next.sources) {
    const SourceOptions* before = find(now.sources, source->name);
    if (before) retyped("source", source->name, type_name(*before), type_name(*source));
    if (!before && source->stream_type == "stdin")
      refusals.add(concat("source \"", source->name, "\" reads standard input, which cannot be added"),
                   "restart the agent");
  }
  for (const Source& before : now.sources)
    if (before->stream_type == "stdin" && !find(next.sources, before->name))
      refusals.add(concat("source \"", before->name, "\" reads standard input, which cannot be removed"),
                   "restart the agent");
  return refusals.outcome();
}

SourceChange plan_sources(const std::vector<Source>& now, const std::vector<Source>& next,
                          const std::vector<size_t>& sink_slots) {
  SourceChange change;
  change.sources.resize(now.size());
  for (const Source& wanted : next) {
    auto options = std::make_shared<SourceOptions>(*wanted);
    for (size_t& sink : options->sinks) sink = sink_slots[sink];
    std::sort(options->sinks.begin(), options->sinks.end());
    auto at = std::find_if(now.begin(), now.end(), [&](const Source& s) { return s && s->name == wanted->name; });
    if (at == now.end()) {
      change.sources.push_back(std::move(options));
      continue;
    }
    auto slot = static_cast<size_t>(at - now.begin());
    if (same(**at, *options)) {
      change.sources[slot] = *at;
      continue;
    }
    if ((*at)->stages_text == options->stages_text)
      options->stages = (*at)->stages;  // with what they have counted
    else
      change.restaged.push_back(slot);
    change.sources[slot] = std::move(options);
  }
  return change;
}

}  // namespace agent
