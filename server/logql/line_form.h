// LineForm: the templates of line_format that only place fields: "{{.method}} took {{ .took }}". Spaces inside the
// braces and the trim markers {{- and -}} are fine.
//
// Thread: any (immutable). Errors: kInvalid for every other template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/entry_labels.h"

namespace server {

class LineForm {
 public:
  static pipeline::Result<LineForm> compile(std::string_view form);

  std::vector<std::string> fields() const;
  // Appends the line; a field that is missing is empty. __error__ and __error_details__ are fields too.
  void append(std::string& out, const EntryLabels& labels) const;

 private:
  struct Piece {
    std::string text;
    bool is_field = false;
  };
  std::vector<Piece> pieces_;
};

}  // namespace server
