#include "agent/kubernetes_events/event_line.h"

#include <map>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"

namespace agent {

using pipeline::concat;

namespace {
struct Field {
  std::string_view name;
  std::string value;
  bool always = false, number = false;
};

// In Alloy's order.
std::vector<Field> fields_of(const ObjectReader& event, const ObjectReader& about, const ObjectMeta& meta) {
  const ObjectReader source = event.object("source");
  const std::string count = event.number("count");
  return {{"name", about.text("name"), true},
          {"kind", about.text("kind")},
          {"action", event.text("action")},
          {"objectAPIversion", about.text("apiVersion")},
          {"objectRV", about.text("resourceVersion")},
          {"eventRV", meta.version},
          {"reportinginstance", event.text("reportingInstance")},
          {"reportingcontroller", event.text("reportingComponent")},
          {"sourcecomponent", source.text("component")},
          {"sourcehost", source.text("host")},
          {"reason", event.text("reason")},
          {"type", event.text("type")},
          {"count", count == "0" ? "" : count, false, true},
          {"msg", event.text("message"), true}};
}

std::string logfmt(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields) {
    if (field.value.empty() && !field.always) continue;
    out += concat(field.name, "=");
    if (field.name == "msg") {
      pipeline::append_quoted(out, field.value);
    } else {
      out += field.value;
    }
    out += ' ';
  }
  return out;
}

std::string json(const std::vector<Field>& fields) {
  std::map<std::string_view, const Field*> sorted;
  for (const Field& field : fields)
    if (!field.value.empty() || field.always) sorted[field.name] = &field;
  std::string out;
  for (const auto& [name, field] : sorted) {
    out += concat(out.empty() ? "{" : ",", "\"", name, "\":");
    if (field->number) {
      out += field->value;
    } else {
      pipeline::append_compact_text(out, field->value);
    }
  }
  return out + "}";
}
}  // namespace

pipeline::Result<EventLine> EventLine::read(const ObjectReader& event, EventFormat format) {
  const ObjectMeta meta = ObjectMeta::read(event);
  const ObjectReader about = event.object("involvedObject");
  if (about.text("name").empty())
    return pipeline::fail(pipeline::Errc::kInvalid, concat("event ", meta.name, " is about nothing that has a name"));
  EventLine line;
  line.uid = meta.uid;
  line.version = meta.version;
  for (const std::string& text :
       {event.text("lastTimestamp"), event.text("eventTime"), event.object("metadata").text("creationTimestamp")})
    if (line.time == 0) line.time = pipeline::parse_rfc3339(text).value_or(0);
  const auto fields = fields_of(event, about, meta);
  line.text = format == EventFormat::kJson ? json(fields) : logfmt(fields);
  std::vector<pipeline::Label> labels;
  auto add = [&](std::string name, std::string value) {
    if (!value.empty()) labels.emplace_back(std::move(name), std::move(value));
  };
  add("namespace", about.text("namespace"));
  add("__meta_kubernetes_event_type", event.text("type"));
  add("__meta_kubernetes_event_reason", event.text("reason"));
  add("__meta_kubernetes_event_object_kind", about.text("kind"));
  add("__meta_kubernetes_event_object_name", about.text("name"));
  line.labels = pipeline::LabelSet::from(std::move(labels));
  return line;
}

}  // namespace agent
