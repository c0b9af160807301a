// The stage `pack` (agent.md 5.11, 11.13): puts labels and the line into one JSON object, which LogQL's `unpack`
// undoes.
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

// As Go writes it for browsers: <, >, & and the line separators escaped, what is not UTF-8 as \ufffd.
void append_html_safe_json(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t before = at;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const uint32_t character = take_utf8(text, at);
      if (character == 0x2028 || character == 0x2029) {
        out.append("\\u202").append(1, kHex[character & 15]);
      } else if (character == 0xFFFD && text.substr(before, at - before) != "\xEF\xBF\xBD") {
        out += "\\ufffd";
      } else {
        out += text.substr(before, at - before);
      }
      continue;
    }
    ++at;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (c >= 0x20 && c != '<' && c != '>' && c != '&') {
          out += static_cast<char>(c);
        } else {
          out.append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
        }
    }
  }
  out += '"';
}

struct PackMemory final : StageMemory {
  std::string packed;
};

class PackStage final : public Stage {
 public:
  PackStage(std::vector<std::string> names, bool takes_read_time)
      : names_(std::move(names)), takes_read_time_(takes_read_time) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<PackMemory>(); }
  void add_reads(FieldNames& reads) const override { reads.names.insert(names_.begin(), names_.end()); }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    std::string& packed = static_cast<PackMemory&>(stage_memory).packed;
    LabelTable& table = *batch.label_sets;
    std::vector<FieldReader> readers;
    for (const std::string& name : names_) readers.emplace_back(batch, name);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      packed = "{";
      for (size_t k = 0; k < names_.size(); ++k) {
        auto value = field_text(readers[k].at(i), batch.arena);
        if (!value) continue;
        append_html_safe_json(packed, names_[k]);
        packed += ':';
        append_html_safe_json(packed, *value);
        packed += ',';
        if (table.at(batch.labels[i]).get(names_[k])) batch.labels[i] = table.without(batch.labels[i], names_[k]);
      }
      packed += "\"_entry\":";
      append_html_safe_json(packed, batch.lines[i]);
      packed += '}';
      batch.lines[i] = batch.arena.copy(packed);
      if (takes_read_time_) batch.times[i] = batch.read_time(i);
    }
  }

 private:
  const std::vector<std::string> names_;  // sorted
  const bool takes_read_time_;
};

constexpr StageArgument kArguments[] = {
    {"labels", ArgumentType::kTexts, "", true,
     "extracted values and labels to put into the line; as labels they are removed"},
    {"ingest_timestamp", ArgumentType::kBoolean, "true", false,
     "give the entry the time at which it was read, as entries of many streams become one stream"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  std::vector<std::string> names = arguments.texts("labels");
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return std::make_unique<PackStage>(std::move(names), arguments.boolean("ingest_timestamp"));
}

}  // namespace

const StageKind kPackStage = {"pack", "puts labels and the line into one JSON object", kArguments, build};

}  // namespace pipeline
