#include "agent/tried_source.h"

#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;

pipeline::Result<std::shared_ptr<const SourceOptions>> find_source(const Configuration& c, const std::string& name) {
  for (auto& source : c.sources)
    if (name.empty() || source->name == name) return source;
  std::string names;
  for (auto& source : c.sources) names += concat(names.empty() ? "" : ", ", source->name);
  return pipeline::fail(pipeline::Errc::kInvalid, concat("no source is called \"", name, "\"; there are: ", names));
}

pipeline::ReadLine relabelled(const SourceOptions& source, pipeline::ReadLine read, pipeline::DropCounts& drops,
                              pipeline::WriteText explain) {
  return [&source, read = std::move(read), &drops, explain = std::move(explain)]() -> std::optional<std::string> {
    while (auto line = read()) {
      auto entry = pipeline::parse_entry_json(*line);
      if (!entry) return line;  // the stages' test says what is wrong with it
      auto labels = source.relabel->apply(entry->labels);
      if (!labels) {
        drops.add("relabel", 1, entry->line.size());
        if (explain) explain(concat("relabel  ", entry->labels.text(), "\n   => dropped by a relabel rule\n"));
        continue;
      }
      if (explain && *labels != entry->labels)
        explain(concat("relabel  ", entry->labels.text(), "\n   => ", labels->text(), "\n"));
      std::string out;
      std::vector<pipeline::Metadata> metadata;
      for (auto& [name, value] : entry->metadata) metadata.push_back({name, value});
      pipeline::append_entry_json(out, entry->time, *labels, entry->line, metadata);
      return out;
    }
    return std::nullopt;
  };
}

}  // namespace agent
