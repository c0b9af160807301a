#include "pipeline/base/result.h"

#include <cerrno>
#include <cstring>

namespace pipeline {

std::string_view errc_name(Errc code) {
  switch (code) {
    case Errc::kInvalid: return "invalid";
    case Errc::kUnavailable: return "unavailable";
    case Errc::kOverLimit: return "over_limit";
    case Errc::kNotFound: return "not_found";
    case Errc::kCorrupt: return "corrupt";
    case Errc::kIo: return "io";
    case Errc::kCancelled: return "cancelled";
  }
  return "unknown";
}

Error system_error(std::string_view what, int errno_value) {
  char buffer[128];
  std::string text = strerror_r(errno_value, buffer, sizeof buffer);  // the GNU form returns the text
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' && text.size() > 1 && !(text[1] >= 'A' && text[1] <= 'Z')) {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  Errc code = Errc::kIo;
  if (errno_value == ENOENT) code = Errc::kNotFound;
  if (errno_value == ENOSPC || errno_value == EDQUOT) code = Errc::kOverLimit;
  return {code, concat(what, ": ", text)};
}

}  // namespace pipeline
