#include "agent/journal/journal_options.h"

#include <doctest/doctest.h>

#include "agent/source/testing/temp_folder.h"

TEST_SUITE_BEGIN("agent/journal");

namespace agent {
namespace {
using namespace std::chrono_literals;

// The options, or the errors.
struct Read {
  explicit Read(std::string_view text) {
    auto document = pipeline::ConfigDocument::parse(text, "agent.toml");
    REQUIRE(document);
    options = read_journal(document->root());
    auto finished = document->finish();
    if (!finished) errors = finished.error().message;
  }
  const JournalOptions& journal() const { return static_cast<const JournalOptions&>(*options); }
  std::shared_ptr<const StreamOptions> options;
  std::string errors;
};

// A journal file's header, as far as it is looked at before libsystemd does.
std::string header(char lineage) { return "LPKSHHRH" + std::string(64, '\0') + std::string(16, lineage); }
}  // namespace

TEST_CASE("journal options: defaults, and every key") {
  Read nothing("");
  CHECK(nothing.errors == "");
  CHECK(nothing.journal().max_age == 7h);
  CHECK(nothing.journal().place() == "journal");
  Read all(R"(
    path = "/var/log/journal/"
    namespace = "app"
    matches = "_SYSTEMD_UNIT=a.service  PRIORITY=3"
    max_age = "1d"
    format_as_json = true)");
  CHECK(all.errors == "");
  CHECK(all.journal().place() == "journal:///var/log/journal (namespace app)");
  CHECK(all.journal().matches == std::vector<std::string>{"_SYSTEMD_UNIT=a.service", "PRIORITY=3"});
  CHECK(all.journal().max_age == 24h);
  CHECK(all.journal().as_json);
  CHECK(Read(R"(matches = ["MESSAGE=two words"])").journal().matches == std::vector<std::string>{"MESSAGE=two words"});
}

TEST_CASE("journal options: says what is wrong, where, and what to do") {
  CHECK(Read("path = \"journal\"").errors == "agent.toml:1:8: \"journal\" is not an absolute path; begin with /");
  CHECK(Read("namespace = \"a/b\"").errors.find("no name of a journal namespace") != std::string::npos);
  CHECK(Read("matches = \"A=1 + B=2\"").errors.find("\"+\" between matches is not supported") != std::string::npos);
  CHECK(Read("matches = \"unit\"").errors.find("\"unit\" is not FIELD=value; for example") != std::string::npos);
  CHECK(Read("max_aeg = \"1h\"").errors.find("max_age") != std::string::npos);
}

TEST_CASE("journal files: this machine's, of the namespace asked for, by lineage") {
  testing::TempFolder root;
  std::string id(32, 'e'), other(32, 'f');
  root.make("etc");
  root.append("etc/machine-id", id + "\n");
  for (const std::string& folder : {id, id + ".app", other}) {
    root.make("var/log/journal/" + folder);
    root.append("var/log/journal/" + folder + "/system.journal", header(folder == id ? '\x11' : '\x22'));
  }
  root.make("run/log/journal/" + id);
  root.append("run/log/journal/" + id + "/system.journal", header('\x11'));
  root.append("var/log/journal/" + id + "/system@x.journal~", header('\x33'));
  auto files = [&](std::string name_space) {
    auto listing = list_journals({"", std::move(name_space), root.path()});
    REQUIRE(listing);
    std::string all;
    for (auto& [lineage, found] : listing->lineages)
      all += lineage.substr(0, 2) + ":" + std::to_string(found.files.size()) + " ";
    return all;
  };
  CHECK(files("") == "11:2 33:1 ");
  CHECK(files("app") == "22:1 ");
  CHECK(files("+app") == "11:2 22:1 33:1 ");
  CHECK(files("*") == "11:2 22:1 33:1 ");
  CHECK(files("none") == "");
}

TEST_CASE("journal files: why there are none") {
  testing::TempFolder root;
  auto why = [&] {
    auto listing = list_journals({"", "", root.path()});
    return listing ? "" : listing.error().message;
  };
  CHECK(why().find("mount its machine-id, or set path") != std::string::npos);
  root.make("etc");
  root.append("etc/machine-id", "uninitialized\n");
  CHECK(why().find("holds no machine id") != std::string::npos);
  root.truncate("etc/machine-id");
  root.append("etc/machine-id", std::string(32, 'a'));
  CHECK(why().find("there is neither") != std::string::npos);
  root.make("var/log/journal");
  CHECK(why() == "");
}

}  // namespace agent
