#include "server/query/pattern_query.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "pipeline/base/hash.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/page_conditions.h"
#include "server/logql/parser.h"
#include "server/patterns/pattern_codec.h"
#include "server/query/hidden_rows.h"
#include "server/query/scan.h"

namespace server {

using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr size_t kMaxLevels = 20;            // more are unknown
constexpr size_t kMaxNoteBytes = 256 << 10;  // larger ones are mined anew
constexpr std::string_view kUnknown = "unknown";

UnixNanos floor_to(UnixNanos time, UnixNanos step) {
  const UnixNanos rest = time % step;
  return time - (rest < 0 ? rest + step : rest);
}

using Miners = std::map<std::string, TemplateMiner, std::less<>>;  // by level

TemplateMiner& miner_of(Miners& miners, std::string_view level) {
  auto at = miners.find(level);
  if (at != miners.end()) return at->second;
  if (miners.size() >= kMaxLevels) level = kUnknown;
  return miners[std::string(level)];
}

// What one thread finds.
class PatternPart final : public ScanPart {
 public:
  PatternPart(const LogPipeline& pipeline, const Selection& selection, bool has_stages, uint64_t weight)
      : pipeline_(pipeline),
        selection_(selection),
        has_stages_(has_stages),
        weight_(weight),
        run_(pipeline, labels_, LeadingFilters::kDone),
        hidden_(selection) {}

  Result<void> page(size_t part, PageCursor& cursor) override {
    const StoredPart& stored = selection_.stored[part];
    if (!pipeline_.leading().empty()) {
      TRY_LET(std::string_view text, cursor.text());
      if (!pipeline_.leading().may_match(text)) return {};
    }
    TRY_LET(EntrySlice entries, cursor.entries());
    TRY_LET(hidden_now_, hidden_.of_page(part, cursor));
    for (const PageRun& run : stored.object->runs(cursor.page())) {
      if (!stored.streams.contains(run.stream)) continue;
      stats.store_lines += run.rows;
      add_run(stored.object->labels(stored.object->streams()[run.stream]),
              entries.slice(run.first_row, run.first_row + run.rows), run.first_row);
    }
    return {};
  }
  void head(size_t part) override {
    const HeadPart& head = selection_.head[part];
    stats.head_lines += head.entries.size();
    hidden_now_ = {};
    add_run(head.stream->labels(), head.entries, 0);
  }
  Result<void> check() override { return {}; }

  const Miners& miners() const { return miners_; }

 private:
  // `first_row`: that of the page with which `entries` begin.
  void add_run(const LabelSet& labels, const EntrySlice& entries, uint32_t first_row) {
    first_row_ = first_row;
    run_.begin_stream(labels);
    stream_level_ = labels.get("detected_level").value_or(labels.get("level").value_or(kUnknown));
    if (pipeline_.leading().empty()) {
      for (size_t i = 0; i < entries.size(); ++i) add_entry(entries, i, i);
      return;
    }
    rows_.clear();
    const uint32_t begin = entries.offsets.front(), end = entries.offsets.back();
    pipeline_.leading().select({entries.text, end}, entries.offsets.subspan(1), rows_, begin);
    for (size_t i = 0; i < rows_.size(); ++i) add_entry(entries, rows_[i], i);
  }

  // `before`: so many of the run have been added.
  void add_entry(const EntrySlice& entries, size_t i, size_t before) {
    if (before % QueryTurn::kRowsUntilPause == 0) turn->pause();
    if (!hidden_now_.empty() && std::binary_search(hidden_now_.begin(), hidden_now_.end(), first_row_ + i)) return;
    std::string_view line = entries.line(i);
    const MetadataView metadata = entries.metadata(i);
    if (has_stages_) {
      if (!run_.process(entries.time(i), line, metadata)) return;
      line = run_.line();
    }
    const std::string_view level = metadata.find("detected_level").value_or(stream_level_);
    if (miner_ == nullptr || level != level_) {
      miner_ = &miner_of(miners_, level);
      level_ = level;
    }
    miner_->add(line, floor_to(entries.time(i), kPatternResolution), weight_);
  }

  const LogPipeline& pipeline_;
  const Selection& selection_;
  const bool has_stages_;
  const uint64_t weight_;
  LabelResults labels_;
  PipelineRun run_;
  HiddenRows hidden_;
  std::span<const uint32_t> hidden_now_;  // of the page
  uint32_t first_row_ = 0;
  Miners miners_;
  TemplateMiner* miner_ = nullptr;  // of level_
  std::string level_;
  std::string_view stream_level_;
  std::vector<uint32_t> rows_;
};

void join(Miners& into, std::string_view level, const std::vector<MinedTemplate>& templates) {
  TemplateMiner& miner = miner_of(into, level);
  for (const MinedTemplate& one : templates)
    for (const auto& [bucket, count] : one.counts) miner.add(one.text, bucket, count);
}

MinedLevels finish(const Miners& miners) {
  MinedLevels levels;
  for (const auto& [level, miner] : miners) levels[level] = miner.templates();
  return levels;
}

std::string text_of(const LogExpr& expr) {
  std::string text = selector_text(expr.selector);
  for (const Stage& stage : expr.stages) text += pipeline::concat(" ", stage_text(stage));
  return text;
}

class PatternRun {
 public:
  PatternRun(const LogExpr& expr, const LogPipeline& pipeline, const PatternWindow& window, PatternNotes& notes,
             QueryContext& context)
      : expr_(expr), pipeline_(pipeline), window_(window), notes_(notes), context_(context), kind_(kind()) {}

