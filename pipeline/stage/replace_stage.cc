// The stage `replace` (agent.md 5.8): replaces what the groups of a regular expression find, by a Go template.
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/stage/stage_kinds.h"
#include "pipeline/stage/template_data.h"

namespace pipeline {

namespace {

// What templates may write for one entry, all groups together: as much as one template may. Else a text that stands in
// the template as well would grow with the square of its length.
const size_t kMostReplacedBytes = TemplateLimits().output_bytes;

struct ReplaceMemory final : StageMemory {
  explicit ReplaceMemory(const GoTemplate& compiled) : data(compiled) {}
  TemplateData data;
  std::vector<std::string_view> groups;  // of a match
  std::vector<std::string_view> first;   // of the first one
  // What groups found, and what took its place; of equal texts the last counts.
  std::vector<std::pair<std::string_view, std::string_view>> replaced;
  std::string out;
  size_t written_bytes = 0;  // by the template
};

class ReplaceStage final : public Stage {
 public:
  ReplaceStage(Regex regex, GoTemplate replacement, std::string source)
      : regex_(std::move(regex)), replacement_(std::move(replacement)), source_(std::move(source)) {
    for (const std::string& name : regex_.group_names()) has_names_ = has_names_ || !name.empty();
  }

  std::unique_ptr<StageMemory> make_memory(StageUse) const override {
    return std::make_unique<ReplaceMemory>(replacement_);
  }
  void add_reads(FieldNames& reads) const override {
    if (!source_.empty()) reads.names.insert(source_);
    TemplateData::add_reads(replacement_, reads);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<ReplaceMemory&>(stage_memory);
    memory.groups.resize(regex_.group_count());
    for (const std::string& name : regex_.group_names()) {
      if (!name.empty()) batch.field(name);
    }
    if (!source_.empty()) batch.field(source_);
    memory.data.begin(batch);
    SourceReader source(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      auto text = batch.active(i) ? source.at(batch, i) : std::nullopt;
      if (!text || !replace(batch, i, *text, memory)) continue;
      const std::string_view result = batch.arena.copy(memory.out);
      if (source_.empty()) {
        batch.lines[i] = result;
      } else {
        batch.field(source_).values[i] = text_field(result);
      }
      if (has_names_) put_named_groups(batch, i, memory);
    }
  }

 private:
  // False: nothing was found, or the template cannot be run or writes too much; else the new text is in memory.out.
  bool replace(Batch& batch, size_t row, std::string_view text, ReplaceMemory& memory) const {
    text = searchable(text);
    memory.out.clear();
    memory.replaced.clear();
    memory.written_bytes = 0;
    size_t copied = 0;  // of the text
    bool found = false;
    size_t last_end = std::string_view::npos;  // of the match before
    for (size_t from = 0; from <= text.size() && regex_.find(text, memory.groups, from);) {
      const auto begin = static_cast<size_t>(memory.groups[0].data() - text.data());
      const size_t end = begin + memory.groups[0].size();
      from = end > begin ? end : end + character_bytes(text, end);
      if (begin == end && begin == last_end) continue;  // an empty match does not follow another one
      last_end = end;
      if (!found) memory.first = memory.groups;
      found = true;
      if (!replace_groups(batch, row, text, memory, copied)) return false;
    }
    memory.out += text.substr(copied);
    return found;
  }

  // The groups of one match. A group inside one that has been replaced is left out.
  bool replace_groups(Batch& batch, size_t row, std::string_view text, ReplaceMemory& memory, size_t& copied) const {
    for (size_t g = 1; g < memory.groups.size(); ++g) {
      const std::string_view group = memory.groups[g];
      if (group.data() == nullptr) continue;
      if (!memory.data.run(row, group, std::nullopt)) return false;
      memory.written_bytes += memory.data.text().size();
      if (memory.written_bytes > kMostReplacedBytes) return false;
      const auto begin = static_cast<size_t>(group.data() - text.data());
      if (copied <= begin) {
        memory.out += text.substr(copied, begin - copied);
        memory.out += memory.data.text();
        copied = begin + group.size();
      }
      if (has_names_) memory.replaced.emplace_back(group, batch.arena.copy(memory.data.text()));
    }
    return true;
  }

  void put_named_groups(Batch& batch, size_t row, const ReplaceMemory& memory) const {
    const std::vector<std::string>& names = regex_.group_names();
    for (size_t g = 1; g < names.size(); ++g) {
      if (names[g].empty()) continue;
      const auto same = [&](const auto& item) { return item.first == memory.first[g]; };
      const auto last = std::find_if(memory.replaced.rbegin(), memory.replaced.rend(), same);
      if (last != memory.replaced.rend()) batch.field(names[g]).values[row] = text_field(last->second);
    }
  }

  static size_t character_bytes(std::string_view text, size_t at) {
    size_t next = at + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) ++next;
    return next - at;
  }

  const Regex regex_;
  const GoTemplate replacement_;
  const std::string source_;  // "": the line
  bool has_names_ = false;
};

constexpr StageArgument kArguments[] = {
    {"expression", ArgumentType::kText, "", true,
     "regular expression with groups; what a group finds is replaced, what is around it stays"},
    {"source", ArgumentType::kText, "", false, "extracted value to change instead of the line"},
    {"replace", ArgumentType::kText, "", false,
     "Go template of the new text, for example ***; .Value is what the group found. \"\": it is removed"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.text("expression").empty()) return fail(Errc::kInvalid, "expression is required");
  auto regex = Regex::compile(arguments.text("expression"));
  if (!regex) return fail(regex.error().within("could not compile regular expression"));
  auto replacement = GoTemplate::parse("pipeline_template", arguments.text("replace"), TemplateFunctions::kStage);
  if (!replacement) return fail(replacement.error().within("failed to compile template"));
  return std::make_unique<ReplaceStage>(*std::move(regex), *std::move(replacement), arguments.text("source"));
}

}  // namespace

const StageKind kReplaceStage = {"replace", "replaces what a regular expression finds", kArguments, build};

}  // namespace pipeline
