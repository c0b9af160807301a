#include "server/cli/delete_command.h"

#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Result;

constexpr std::string_view kPath = "/loki/api/v1/delete";
constexpr pipeline::UnixNanos kSecond = 1'000'000'000;

std::string seconds_text(pipeline::UnixNanos time) { return std::to_string(time / kSecond); }

}  // namespace

Result<void> run_delete_create(const ServerConnection& server, const DeleteRange& range, const CommandOutput& output) {
  Parameters parameters{
      {"query", range.query}, {"start", seconds_text(range.span.start)}, {"end", seconds_text(range.span.end)}};
  if (!range.max_interval.empty()) parameters.emplace_back("max_interval", range.max_interval);
  TRY_LET(const auto answer, server.send("POST", kPath, parameters));
  const std::string_view id = answer.headers.get("X-Delete-Request-ID");
  return print_text(concat("delete request ", id.empty() ? "" : concat(id, " "), "created\n"), output);
}

Result<void> run_delete_list(const ServerConnection& server, const CommandOutput& output) {
  TRY_LET(const std::string body, server.get(kPath, {}));
  TRY_LET(const auto requests, parse_deletes_answer(body));
  if (output.style.form == OutputForm::kJsonLines) return print_text(one_line(body) + "\n", output);
  std::vector<std::vector<std::string>> rows;
  if (!requests.empty()) rows.push_back({"Request", "Created", "Status", "From", "To", "Query"});
  for (const AnsweredDelete& one : requests) {
    rows.push_back({one.id, pipeline::format_rfc3339(one.created), one.status, pipeline::format_rfc3339(one.start),
                    pipeline::format_rfc3339(one.end), one.query});
  }
  return print_text(table(rows), output);
}

Result<void> run_delete_cancel(const ServerConnection& server, const std::string& request, bool force,
                               const CommandOutput& output) {
  Parameters parameters{{"request_id", request}};
  if (force) parameters.emplace_back("force", "true");
  auto answer = server.send("DELETE", kPath, parameters);
  if (!answer && answer.error().code == pipeline::Errc::kNotFound) {
    return pipeline::fail(pipeline::Errc::kNotFound,
                          concat("there is no request to delete with the id \"", request,
                                 "\"; `skidway delete list` shows those of this tenant (--org-id names another)"));
  }
  TRY(std::move(answer));
  return print_text(concat("delete request ", request, " cancelled\n"), output);
}

}  // namespace server
