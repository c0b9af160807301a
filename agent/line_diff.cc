#include "agent/line_diff.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

std::string line_diff(const std::vector<std::string>& first, const std::vector<std::string>& second) {
  if (first == second) return "";
  // common[i][k]: the most lines that first from i on and second from k on have in common, in order
  std::vector<std::vector<size_t>> common(first.size() + 1, std::vector<size_t>(second.size() + 1));
  for (size_t i = first.size(); i-- > 0;)
    for (size_t k = second.size(); k-- > 0;)
      common[i][k] = first[i] == second[k] ? common[i + 1][k + 1] + 1 : std::max(common[i + 1][k], common[i][k + 1]);
  std::string out;
  for (size_t i = 0, k = 0; i < first.size() || k < second.size();) {
    if (i < first.size() && k < second.size() && first[i] == second[k])
      out += concat(" ", first[i++], "\n"), k++;
    else if (k == second.size() || (i < first.size() && common[i + 1][k] >= common[i][k + 1]))
      out += concat("-", first[i++], "\n");
    else
      out += concat("+", second[k++], "\n");
  }
  return out;
}

std::vector<std::string> lines_with(std::string_view text, std::string_view prefix) {
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(prefix)) out.emplace_back(line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return out;
}

}  // namespace agent
