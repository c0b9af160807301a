#include "agent/journal/journal_options.h"

#include <algorithm>

#include "agent/journal/journal.h"
#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigKind;
using pipeline::ConfigTable;

namespace {
// A text is split at blanks, as Promtail does; of an array each element is one match, blanks and all.
std::vector<std::string> read_matches(const ConfigTable& table) {
  std::vector<std::string> given = table.strings("matches"), matches;
  if (table.kind("matches") == ConfigKind::kString && !given.empty()) {
    std::string text = std::move(given[0]);
    given.clear();
    for (size_t begin = 0; (begin = text.find_first_not_of(" \t\n", begin)) != std::string::npos;) {
      size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
      given.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }
  for (std::string& match : given) {
    if (match == "+")
      table.error_at("matches", "\"+\" between matches is not supported",
                     "matches of one field are alternatives, those of different fields must all hold");
    else if (!is_journal_match(match))
      table.error_at("matches", concat("\"", match, "\" is not FIELD=value"),
                     "for example \"_SYSTEMD_UNIT=cron.service\"");
    else
      matches.push_back(std::move(match));
  }
  return matches;
}

JournalPlace read_place(const ConfigTable& table) {
  JournalPlace place;
  place.path = table.string("path");
  if (!place.path.empty() && !place.path.starts_with('/'))
    table.error_at("path", concat("\"", place.path, "\" is not an absolute path"), "begin with /");
  while (place.path.size() > 1 && place.path.ends_with('/')) place.path.pop_back();
  place.name_space = table.string("namespace");
  if (place.name_space.find('/') != std::string::npos)
    table.error_at("namespace", concat("\"", place.name_space, "\" is no name of a journal namespace"),
                   "give its name, \"*\" for all, or \"+NAME\" for it and the default one");
  return place;
}
}  // namespace

std::string JournalOptions::place() const {
  std::string name = where.path.empty() ? "journal" : concat("journal://", where.path);
  return where.name_space.empty() ? name : concat(name, " (namespace ", where.name_space, ")");
}

std::shared_ptr<const StreamOptions> read_journal(const ConfigTable& table) {
  auto options = std::make_shared<JournalOptions>();
  options->where = read_place(table);
  options->matches = read_matches(table);
  options->max_age = table.duration("max_age", options->max_age);
  options->as_json = table.boolean("format_as_json", false);
  options->fields = JournalFields::of_rules(table);
  options->max_line_bytes = table.size("max_line_size", options->max_line_bytes);
  return options;
}

}  // namespace agent
