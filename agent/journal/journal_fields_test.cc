#include "agent/journal/journal_fields.h"

#include <doctest/doctest.h>

#include "agent/journal/bookmark.h"
#include "agent/journal/journal.h"

TEST_SUITE_BEGIN("agent/journal");

namespace agent {

TEST_CASE("journal fields: priorities have names, anything else stays") {
  const char* names[] = {"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"};
  for (size_t i = 0; i < 8; i++) CHECK(priority_keyword(std::to_string(i)) == names[i]);
  for (const char* other : {"8", "", "info", "-1", "06"}) CHECK(priority_keyword(other) == other);
}

TEST_CASE("journal fields: only those that rules name are asked for") {
  auto fields_of = [](std::string_view text) {
    auto document = pipeline::ConfigDocument::parse(text, "agent.toml");
    REQUIRE(document);
    return JournalFields::of_rules(document->root());
  };
  JournalFields fields = fields_of(R"(
    [[relabel]]
    source_labels = ["__journal__systemd_unit", "__journal_priority_keyword", "job"]
    [[relabel]]
    action = "keepequal"
    source_labels = ["__journal__hostname"]
    target_label = "__journal__comm")");
  CHECK(!fields.wants_all());
  CHECK(fields.size() == 4);
  for (const char* name : {"_SYSTEMD_UNIT", "PRIORITY", "_HOSTNAME", "_COMM"}) CHECK(fields.find(name) >= 0);
  CHECK(fields.find("MESSAGE") == -1);
  CHECK(fields_of("[[relabel]]\naction = \"labelmap\"\nregex = \"__journal_(.*)\"").wants_all());
  CHECK(fields_of("").size() == 0);
}

TEST_CASE("bookmark: text and back, and cursors of copies") {
  std::string cursor = "s=0a;i=1f;b=bb;m=5dc;t=60a24181e41f4;x=6f1e";
  CHECK(Bookmark{cursor, 0}.text() == cursor);
  CHECK(Bookmark{cursor, 3}.text() == cursor + ";n=3");
  CHECK(Bookmark::parse(cursor + ";n=3").step == 3);
  CHECK(Bookmark::parse(cursor + ";n=3").cursor == cursor);
  CHECK(Bookmark::parse(cursor).step == 0);
  CHECK(cursor_number(cursor, 'i') == 31);
  CHECK(cursor_number(cursor, 'q') == 0);
  CHECK(cursor_part(cursor, 'x') == "6f1e");
  CHECK(is_copy(cursor, "s=ff;i=1;b=bb;m=5dc;t=1;x=6f1e"));
  CHECK(!is_copy(cursor, "s=0a;i=1f;b=bb;m=5dd;t=60a24181e41f4;x=6f1e"));
  CHECK(!is_copy("", ""));
}

TEST_CASE("journal: a match is a field of journald and a value") {
  for (const char* good : {"_SYSTEMD_UNIT=cron.service", "A=", "X_1=a=b c"}) CHECK(is_journal_match(good));
  for (const char* bad : {"", "=x", "A", "a=1", "A B=1", "__CURSOR=x"}) CHECK(!is_journal_match(bad));
}

}  // namespace agent
