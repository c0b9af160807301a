// OtlpEntries: makes streams and entries of an OTLP log export, by the rules of Loki's OTLP endpoint, and tells them to
// a PushVisitor.
//
//   resource attribute in the list of index labels   label, its name made a label name ("service.name" -> service_name)
//   other attributes of resource and scope           structured metadata of each of their entries
//   scope name, version, dropped count               scope_name, scope_version, scope_dropped_attributes_count
//   record attributes                                structured metadata
//   time, else observed time, else now               time; the observed time is metadata where both are given
//   severity, severity text, dropped count, flags,   metadata severity_number, severity_text,
//   ids, event name                                  dropped_attributes_count, flags, trace_id, span_id, event_name
//   body                                             line (otlp_value_text.h)
//
// Metadata in the order record, resource, scope; maps are flattened with `_`; pairs without a value are left out. A
// stream has a service_name: the attribute, else the first of discover_service_name among its labels, else
// unknown_service. Each resource is one stream (told also when it has no records), or one per severity text where that
// is a label. (Loki 3.7 loses the event name of JSON; we keep it.)
//
// Errors:  kInvalid: a name without any letter or digit.
// Thread:  any, one at a time. Views given to the visitor hold during the call.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/codec/otlp_visitor.h"
#include "pipeline/codec/push_visitor.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

enum class OtlpAction { kStructuredMetadata, kIndexLabel, kDrop };

// The first rule that matches decides; none: structured metadata.
struct OtlpRule {
  OtlpAction action = OtlpAction::kStructuredMetadata;
  std::function<bool(std::string_view attribute)> matches;
};

struct OtlpMapping {
  std::vector<std::string> index_attributes;        // of resources; empty: default_otlp_index_attributes()
  bool ignore_defaults = false;                     // only `resource_rules` choose index labels
  std::vector<OtlpRule> resource_rules;             // after the defaults
  std::vector<OtlpRule> scope_rules, record_rules;  // kIndexLabel here is kStructuredMetadata
  bool severity_text_as_label = false;
  bool resource_as_discovered = false;             // every resource attribute is also a label __otlp_resource_NAME
  std::vector<std::string> discover_service_name;  // labels, the first present gives service_name; empty: never
};

const std::vector<std::string>& default_otlp_index_attributes();
const std::vector<std::string>& default_service_name_labels();

class OtlpEntries final : public OtlpVisitor {
 public:
  // `mapping` and `visitor` outlive it. `now`: the time of records without any.
  OtlpEntries(const OtlpMapping& mapping, UnixNanos now, PushVisitor& visitor);

  Result<void> on_resource(std::span<const OtlpValue> attributes) override;
  Result<void> on_scope(const OtlpScope& scope) override;
  Result<void> on_record(const OtlpRecord& record) override;
  void finish();  // after the last record

 private:
  using Pair = std::pair<std::string, std::string>;
  using Pairs = std::vector<Pair>;

  OtlpAction action_for_resource(std::string_view name) const;
  static OtlpAction action_for(const std::vector<OtlpRule>& rules, std::string_view name);
  // Adds what `attribute` becomes: one pair, or those of a map.
  static Result<void> flatten(const OtlpValue& attribute, std::string_view prefix, Pairs& out);
  void add_service_name(const Pairs& labels);
  void tell_stream(std::string_view severity_text);
  void add_fields(const OtlpRecord& record);
  void add_number(std::string_view name, uint64_t number);
  UnixNanos time_of(const OtlpRecord& record) const;

  const OtlpMapping& mapping_;
  const UnixNanos now_;
  PushVisitor& visitor_;

  std::vector<Label> labels_;  // of the resource
  Pairs resource_, scope_;     // structured metadata of every entry
  bool told_ = true;           // on_stream() came for these labels
  std::string told_severity_;  // with this label, where it is one
  Pairs record_;               // of the current record
  std::string line_;
  std::vector<Metadata> metadata_;
};

// "k8s.pod.name" -> "k8s_pod_name": other characters become _, runs of _ one, a leading digit gets key_ before it;
// __reserved__ stays. kInvalid: no letter or digit in it.
Result<std::string> otlp_label_name(std::string_view attribute);

}  // namespace pipeline
