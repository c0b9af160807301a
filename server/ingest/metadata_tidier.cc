#include "server/ingest/metadata_tidier.h"

#include <algorithm>

#include "pipeline/model/quoted_text.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Metadata;
using pipeline::Result;

namespace {

constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_reserved(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__") &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_name_char(c) || c == '_'; });
}

bool is_tidy(std::string_view name) {
  if (name.empty() || is_digit(name.front())) return false;
  bool any = false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (is_name_char(name[i])) {
      any = true;
    } else if (name[i] != '_' || (i > 0 && name[i - 1] == '_')) {
      return false;
    }
  }
  return any;
}

}  // namespace

Result<std::span<const MetadataPair>> MetadataTidier::tidy(std::span<const Metadata> metadata) {
  pairs_.clear();
  arena_.clear();
  for (const Metadata& pair : metadata) {
    TRY_LET(std::string_view name, tidy_name(pair.name));
    if (!pair.value.empty()) pairs_.emplace_back(name, tidy_value(pair.value));
  }
  return std::span<const MetadataPair>(pairs_);
}

Result<std::string_view> MetadataTidier::tidy_name(std::string_view name) {
  if (is_tidy(name) || is_reserved(name)) return name;
  std::string tidy;
  for (char c : name) {
    if (is_name_char(c)) {
      tidy += c;
    } else if (tidy.empty() || tidy.back() != '_') {
      tidy += '_';
    }
  }
  if (tidy.find_first_not_of('_') == tidy.npos)
    return fail(Errc::kInvalid,
                concat("normalization for label name \"", name, "\" resulted in invalid name \"", tidy, "\""));
  if (is_digit(tidy.front())) tidy = concat("key_", tidy);
  return arena_.copy(tidy);
}

// What is no character, and U+FFFD that stands for such, is a space.
std::string_view MetadataTidier::tidy_value(std::string_view value) {
  if (pipeline::is_valid_utf8(value) && value.find(kReplacementCharacter) == value.npos) return value;
  std::string tidy;
  for (size_t at = 0; at < value.size();) {
    const size_t begin = at;
    const bool bad = pipeline::take_utf8(value, at) == 0xfffd;
    tidy += bad ? std::string_view(" ") : value.substr(begin, at - begin);
  }
  return arena_.copy(tidy);
}

}  // namespace server
