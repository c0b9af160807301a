// What `skidway-agent test` does, apart from the command line: JSON lines in, JSON lines out.
//
// `in` and `out` are called until the end; every function works line by line and stops at the first fault (kInvalid).
// Thread: any one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/relabel.h"
#include "pipeline/parse/go_template.h"
#include "pipeline/stage/entry_json.h"
#include "pipeline/stage/stage_list.h"

namespace pipeline {

using ReadLine = std::function<std::optional<std::string>()>;  // without the newline; nothing: the end
using WriteText = std::function<void(std::string_view)>;

// Appends an entry that was read as line `number` at `now`.
void add_test_entry(Batch& batch, const JsonEntry& entry, uint64_t number, UnixNanos now);

// Entries through the stages. `now` is the read time of all. What stages hold back until more lines or time come is
// handed on at the end, but for open partial CRI lines: those are dropped, as upstream does.
Result<void> test_stages(const StageList& stages, UnixNanos now, const ReadLine& in, const WriteText& out,
                         DropCounts& drops);
// Their counts in the Prometheus text form, under Alloy's names: what --metrics prints behind the line `# metrics`.
std::string stage_metrics_text(const StageList& stages, UnixNanos now, const DropCounts& drops);
// {"labels":{...}} -> {"labels":{...}} or {"dropped":true}.
Result<void> test_relabel(const RelabelRules& rules, const ReadLine& in, const WriteText& out);
// Paths -> those that match a pattern and no exclusion.
Result<void> test_glob(const std::vector<std::string>& patterns, const std::vector<std::string>& exclude,
                       const ReadLine& in, const WriteText& out);
// Values -> Unix nanoseconds or `error`. `layout` is a name, a numeric form or a Go layout; `location` a zone's name.
Result<void> test_time(const std::string& layout, const std::string& location, UnixNanos now, const ReadLine& in,
                       const WriteText& out);
// JSON objects -> {"text":...} or {"error":...}: a Go template run on each. Numbers without fraction and exponent are
// int.
Result<void> test_template(const std::string& text, TemplateFunctions functions, UnixNanos now, const ReadLine& in,
                           const WriteText& out);

}  // namespace pipeline
