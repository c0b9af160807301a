#include "agent/target_text.h"

#include <doctest/doctest.h>

namespace agent {
namespace {

using pipeline::LabelSet;

Target some_target() {
  return {
      "pods", "/x/<a>.log", LabelSet::from({{"__path__", "/x/<a>.log"}}), LabelSet::from({{"app", "a\"b"}}), "active",
      ""};
}

TEST_SUITE("agent") {
  TEST_CASE("targets: one JSON object each") {
    CHECK(target_json(some_target()) ==
          R"({"source":"pods","path":"/x/<a>.log","discovered":{"__path__":"/x/<a>.log"},)"
          R"("labels":{"app":"a\"b"},"state":"active","reason":""})");
  }

  TEST_CASE("targets: the page escapes what files are called, and says how far they are read") {
    FileReader::Progress file;
    file.path = "/x/<a>.log", file.size_bytes = 4711, file.read_bytes = 4700;
    std::string page = targets_page({some_target()}, {file});
    CHECK(page.find("<td>/x/&lt;a&gt;.log</td>") != std::string::npos);
    CHECK(page.find("<td>4700</td><td>4711</td>") != std::string::npos);
    CHECK(page.find("a&quot;b") == std::string::npos);  // the label is a Go quoted text
    CHECK(page.find("a\\&quot;b") != std::string::npos);
  }

  TEST_CASE("targets: the table says why a file is not read") {
    Target dropped{"pods", "/y", {}, {}, "dropped", "by relabel rules"};
    CHECK(targets_table({dropped}) == "pods  dropped  /y\n    by relabel rules\n");
    CHECK(targets_table({}) == "nothing would be read\n");
  }
}

}  // namespace
}  // namespace agent
