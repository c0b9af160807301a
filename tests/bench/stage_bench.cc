// How fast stages do blocks in memory, on one core: line split and batch included, reading and sending not.
//
//   stage_bench [SECONDS PER ROW [ROW]...]      a row is named by its first word
//
// Each row says what must come out of it; a wrong outcome ends the program.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/concat.h"
#include "tests/bench/speed_table.h"
#include "tests/bench/stage_run.h"

namespace {

using namespace bench;
using pipeline::Batch;
using pipeline::FieldValue;

struct Row {
  std::string_view name;
  std::string_view toml;
  std::function<std::string(BlockCorpus&)> line;
  std::function<bool(const Batch&)> is_right;
};

bool every_line(const Batch& batch, const std::function<bool(size_t)>& holds) {
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!holds(i)) return false;
  }
  return !batch.empty();
}

bool has_labels(const Batch& batch, std::string_view name) {
  return every_line(batch, [&](size_t i) { return batch.label_sets->at(batch.labels[i]).get(name).has_value(); });
}

bool has_fields(const Batch& batch, size_t count) {
  auto in_all = [&](const pipeline::FieldColumn& column) {
    return every_line(batch, [&](size_t i) { return column.values[i].kind != FieldValue::Kind::kAbsent; });
  };
  size_t found = 0;
  for (size_t f = 0; f < std::min(count, batch.fields().size()); ++f)
    found += static_cast<size_t>(in_all(batch.fields()[f]));
  return found == count;
}

bool contains(const Batch& batch, std::string_view text) {
  auto in_line = [&](std::string_view line) { return line.find(text) != std::string_view::npos; };
  return std::any_of(batch.lines.begin(), batch.lines.end(), in_line);
}

std::vector<Row> rows() {
  return {
      {"cri: time, stream and text of 138 bytes", "[[stage]]\ntype = 'cri'\n",
       [](BlockCorpus& c) { return c.cri(c.text_line()); }, [](const Batch& b) { return has_labels(b, "stream"); }},
      {"regex: 11 fields of an access log", R"re([[stage]]
type = 'regex'
expression = '^(?P<ip>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]+)" (?P<status>\d+) (?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)re",
       [](BlockCorpus& c) { return c.access_line(); }, [](const Batch& b) { return has_fields(b, 11); }},
      {"json: 3 fields, one to a label, two to metadata", R"([[stage]]
type = 'json'
expressions = { level = '', status = 'status_code', host = '' }
[[stage]]
type = 'labels'
values = { level = '' }
[[stage]]
type = 'structured_metadata'
values = { status = '', host = '' }
)",
       [](BlockCorpus& c) { return c.json_line(); },
       [](const Batch& b) {
         return has_labels(b, "level") && every_line(b, [&](size_t i) { return b.metadata(i).size() == 2; });
       }},
      {"logfmt: 3 fields, one to a label, two to metadata", R"([[stage]]
type = 'logfmt'
mapping = { level = '', status = '', path = '' }
[[stage]]
type = 'labels'
values = { level = '' }
[[stage]]
type = 'structured_metadata'
values = { status = '', path = '' }
)",
       [](BlockCorpus& c) { return c.logfmt_line(); },
       [](const Batch& b) {
         return has_labels(b, "level") && every_line(b, [&](size_t i) { return b.metadata(i).size() == 2; });
       }},
      {"template: one field and a text", R"([[stage]]
type = 'template'
source = 'out'
template = '{{ .pod }}: {{ .Entry }}'
[[stage]]
type = 'output'
source = 'out'
)",
       [](BlockCorpus& c) { return c.text_line(); }, [](const Batch& b) { return contains(b, "b: "); }},
      {"template with a function and a branch", R"([[stage]]
type = 'template'
source = 'namespace'
template = '{{ if eq .Value "b" }}x{{ else }}{{ .Value | ToUpper }}{{ end }}'
[[stage]]
type = 'labels'
values = { namespace = '' }
)",
       [](BlockCorpus& c) { return c.text_line(); }, [](const Batch& b) { return has_labels(b, "namespace"); }},
      {"level: regex without an anchor, then a label", R"re([[stage]]
type = 'regex'
expression = '(?P<level>[A-Z]+) request (?P<id>\d+)'
[[stage]]
type = 'labels'
values = { level = '' }
)re",
       [](BlockCorpus& c) { return c.text_line(); }, [](const Batch& b) { return has_labels(b, "level"); }},
      {"multiline: stack traces, one entry in four", R"re([[stage]]
type = 'multiline'
firstline = '^\d{4}-\d{2}-\d{2} '
)re",
       [](BlockCorpus& c) { return c.stack_trace(); },
       [](const Batch& b) { return contains(b, "ERROR") && contains(b, "\tat "); }},
      {"multiline behind cri: stack traces", R"re([[stage]]
type = 'cri'
[[stage]]
type = 'multiline'
firstline = '^\d{4}-\d{2}-\d{2} '
)re",
       [](BlockCorpus& c) { return c.cri_trace(); },
       [](const Batch& b) { return contains(b, "ERROR") && contains(b, "\n\tat "); }},
      {"metrics: a counter and a histogram behind logfmt", R"([[stage]]
type = 'logfmt'
mapping = { status = '' }
[[stage]]
type = 'metrics'
[[stage.metric]]
kind = 'counter'
name = 'lines_total'
match_all = true
action = 'inc'
[[stage.metric]]
kind = 'histogram'
name = 'status'
buckets = [200, 300, 400, 500]
)",
       [](BlockCorpus& c) { return c.logfmt_line(); }, [](const Batch& b) { return has_fields(b, 1); }},
      {"redact: all types, nothing found", "[[stage]]\ntype = 'redact'\n",
       [](BlockCorpus& c) { return c.quiet_line(); }, [](const Batch& b) { return !contains(b, "<redacted"); }},
      {"redact behind cri, nothing found", "[[stage]]\ntype = 'cri'\n[[stage]]\ntype = 'redact'\n",
       [](BlockCorpus& c) { return c.cri(c.quiet_line()); }, [](const Batch& b) { return !contains(b, "<redacted"); }},
      {"redact: an address in every line", "[[stage]]\ntype = 'redact'\n",
       [](BlockCorpus& c) { return c.access_line(); }, [](const Batch& b) { return contains(b, "<redacted:ipv4>"); }},
      {"redact: own pattern besides, nothing found",
       "[[stage]]\ntype = 'redact'\npatterns = { password = 'password=(\\S+)' }\n",
       [](BlockCorpus& c) { return c.quiet_line(); }, [](const Batch& b) { return !contains(b, "<redacted"); }},
  };
}

bool is_wanted(std::string_view name, int argc, char** argv) {
  for (int i = 2; i < argc; ++i) {
    if (name.starts_with(argv[i])) return true;
  }
  return argc <= 2;
}

}  // namespace

int main(int argc, char** argv) {
  SpeedTable table("stage", argc > 1 ? std::atof(argv[1]) : 1.0);
  for (const Row& row : rows()) {
    if (!is_wanted(row.name, argc, argv)) continue;
    BlockCorpus corpus;
    Blocks blocks = corpus.make([&] { return row.line(corpus); });
    StageRun run{std::string(row.toml)};
    run.block(blocks.front());
    if (!row.is_right(run.batch())) {
      std::fprintf(stderr, "WRONG: %s\n", std::string(row.name).c_str());
      return 1;
    }
    table.row(std::string(row.name), blocks, [&](const std::string& block) { return run.block(block); });
  }
  table.finish();
  return 0;
}