  Result<std::vector<PatternSeries>> run(Selection selection) {
    erasures_ = selection.erasures;
    for (StoredPart& part : selection.stored) {
      TRY_LET(MinedLevels levels, of_object(std::move(part)));
      take(levels);
    }
    selection.stored.clear();
    TRY_LET(MinedLevels levels, mine(selection, 1));
    take(levels);
    return series();
  }

 private:
  // What was asked of an object. The tenant is part of it: an object holds several.
  std::string kind() const {
    const pipeline::Hash128 hash = pipeline::hash128(pipeline::concat(context_.tenant, "\n", text_of(expr_)));
    char text[48];
    std::snprintf(text, sizeof text, "patterns 1 %016llx%016llx", static_cast<unsigned long long>(hash.high),
                  static_cast<unsigned long long>(hash.low));
    return text;
  }

  Result<MinedLevels> of_object(StoredPart part) {
    const Ulid object = part.object->summary().object;
    const bool hides = part.hides;  // a note would tell of what exists no more
    if (auto note = hides ? std::nullopt : notes_.find(object, kind_)) {
      if (auto levels = decode_patterns(*note)) return *std::move(levels);
    }
    const size_t warnings = context_.warnings.size();
    Selection whole{INT64_MIN, INT64_MAX, erasures_, {}, {}};
    part.pages = part.object->pages_of(part.streams, INT64_MIN, INT64_MAX);
    const uint64_t weight = thin_out(part);
    whole.stored.push_back(std::move(part));
    TRY_LET(MinedLevels levels, mine(whole, weight));
    std::string bytes = encode_patterns(levels);
    if (!hides && bytes.size() <= kMaxNoteBytes && context_.warnings.size() == warnings)
      notes_.keep(object, kind_, bytes);
    return levels;
  }

  // Leaves every n-th page, and says n.
  static uint64_t thin_out(StoredPart& part) {
    uint64_t bytes = 0;
    for (uint32_t page : part.pages) bytes += part.object->pages()[page].text_bytes;
    const uint64_t every = bytes / kMinedBytes + 1;
    size_t left = 0;
    for (size_t i = 0; i < part.pages.size(); i += every) part.pages[left++] = part.pages[i];
    part.pages.resize(left);
    return every;
  }

  Result<MinedLevels> mine(Selection& selection, uint64_t weight) {
    TRY_LET(ScanParts parts, scan(selection, context_, [&] {
              return std::make_unique<PatternPart>(pipeline_, selection, !expr_.stages.empty(), weight);
            }));
    Miners joined;
    for (const auto& part : parts) {
      const Miners& miners = static_cast<const PatternPart&>(*part).miners();
      if (parts.size() == 1) return finish(miners);
      for (const auto& [level, miner] : miners) join(joined, level, miner.templates());
    }
    return finish(joined);
  }

  // Adds what lies in the window, step by step.
  void take(const MinedLevels& levels) {
    for (const auto& [level, templates] : levels) {
      TemplateMiner& miner = miner_of(all_, level);
      for (const MinedTemplate& one : templates) {
        for (const auto& [bucket, count] : one.counts) {
          if (bucket >= floor_to(window_.start, kPatternResolution) && bucket < window_.end)
            miner.add(one.text, floor_to(bucket, window_.step), count);
        }
      }
    }
  }

  std::vector<PatternSeries> series() const {
    std::vector<std::pair<uint64_t, PatternSeries>> ranked;
    for (const auto& [level, miner] : all_) {
      for (MinedTemplate& one : miner.templates()) {
        const uint64_t total = one.total();
        ranked.push_back({total, {std::move(one.text), level, {one.counts.begin(), one.counts.end()}}});
      }
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    if (ranked.size() > kMaxPatterns) ranked.resize(kMaxPatterns);
    std::vector<PatternSeries> out;
    for (auto& [total, one] : ranked) out.push_back(std::move(one));
    return out;
  }

  const LogExpr& expr_;
  const LogPipeline& pipeline_;
  const PatternWindow& window_;
  PatternNotes& notes_;
  QueryContext& context_;
  const std::string kind_;
  Miners all_;
  std::shared_ptr<const TenantErasures> erasures_;
};

}  // namespace

Result<std::vector<PatternSeries>> find_patterns(const LogExpr& expr, const PatternWindow& window, PatternNotes& notes,
                                                 QueryContext& context) {
  TRY_LET(LogPipeline pipeline, LogPipeline::compile(expr.stages));
  std::vector<pipeline::Matcher> matchers = compile_selector(expr.selector);
  Selection selection =
      select_parts(context, matchers, window.start, window.end, page_conditions(expr.stages, pipeline));
  return PatternRun(expr, pipeline, window, notes, context).run(std::move(selection));
}

}  // namespace server
