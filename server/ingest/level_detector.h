// LevelDetector: the detected_level of an entry, by Loki's rules: from a label or a metadata pair that names a level,
// from OTLP's severity number, from such a field of a JSON or logfmt line, from the first word of the line that is a
// level; else "unknown". It is a function of stream, metadata and line alone, so copies of an entry stay equal.
//
// Thread: any (immutable). Cost: nothing allocates; a line without fields is searched 32 bytes a step.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/store/columns.h"

namespace server {

inline constexpr std::string_view kDetectedLevel = "detected_level";

class LevelDetector {
 public:
  // `fields`: names of labels and fields that hold a level, best first. `json_depth`: how deep objects may lie in a
  // line; 0 = any depth.
  LevelDetector(std::vector<std::string> fields, uint64_t json_depth);

  // The level of every entry of a stream: its first label among the fields. Nothing where it has none.
  std::optional<std::string_view> of_labels(const pipeline::LabelSet& labels) const;
  // The level that the metadata tells: its first pair among the fields, else severity_number.
  std::optional<std::string_view> of_metadata(std::span<const MetadataPair> metadata) const;
  std::string_view of_line(std::string_view line) const;

  // "warn" for "WRN" and "warning"; a text that is no level stays as it is.
  static std::string_view normalised(std::string_view text);
  // The metadata that consists of detected_level alone, for a result of of_line().
  static MetadataView as_metadata(std::string_view line_level);
  static MetadataView as_metadata(size_t level_number);  // in kLineLevels

 private:
  std::optional<size_t> rank_of(std::string_view name) const;  // exact
  std::optional<size_t> rank_ignoring_case(std::string_view name) const;
  std::string_view json_level(std::string_view line) const;
  std::string_view logfmt_level(std::string_view line) const;
  bool may_have_logfmt_level(std::string_view line) const;
  bool is_level_key(const char* begin, const char* equals) const;

  friend class JsonLevelSearch;

  const std::vector<std::string> fields_;
  const uint64_t json_depth_;
  std::array<bool, 256> last_bytes_{};  // with which fields end, in either case
  size_t shortest_ = SIZE_MAX, longest_ = 0;
};

}  // namespace server
