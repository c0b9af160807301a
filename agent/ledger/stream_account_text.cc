// Lines of fields with a tab between them: `line ORIGIN SINK received acked waiting`, each followed by its `drop REASON
// DETAIL volume`. Volumes are two fields, entries and bytes. In texts a backslash goes before what would part them (and
// itself).
#include <charconv>
#include <optional>

#include "agent/ledger/stream_account.h"
#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

namespace {
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 't' ? '\t' : c == 'n' ? '\n' : c;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string volume_text(const EntryVolume& volume) { return concat("\t", volume.entries, "\t", volume.bytes); }

EntryVolume parse_volume(const std::vector<std::string_view>& fields, size_t at) {
  EntryVolume volume;
  std::from_chars(fields[at].data(), fields[at].data() + fields[at].size(), volume.entries);
  std::from_chars(fields[at + 1].data(), fields[at + 1].data() + fields[at + 1].size(), volume.bytes);
  return volume;
}

std::optional<DroppedEntries> parse_drop(std::string_view text) {
  const auto fields = split(text, '\t');
  if (fields.size() != 5 || fields[0] != "drop") return std::nullopt;
  return DroppedEntries{unescaped(fields[1]), parse_volume(fields, 3), unescaped(fields[2])};
}
}  // namespace

std::string dropped_entries_text(const std::vector<DroppedEntries>& dropped) {
  std::string out;
  for (const DroppedEntries& d : dropped)
    out += concat("drop\t", escaped(d.reason), "\t", escaped(d.detail), volume_text(d.volume), "\n");
  return out;
}

std::string stream_lines_text(const std::vector<StreamLine>& lines) {
  std::string out;
  for (const StreamLine& line : lines)
    out += concat("line\t", escaped(line.origin), "\t", escaped(line.sink), volume_text(line.received),
                  volume_text(line.acked), volume_text(line.waiting), "\n", dropped_entries_text(line.dropped));
  return out;
}

std::vector<StreamLine> parse_stream_lines(std::string_view text) {
  std::vector<StreamLine> lines;
  for (std::string_view one : split(text, '\n')) {
    const auto fields = split(one, '\t');
    if (fields.size() == 9 && fields[0] == "line")
      lines.push_back({unescaped(fields[1]),
                       unescaped(fields[2]),
                       parse_volume(fields, 3),
                       parse_volume(fields, 5),
                       parse_volume(fields, 7),
                       {}});
    else if (auto drop = parse_drop(one); drop && !lines.empty())
      lines.back().dropped.push_back(*std::move(drop));
  }
  return lines;
}

std::vector<DroppedEntries> parse_dropped_entries(std::string_view text) {
  std::vector<DroppedEntries> dropped;
  for (std::string_view one : split(text, '\n'))
    if (auto drop = parse_drop(one)) dropped.push_back(*std::move(drop));
  return dropped;
}

std::string stream_ledger_key(const std::string& source) { return concat("source:", source); }
std::string spool_ledger_key(const std::string& sink) { return concat("spool:", sink); }

std::vector<StreamLine> stream_ledger_of(const Cursors& cursors, const std::string& source) {
  auto found = cursors.find(stream_ledger_key(source));
  return found == cursors.end() ? std::vector<StreamLine>() : parse_stream_lines(found->second);
}

std::vector<DroppedEntries> spool_ledger_of(const Cursors& cursors, const std::string& sink) {
  auto found = cursors.find(spool_ledger_key(sink));
  return found == cursors.end() ? std::vector<DroppedEntries>() : parse_dropped_entries(found->second);
}

}  // namespace agent
