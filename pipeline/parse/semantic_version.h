// Semantic versions and ranges of them, as the Go library behind Sprig's semver functions reads them. Thread: any.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

struct SemanticVersion {
  std::array<uint64_t, 3> numbers{};  // major, minor, patch
  std::string prerelease{}, metadata{};

  // 1.2.3-beta.1+build; a leading v and missing parts (1, 1.2) are fine. kInvalid: `Invalid Semantic Version`.
  static Result<SemanticVersion> parse(std::string_view text);
  // Below, equal, above: -1, 0, 1. The metadata does not count.
  int compare(const SemanticVersion& other) const;
  std::string text() const;
};

enum class Fit { kNo, kYes };

// Whether `version` is in `range`: ">=1.2, <2 || ~3.1 || ^4 || 5.x || 1.2 - 1.4": || is or, a comma or a blank is and.
// A prerelease only fits where the range names one. kInvalid: `improper constraint: ...`.
Result<Fit> fit_version(std::string_view range, const SemanticVersion& version);

}  // namespace pipeline
