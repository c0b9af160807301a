// The stages eventlogmessage and windowsevent (agent.md 5.20): keys and values of the messages of Windows' event log.
//
// Unlike other stages they drop an entry whose source is there but is no text (a JSON null), uncounted, as upstream.
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "pipeline/model/label_set.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct EventOptions {
  std::string source;
  bool drop_invalid = false, overwrite = false;
};

struct EventMemory final : StageMemory {
  std::vector<uint8_t> keep;
};

constexpr std::string_view kLineEnd = "\r\n";

// Calls `each` for the parts of `text` between `separator`s.
template <class Each>
void for_each_part(std::string_view text, std::string_view separator, Each each) {
  while (true) {
    const size_t end = text.find(separator);
    each(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + separator.size());
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string without(std::string_view text, std::string_view characters) {
  std::string out;
  for (char c : text) {
    if (characters.find(c) == std::string_view::npos) out += c;
  }
  return out;
}

// Every character that a label name may not have becomes _.
std::string label_name(std::string_view key) {
  std::string out;
  for (size_t at = 0; at < key.size();) {
    const bool first = at == 0;
    const uint32_t c = take_utf8(key, at);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out += letter || (c >= '0' && c <= '9' && !first) ? static_cast<char>(c) : '_';
  }
  return out.empty() ? "_" : out;
}

class EventStage : public Stage {
 public:
  explicit EventStage(EventOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<EventMemory>(); }
  void add_reads(FieldNames& reads) const override {
    reads.names.insert(options_.source);
    reads.all = true;  // a key that is there already decides about the name of the new one
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    std::vector<uint8_t>& keep = static_cast<EventMemory&>(stage_memory).keep;
    keep.assign(batch.size(), 1);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      const FieldValue value = batch.value(i, options_.source);
      if (value.kind == FieldValue::Kind::kAbsent) continue;
      auto text = field_text(value, batch.arena);
      keep[i] = text.has_value();
      if (text) read(batch, i, *text);
    }
    batch.retain(keep);
  }

 protected:
  const EventOptions& options() const { return options_; }

  // Sets the extracted value `key` unless the value is no text that a label may have.
  void put(Batch& batch, size_t row, std::string key, std::string_view value) const {
    if (!is_valid_utf8(value)) return;
    const bool is_there = batch.value(row, key).kind != FieldValue::Kind::kAbsent;
    if (is_there && !options_.overwrite) key += "_extracted";
    batch.set_value(row, key, text_field(batch.arena.copy(value)));
  }

 private:
  virtual void read(Batch& batch, size_t row, std::string_view message) const = 0;
  const EventOptions options_;
};

// `key: value` lines.
class EventLogMessageStage final : public EventStage {
  using EventStage::EventStage;

  void read(Batch& batch, size_t row, std::string_view message) const override {
    for_each_part(message, kLineEnd, [&](std::string_view line) {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) return;
      std::string key(line.substr(0, colon));
      if (!is_label_name(key)) {
        if (options().drop_invalid) return;
        key = label_name(key);
      }
      put(batch, row, std::move(key), trimmed(line.substr(colon + 1)));
    });
  }
};

// Sections with empty lines between them: the first is a description, the title of another stands before its keys.
class WindowsEventStage final : public EventStage {
  using EventStage::EventStage;

  void read(Batch& batch, size_t row, std::string_view message) const override {
    bool is_first = true;
    for_each_part(message, "\r\n\r\n", [&](std::string_view section) {
      if (is_first) {
        put_clean(batch, row, "Description", section);
      } else {
        read_section(batch, row, section);
      }
      is_first = false;
    });
  }

  void read_section(Batch& batch, size_t row, std::string_view section) const {
    std::vector<std::string_view> lines;
    for_each_part(section, kLineEnd, [&](std::string_view line) { lines.push_back(line); });
    std::string title;
    for (size_t k = 0; k < lines.size();) {
      const std::string_view line = lines[k++];
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      std::string_view key = line.substr(0, colon);
      std::string value(line.substr(colon + 1));
      if (value.empty()) {
        if (k == 1) title = key;
        continue;
      }
      for (; k < lines.size() && !lines[k].empty() && lines[k].find(':') == std::string_view::npos; ++k) {
        value += concat(",", lines[k]);
      }
      put_clean(batch, row, title.empty() ? std::string(key) : concat(title, "_", key), value);
    }
  }

  void put_clean(Batch& batch, size_t row, std::string_view key, std::string_view value) const {
    std::string name = without(key, "\t\r\n ");
    if (name.empty() || !is_valid_utf8(name)) {
      if (options().drop_invalid) return;
      name = label_name(name);
    }
    put(batch, row, std::move(name), trimmed(without(value, "\t\r\n")));
  }
};

constexpr StageArgument kArguments[] = {
    {"source", ArgumentType::kText, "message", false, "extracted value that is the message"},
    {"drop_invalid_labels", ArgumentType::kBoolean, "false", false,
     "leave out keys that are no label names; otherwise they are made ones"},
    {"overwrite_existing", ArgumentType::kBoolean, "false", false,
     "replace an extracted value of the same name; otherwise the new one is called <name>_extracted"}};

EventOptions read_options(const StageArguments& arguments) {
  return {.source = arguments.text("source"),
          .drop_invalid = arguments.boolean("drop_invalid_labels"),
          .overwrite = arguments.boolean("overwrite_existing")};
}

Result<std::unique_ptr<Stage>> build_event_log_message(const StageArguments& arguments) {
  EventOptions options = read_options(arguments);
  if (!is_label_name(options.source)) return fail(Errc::kInvalid, concat("invalid label name: ", options.source));
  return std::make_unique<EventLogMessageStage>(std::move(options));
}

Result<std::unique_ptr<Stage>> build_windows_event(const StageArguments& arguments) {
  EventOptions options = read_options(arguments);
  if (options.source.empty() || !is_valid_utf8(options.source)) {
    return fail(Errc::kInvalid, concat("invalid label name: ", options.source));
  }
  return std::make_unique<WindowsEventStage>(std::move(options));
}

}  // namespace

const StageKind kEventLogMessageStage = {"eventlogmessage",
                                         "extracts the `key: value` lines of a Windows event message", kArguments,
                                         build_event_log_message};
const StageKind kWindowsEventStage = {"windowsevent", "extracts the sections of a Windows event message", kArguments,
                                      build_windows_event};

}  // namespace pipeline
