// The templates of line_format and label_format, compiled (logql.md 4.10, 4.11, 5), and what running them needs.
//
// Thread: any (immutable); TemplateScratch has one owner.
// Errors: compile(): kInvalid, Loki's texts. A run that fails gives Go's text, for __error_details__.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parse/go_template.h"
#include "server/logql/entry_labels.h"
#include "server/logql/syntax.h"

namespace server {

// What the labels of an entry were when a template looked, and buffers that are used again for each entry.
struct TemplateScratch {
  pipeline::TemplateRun run;
  std::vector<pipeline::TemplateValue> fields;  // of the templates of one stage, one after the other
  std::vector<pipeline::TemplateMap::Member> members;
  pipeline::TemplateMap all;
  std::string text;
};

struct EntryView {
  std::string_view line;
  pipeline::UnixNanos time = 0;
};

class EntryTemplate {
 public:
  // `name`: what messages call it, "line" or "label".
  static pipeline::Result<EntryTemplate> compile(std::string_view name, std::string_view text);

  const std::vector<std::string>& fields() const { return template_.fields(); }
  bool reads_all() const { return template_.reads_all(); }
  bool reads_line() const { return reads_line_; }

  // Appends the values of fields() to scratch.fields; where it reads all, makes scratch.all too.
  void look_at(const EntryLabels& labels, TemplateScratch& scratch) const;
  // What it gives, in scratch.text; scratch.fields[first] is the first of its values.
  pipeline::Result<void> run(EntryView entry, TemplateScratch& scratch, size_t first) const;

 private:
  EntryTemplate(pipeline::GoTemplate compiled, bool reads_line)
      : template_(std::move(compiled)), reads_line_(reads_line) {}
  pipeline::GoTemplate template_;
  bool reads_line_;
};

// line_format with any template; LineForm serves those that only place fields.
class LineTemplate {
 public:
  static pipeline::Result<LineTemplate> compile(std::string_view text);
  const EntryTemplate& used() const { return template_; }
  // The new line, in the labels' arena; after a failure the old one, and the error is set.
  std::string_view apply(EntryView entry, EntryLabels& labels, TemplateScratch& scratch) const;

 private:
  explicit LineTemplate(EntryTemplate compiled) : template_(std::move(compiled)) {}
  EntryTemplate template_;
};

class LabelFormatter {
 public:
  static pipeline::Result<LabelFormatter> compile(const LabelFormatStage& stage);

  // Appends the names of the labels that it looks at.
  void append_label_names(std::vector<std::string>& names) const;
  bool reads_all() const;
  bool has_templates() const;
  bool reads_line() const;

  // Renames and templates in order. The templates see the labels as they were at the first of them.
  void apply(EntryView entry, EntryLabels& labels, TemplateScratch& scratch) const;

 private:
  struct Format {
    std::string target;
    std::string source;                     // of a rename
    std::optional<EntryTemplate> compiled;  // else
  };
  void look_at(const EntryLabels& labels, TemplateScratch& scratch) const;
  std::vector<Format> formats_;
};

}  // namespace server
