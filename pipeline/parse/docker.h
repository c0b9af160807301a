// Docker's json-file lines: {"log":"text\n","stream":"stdout","time":"2026-11-01T10:00:00.000000001Z"}
// (agent.md 5.3, 11.7). Thread: any.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/model/batch.h"
#include "pipeline/parse/json.h"

namespace pipeline {

struct DockerLine {
  std::string_view log, stream, time;  // views into the line or the arena; bad UTF-8 is U+FFFD
};

// One owner: it keeps its scratch space.
class DockerParser {
 public:
  // False: no object, no non-empty text `log`, a member of another type, or text behind the object. Keys in any case.
  bool parse(std::string_view line, Arena& arena, DockerLine& out);

 private:
  std::vector<JsonMember> members_;
};

}  // namespace pipeline
