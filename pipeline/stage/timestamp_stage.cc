// The stage `timestamp` (agent.md 5.10, 11.12): an extracted value becomes the time of the entry.
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/parse/go_time.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr size_t kMaxStreams = 10000;  // as upstream

struct TimestampOptions {
  std::string source;
  std::vector<TimeFormat> formats;  // in the order in which they are tried
  bool fudge_failure = true, fudge_duplicate = true;
};

// The last times of each stream, by its labels as text. The streams used least recently are forgotten first.
class LastTimes {
 public:
  struct Times {
    std::optional<UnixNanos> parsed;  // as the text said
    UnixNanos given = 0;              // as the entry got it
  };

  Times* find(const std::string& labels) {
    auto found = by_labels_.find(labels);
    if (found == by_labels_.end()) return nullptr;
    streams_.splice(streams_.begin(), streams_, found->second);
    return &found->second->times;
  }
  Times& find_or_add(const std::string& labels) {
    if (Times* times = find(labels)) return *times;
    if (streams_.size() >= kMaxStreams) {
      by_labels_.erase(streams_.back().labels);
      streams_.pop_back();
    }
    streams_.push_front({labels, {}});
    by_labels_.emplace(streams_.front().labels, streams_.begin());
    return streams_.front().times;
  }

 private:
  struct Stream {
    std::string labels;
    Times times;
  };
  std::list<Stream> streams_;                                                    // the one used last first
  std::unordered_map<std::string_view, std::list<Stream>::iterator> by_labels_;  // views into streams_
};

struct TimestampMemory final : StageMemory {
  LastTimes last;
};

class TimestampStage final : public Stage {
 public:
  explicit TimestampStage(TimestampOptions options) : options_(std::move(options)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<TimestampMemory>(); }
  void add_reads(FieldNames& reads) const override { reads.names.insert(options_.source); }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    LastTimes& last = static_cast<TimestampMemory&>(stage_memory).last;
    FieldReader reader(batch, options_.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto text = field_text(reader.at(i), batch.arena);
      auto time = text ? parse(*text, batch.read_time(i)) : std::nullopt;
      const std::string& labels = batch.label_sets->text(batch.labels[i]);
      if (time) {
        batch.times[i] = given_time(*time, labels, last);
      } else if (options_.fudge_failure) {
        if (LastTimes::Times* times = last.find(labels)) batch.times[i] = ++times->given;
      }
    }
  }

 private:
  std::optional<UnixNanos> parse(std::string_view text, UnixNanos now) const {
    for (const TimeFormat& format : options_.formats) {
      if (auto time = format.parse(text, now)) return *time;
    }
    return std::nullopt;
  }

  UnixNanos given_time(UnixNanos time, const std::string& labels, LastTimes& last) const {
    if (!options_.fudge_failure && !options_.fudge_duplicate) return time;
    LastTimes::Times& times = last.find_or_add(labels);
    bool again = options_.fudge_duplicate && times.parsed == time;
    times.given = again ? times.given + 1 : time;
    times.parsed = time;
    return times.given;
  }

  const TimestampOptions options_;
};

constexpr StageArgument kArguments[] = {
    {"source", ArgumentType::kText, "", true, "extracted value"},
    {"format", ArgumentType::kText, "", true,
     "RFC3339Nano, Unix, UnixMs, ... or a Go layout such as \"2006-01-02 15:04:05\""},
    {"fallback_formats", ArgumentType::kTexts, "", false, "tried in order when format does not fit"},
    {"location", ArgumentType::kText, "", false, "zone of texts without one, for Go layouts, e.g. Europe/Berlin"},
    {"action_on_failure", ArgumentType::kText, "fudge", false,
     "fudge: 1 ns after the last one of the stream; skip: keep the time"},
    {"action_on_duplicate_timestamp", ArgumentType::kText, "fudge", false,
     "fudge: 1 ns after the last one; keep: leave equal times equal"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  TimestampOptions options;
  options.source = arguments.text("source");
  if (options.source.empty()) {
    return fail(Errc::kInvalid, "timestamp source value is required if timestamp is specified");
  }
  if (arguments.text("format").empty()) return fail(Errc::kInvalid, "timestamp format is required");
  auto zone = TimeZone::load(arguments.text("location"));
  if (!zone) return fail(Errc::kInvalid, concat("invalid location specified: %v: ", zone.error().message));
  const std::string& failure = arguments.text("action_on_failure");
  if (!failure.empty() && failure != "fudge" && failure != "skip") {
    return fail(Errc::kInvalid, "invalid action on failure (supported values are [skip fudge])");
  }
  const std::string& duplicate = arguments.text("action_on_duplicate_timestamp");
  if (!duplicate.empty() && duplicate != "fudge" && duplicate != "keep") {
    return fail(Errc::kInvalid, "invalid action on duplicate timestamp (supported values are [keep fudge])");
  }
  options.fudge_failure = failure != "skip";
  options.fudge_duplicate = duplicate != "keep";
  options.formats.push_back(TimeFormat::create(arguments.text("format"), *zone));
  for (const std::string& format : arguments.texts("fallback_formats")) {
    options.formats.push_back(TimeFormat::create(format, *zone));
  }
  return std::make_unique<TimestampStage>(std::move(options));
}

}  // namespace

const StageKind kTimestampStage = {"timestamp", "takes the time of the entry from an extracted value", kArguments,
                                   build};

}  // namespace pipeline
