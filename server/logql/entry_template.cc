#include "server/logql/entry_template.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/logql/log_pipeline.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::TemplateValue;

namespace {

TemplateValue value_of(const EntryLabels& labels, const std::string& name) {
  if (name == kErrorLabel && labels.has_error()) return TemplateValue::text(labels.error());
  if (name == kErrorDetailsLabel && !labels.error_details().empty()) return TemplateValue::text(labels.error_details());
  auto value = labels.get(name);
  return value ? TemplateValue::text(*value) : TemplateValue();
}

void collect_all(const EntryLabels& labels, TemplateScratch& scratch) {
  scratch.members.clear();
  auto add = [&](std::string_view name, std::string_view value) {
    scratch.members.push_back({name, TemplateValue::text(value)});
  };
  labels.visit(add);
  if (labels.has_error()) add(kErrorLabel, labels.error());
  if (!labels.error_details().empty()) add(kErrorDetailsLabel, labels.error_details());
  scratch.all = {scratch.members.data(), 0, scratch.members.size(), true};
  scratch.all.adopt(scratch.members.size());
}

void set_template_error(EntryLabels& labels, const pipeline::Error& error) {
  labels.set_error("TemplateFormatErr", labels.arena().copy(error.message));
}

}  // namespace

Result<EntryTemplate> EntryTemplate::compile(std::string_view name, std::string_view text) {
  TRY_LET(auto compiled, pipeline::GoTemplate::parse(name, text, pipeline::TemplateFunctions::kLogql));
  return EntryTemplate(std::move(compiled), text.find("__line__") != std::string_view::npos);
}

void EntryTemplate::look_at(const EntryLabels& labels, TemplateScratch& scratch) const {
  for (const std::string& field : fields()) scratch.fields.push_back(value_of(labels, field));
  if (reads_all()) collect_all(labels, scratch);
}

Result<void> EntryTemplate::run(EntryView entry, TemplateScratch& scratch, size_t first) const {
  scratch.text.clear();
  pipeline::TemplateInput input;
  input.fields = std::span<const TemplateValue>(scratch.fields).subspan(first, fields().size());
  input.all = reads_all() ? &scratch.all : nullptr;
  input.now = pipeline::SystemClock().wall();
  input.line = entry.line;
  input.timestamp = entry.time;
  return template_.run(input, scratch.run, scratch.text);
}

Result<LineTemplate> LineTemplate::compile(std::string_view text) {
  auto compiled = EntryTemplate::compile("line", text);
  if (!compiled) return fail(compiled.error().within("invalid line template"));
  return LineTemplate(*std::move(compiled));
}

std::string_view LineTemplate::apply(EntryView entry, EntryLabels& labels, TemplateScratch& scratch) const {
  scratch.fields.clear();
  template_.look_at(labels, scratch);
  if (auto done = template_.run(entry, scratch, 0); !done) {
    set_template_error(labels, done.error());
    return entry.line;
  }
  return labels.arena().copy(scratch.text);
}

Result<LabelFormatter> LabelFormatter::compile(const LabelFormatStage& stage) {
  std::vector<std::string_view> targets;
  for (const LabelFormat& format : stage.formats) {
    if (format.target == kErrorLabel) return fail(Errc::kInvalid, concat(kErrorLabel, " cannot be formatted"));
    if (std::find(targets.begin(), targets.end(), format.target) != targets.end())
      return fail(Errc::kInvalid,
                  concat("multiple label name '", format.target, "' not allowed in a single format operation"));
    targets.push_back(format.target);
  }
  LabelFormatter out;
  for (const LabelFormat& format : stage.formats) {
    if (format.is_rename) {
      out.formats_.push_back({format.target, format.source, std::nullopt});
      continue;
    }
    auto compiled = EntryTemplate::compile("label", format.source);
    if (!compiled) return fail(compiled.error().within(concat("invalid template for label '", format.target, "'")));
    out.formats_.push_back({format.target, {}, *std::move(compiled)});
  }
  return out;
}

void LabelFormatter::append_label_names(std::vector<std::string>& names) const {
  for (const Format& format : formats_) {
    if (!format.compiled) {
      names.push_back(format.source);
      continue;
    }
    const std::vector<std::string>& fields = format.compiled->fields();
    names.insert(names.end(), fields.begin(), fields.end());
  }
}

bool LabelFormatter::reads_all() const {
  return std::any_of(formats_.begin(), formats_.end(),
                     [](const Format& format) { return format.compiled && format.compiled->reads_all(); });
}

bool LabelFormatter::has_templates() const {
  return std::any_of(formats_.begin(), formats_.end(),
                     [](const Format& format) { return format.compiled.has_value(); });
}

bool LabelFormatter::reads_line() const {
  return std::any_of(formats_.begin(), formats_.end(),
                     [](const Format& format) { return format.compiled && format.compiled->reads_line(); });
}

void LabelFormatter::look_at(const EntryLabels& labels, TemplateScratch& scratch) const {
  scratch.fields.clear();
  bool collected = false;
  for (const Format& format : formats_) {
    if (!format.compiled) continue;
    for (const std::string& field : format.compiled->fields()) scratch.fields.push_back(value_of(labels, field));
    if (format.compiled->reads_all() && !collected) collect_all(labels, scratch), collected = true;
  }
}

void LabelFormatter::apply(EntryView entry, EntryLabels& labels, TemplateScratch& scratch) const {
  bool looked = false;
  size_t first = 0;  // of the template's fields in scratch
  for (const Format& format : formats_) {
    if (!format.compiled) {
      const auto value = labels.get(format.source);
      if (!value) continue;
      labels.set_formatted(format.target, *value);
      labels.remove(format.source);
      continue;
    }
    if (!looked) {
      looked = labels.has_any();  // Loki looks again where it saw nothing at all
      look_at(labels, scratch);
    }
    if (auto done = format.compiled->run(entry, scratch, first); done) {
      labels.set_formatted(format.target, labels.arena().copy(scratch.text));
    } else {
      set_template_error(labels, done.error());
    }
    first += format.compiled->fields().size();
  }
}

}  // namespace server
