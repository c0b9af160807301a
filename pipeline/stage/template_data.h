// TemplateData: what a Go template sees of an entry: every extracted value as text by its name (labels of the
// beginning too), .Value and, where the stage gives it, .Entry. Only what the template looks at is looked up.
//
//   TemplateData data(compiled);                        // once, in the memory of the stage
//   data.begin(batch);                                  // per batch, and again after Batch::field() made a column
//   auto done = data.run(row, value, batch.lines[row]); // per row; data.text() has what came out
//
// Life:    refers to the template; the batch has to stay between begin() and run().
// Thread:  one at a time.
// Cost:    nothing is allocated per row unless the template reads the data as a whole.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parse/go_template.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage.h"

namespace pipeline {

class TemplateData {
 public:
  explicit TemplateData(const GoTemplate& compiled) : template_(&compiled) {}

  // Adds what `compiled` looks at to what a stage reads.
  static void add_reads(const GoTemplate& compiled, FieldNames& reads);

  void begin(Batch& batch);
  // Without a value .Value is what an extracted value of that name says, if there is one; likewise .Entry. Numbers are
  // texts here. `now` of the template is the read time.
  Result<void> run(size_t row, std::optional<std::string_view> value, std::optional<std::string_view> entry);
  const std::string& text() const { return text_; }

 private:
  TemplateValue member(size_t row, FieldReader& reader) const;
  TemplateMap* all_members(size_t row, std::optional<std::string_view> value, std::optional<std::string_view> entry);

  const GoTemplate* template_;
  Batch* batch_ = nullptr;
  std::vector<FieldReader> readers_;  // one per field of the template
  std::vector<TemplateValue> values_;
  TemplateMemory members_;  // for all_members()
  TemplateRun run_;
  std::string text_;
};

}  // namespace pipeline
