// IpFilter: whether a line mentions an address of a set: ip("10.0.0.1"), ip("10.0.0.0/8"), ip("10.0.0.1-10.0.0.9"), the
// same with IPv6 (logql.md 4.3.2). An IPv4 address and the IPv6 one it is mapped to are different.
// Thread: any (immutable). Errors: kInvalid: `ip: invalid pattern: "x"`.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

struct IpAddress {
  bool is_v6 = false;
  std::array<uint8_t, 16> bytes{};  // IPv4: the first four
  auto operator<=>(const IpAddress&) const = default;

  // As Go's netip.ParseAddr, without zones: no leading zeros, no surrounding space.
  static std::optional<IpAddress> parse(std::string_view text);
};

class IpFilter {
 public:
  static Result<IpFilter> compile(std::string_view pattern);
  bool found_in(std::string_view text) const;

 private:
  IpFilter(const IpAddress& first, const IpAddress& last) : first_(first), last_(last) {}
  IpAddress first_, last_;  // both count
};

}  // namespace pipeline
