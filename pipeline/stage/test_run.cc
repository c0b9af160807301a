#include "pipeline/stage/test_run.h"

#include <algorithm>
#include <limits>

#include "pipeline/match/glob.h"
#include "pipeline/parse/go_time.h"
#include "pipeline/stage/entry_json.h"

namespace pipeline {

namespace {

constexpr size_t kBatchLines = 1000;

void write_batch(const Batch& batch, const WriteText& out) {
  std::string text;
  for (size_t i = 0; i < batch.size(); ++i) {
    append_entry_json(text, batch.times[i], batch.label_sets->at(batch.labels[i]), batch.lines[i], batch.metadata(i));
  }
  if (!text.empty()) out(text);
}

}  // namespace

void add_test_entry(Batch& batch, const JsonEntry& entry, uint64_t number, UnixNanos now) {
  LabelTable::Id labels = batch.label_sets->intern(entry.labels);
  batch.add(batch.arena.copy(entry.line), entry.time == 0 ? now : entry.time, labels,
            {.begin = number, .end = number + 1, .read_time = now});
  for (const auto& [name, value] : entry.metadata)
    batch.mutable_metadata(batch.size() - 1).push_back({batch.arena.copy(name), batch.arena.copy(value)});
}

Result<void> test_stages(const StageList& stages, UnixNanos now, const ReadLine& in, const WriteText& out,
                         DropCounts& drops) {
  LabelTable table;
  Batch batch(table);
  auto state = stages.make_state();
  uint64_t number = 0;
  for (bool more = true; more;) {
    std::vector<JsonEntry> entries;
    while (entries.size() < kBatchLines) {
      auto line = in();
      more = line.has_value();
      if (!more) break;
      ++number;
      if (line->empty()) continue;
      auto entry = parse_entry_json(*line);
      if (!entry) return fail(entry.error().within(concat("line ", number)));
      entries.push_back(*std::move(entry));
    }
    batch.clear();
    for (size_t i = 0; i < entries.size(); ++i) add_test_entry(batch, entries[i], number - entries.size() + i, now);
    stages.process(batch, *state, drops);
    write_batch(batch, out);
  }
  batch.clear();
  stages.expire(batch, *state, std::numeric_limits<UnixNanos>::max(), drops);
  write_batch(batch, out);
  return {};
}

Result<void> test_relabel(const RelabelRules& rules, const ReadLine& in, const WriteText& out) {
  while (auto line = in()) {
    if (line->empty()) continue;
    TRY_LET(LabelSet labels, parse_labels_json(*line));
    auto changed = rules.apply(labels);
    std::string text;
    if (changed) append_labels_json(text, *changed);
    out(changed ? text : "{\"dropped\":true}\n");
  }
  return {};
}

Result<void> test_glob(const std::vector<std::string>& patterns, const std::vector<std::string>& exclude,
                       const ReadLine& in, const WriteText& out) {
  auto compile = [](const std::vector<std::string>& texts) -> Result<std::vector<Glob>> {
    std::vector<Glob> globs;
    for (const std::string& text : texts) {
      TRY_LET(Glob glob, Glob::compile(text));
      globs.push_back(std::move(glob));
    }
    return globs;
  };
  TRY_LET(auto wanted, compile(patterns));
  TRY_LET(auto unwanted, compile(exclude));
  while (auto path = in()) {
    auto matches = [&](const Glob& glob) { return glob.matches(*path); };
    auto fits = [&](const Glob& glob) { return glob.fits(*path); };
    if (path->empty() || std::none_of(wanted.begin(), wanted.end(), matches)) continue;
    if (std::none_of(unwanted.begin(), unwanted.end(), fits)) out(concat(*path, "\n"));
  }
  return {};
}

Result<void> test_time(const std::string& layout, const std::string& location, UnixNanos now, const ReadLine& in,
                       const WriteText& out) {
  TRY_LET(TimeZone zone, TimeZone::load(location));
  TimeFormat format = TimeFormat::create(layout, zone);
  while (auto text = in()) {
    auto time = format.parse(*text, now);
    out(time ? concat(*time, "\n") : "error\n");
  }
  return {};
}

Result<void> test_template(const std::string& text, TemplateFunctions functions, UnixNanos now, const ReadLine& in,
                           const WriteText& out) {
  TRY_LET(GoTemplate compiled, GoTemplate::parse("test", text, functions));
  TemplateRun run;
  TemplateMemory memory;
  while (auto line = in()) {
    if (line->empty()) continue;
    auto json = check_json(*line);
    if (!json || json->kind != JsonKind::kObject) return fail(Errc::kInvalid, "the data is no JSON object: " + *line);
    memory.clear(run.limits().memory_bytes);
    TRY_LET(TemplateValue data, value_of_json(*json, memory, true));
    std::vector<TemplateValue> fields;
    for (const std::string& name : compiled.fields()) {
      const TemplateValue* found = data.as_map().find(name);
      fields.push_back(found != nullptr ? *found : TemplateValue());
    }
    std::string result, answer;
    auto outcome = compiled.run({.fields = fields, .all = &data.as_map(), .now = now, .timestamp = now}, run, result);
    answer = outcome ? "{\"text\":" : "{\"error\":";
    append_json(answer, TemplateValue::text(outcome ? result : outcome.error().message), false);
    out(answer + "}\n");
  }
  return {};
}

std::string stage_metrics_text(const StageList& stages, UnixNanos now, const DropCounts& drops) {
  MetricPage page;
  for (const DropCounts::Count& count : drops.counts()) {
    page.add("loki_process_dropped_lines_total", "Lines dropped by stages, by reason.", MetricType::kCounter,
             {{"reason", count.reason}}, count.lines);
  }
  page.add("loki_process_cri_partial_lines_flushed_total", "CRI partial lines passed on before their end.",
           MetricType::kCounter, {}, drops.cri_partials_flushed);
  page.add("loki_process_cri_lines_truncated_total", "CRI lines cut to max_partial_line_size.", MetricType::kCounter,
           {}, drops.cri_lines_truncated);
  stages.append_metrics(page, now);
  return page.text();
}

}  // namespace pipeline
