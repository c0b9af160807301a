#include "pipeline/stage/stage_reference.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/stage/stage_table.h"

namespace pipeline {

namespace {
std::vector<const StageKind*> sorted_kinds() {
  std::vector<const StageKind*> kinds;
  for (const StageKind& kind : stage_kinds()) kinds.push_back(&kind);
  std::sort(kinds.begin(), kinds.end(), [](auto* a, auto* b) { return a->name < b->name; });
  return kinds;
}

Result<const StageKind*> find_kind(std::string_view name) {
  std::vector<std::string> names;
  for (const StageKind& kind : stage_kinds()) {
    if (kind.name == name) return &kind;
    names.emplace_back(kind.name);
  }
  std::string_view near = nearest_word(name, names);
  return fail(Errc::kInvalid, concat("there is no stage \"", name, "\"",
                                     near.empty() ? std::string("; `skidway-agent stages` lists them")
                                                  : concat("; did you mean \"", near, "\"?")));
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string standard(const StageArgument& argument) {
  if (argument.required) return "required";
  return argument.otherwise.empty() ? "" : concat("`", escaped(argument.otherwise), "`");
}

void append_rows(std::string& out, std::span<const StageArgument> arguments, const std::string& prefix) {
  for (const StageArgument& argument : arguments) {
    std::string name = concat(prefix, argument.name);
    out += concat("| `", name, "` | ", argument_type_name(argument.type), " | ", standard(argument), " | ",
                  escaped(argument.help), " |\n");
    append_rows(out, argument.members, concat(name, "."));
  }
}

std::string markdown_of(const StageKind& kind) {
  std::string out = concat("## ", kind.name, "\n\n", kind.help, "\n");
  if (kind.arguments.empty()) return out + "\nNo arguments.\n";
  out += "\n| argument | type | default | what it is |\n| --- | --- | --- | --- |\n";
  append_rows(out, kind.arguments, "");
  return out;
}

void append_lines(std::string& out, std::span<const StageArgument> arguments, const std::string& indent) {
  for (const StageArgument& argument : arguments) {
    out +=
        concat(indent, argument.name, "  (", argument_type_name(argument.type), argument.required ? ", required" : "",
               argument.otherwise.empty() ? std::string() : concat(", default ", argument.otherwise), ")\n", indent,
               "    ", argument.help, "\n");
    append_lines(out, argument.members, indent + "    ");
  }
}
}  // namespace

std::string stage_reference_markdown() {
  std::string out =
      "# Stages\n\nWritten by `skidway-agent stages --markdown` from the table that also builds and checks them. Names "
      "and "
      "arguments are Alloy's\nwherever it has them; `type` names the stage, the other keys are its arguments. Examples "
      "with input and output stand in\n`configs/stages/`.\n";
  for (const StageKind* kind : sorted_kinds()) out += concat("\n", markdown_of(*kind));
  return out;
}

std::string stage_list_text() {
  size_t width = 0;
  for (const StageKind* kind : sorted_kinds()) width = std::max(width, kind->name.size());
  std::string out;
  for (const StageKind* kind : sorted_kinds())
    out += concat(kind->name, std::string(width + 2 - kind->name.size(), ' '), kind->help, "\n");
  return out;
}

Result<std::string> stage_help_text(std::string_view name) {
  TRY_LET(const StageKind* kind, find_kind(name));
  std::string out = concat(kind->name, ": ", kind->help, "\n\n[[source.stage]]\ntype = \"", kind->name, "\"\n\n");
  append_lines(out, kind->arguments, "  ");
  return out;
}

Result<std::string> stage_help_markdown(std::string_view name) {
  TRY_LET(const StageKind* kind, find_kind(name));
  return markdown_of(*kind);
}

}  // namespace pipeline
