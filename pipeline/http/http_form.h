// HttpForm: parameters of a request, as name and value, repeated names kept.
//
// Values of a POST body (application/x-www-form-urlencoded) come before those of the query string, as in Go: the first
// value of a name wins. "+" is a space. Separator "&" only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/http/http_message.h"

namespace pipeline {

class HttpForm {
 public:
  // kInvalid: a broken percent escape or a ";" as separator, with Go's texts.
  static Result<HttpForm> of(const HttpRequest& request);
  static Result<HttpForm> parse(std::string_view urlencoded);

  // The first value, or "" (Go's FormValue).
  std::string_view get(std::string_view name) const;
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }

  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  Result<void> add(std::string_view urlencoded);
  std::vector<std::pair<std::string, std::string>> values_;
};

// Percent escapes. `plus_is_space`: in forms, not in paths. kInvalid: `invalid URL escape "%zz"`.
enum class PlusIsSpace { kNo, kYes };
Result<std::string> percent_decode(std::string_view text, PlusIsSpace plus);
// Letters, digits and -._~ stay, everything else becomes %XX: right in paths and in query values.
std::string percent_encode(std::string_view text);

}  // namespace pipeline
