#include "pipeline/match/ip_filter.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <string>

namespace pipeline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// First and last address of the network of `address` with a prefix of `bits`.
void network(IpAddress& first, IpAddress& last, int bits) {
  int size = first.is_v6 ? 16 : 4;
  for (int i = 0; i < size; ++i) {
    int kept = std::clamp(bits - 8 * i, 0, 8);
    auto mask = static_cast<uint8_t>(0xff << (8 - kept));
    auto at = static_cast<size_t>(i);
    first.bytes[at] = static_cast<uint8_t>(first.bytes[at] & mask);
    last.bytes[at] = static_cast<uint8_t>(first.bytes[at] | static_cast<uint8_t>(~mask));
  }
}

bool begins_v4(std::string_view rest) {
  if (!is_digit(rest[0])) return false;
  return rest.substr(1, 3).find('.') != std::string_view::npos;
}

bool begins_v6(std::string_view rest) {
  if (rest.size() >= 3 && rest[0] == ':' && rest[1] == ':' && is_hex(rest[2])) return true;
  size_t digits = 0;
  while (digits < rest.size() && digits < 5 && is_hex(rest[digits])) ++digits;
  return digits >= 1 && digits <= 4 && digits < rest.size() && rest[digits] == ':';
}

size_t run_length(std::string_view rest, bool v6) {
  size_t n = 0;
  while (n < rest.size() &&
         (v6 ? is_hex(rest[n]) || rest[n] == ':' || rest[n] == '.' : is_digit(rest[n]) || rest[n] == '.')) {
    ++n;
  }
  return n;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress address;
  address.is_v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.is_v6 ? AF_INET6 : AF_INET, buffer, address.bytes.data()) != 1) return std::nullopt;
  return address;
}

Result<IpFilter> IpFilter::compile(std::string_view pattern) {
  auto invalid = [&] { return fail(Errc::kInvalid, concat("ip: invalid pattern: \"", pattern, "\"")); };
  size_t dash = pattern.find('-'), slash = pattern.find('/');
  if (dash != std::string_view::npos) {
    auto first = IpAddress::parse(pattern.substr(0, dash)), last = IpAddress::parse(pattern.substr(dash + 1));
    if (!first || !last || first->is_v6 != last->is_v6 || *last < *first) return invalid();
    return IpFilter(*first, *last);
  }
  auto first = IpAddress::parse(pattern.substr(0, slash));
  if (!first) return invalid();
  IpAddress last = *first;
  if (slash != std::string_view::npos) {
    std::string_view bits_text = pattern.substr(slash + 1);
    int bits = -1;
    auto [end, error] = std::from_chars(bits_text.data(), bits_text.data() + bits_text.size(), bits);
    bool plain = !bits_text.empty() && is_digit(bits_text[0]) && (bits_text.size() == 1 || bits_text[0] != '0');
    if (!plain || error != std::errc() || end != bits_text.data() + bits_text.size() ||
        bits > (first->is_v6 ? 128 : 32)) {
      return invalid();
    }
    network(*first, last, bits);
  }
  return IpFilter(*first, last);
}

bool IpFilter::found_in(std::string_view text) const {
  for (size_t at = 0; at < text.size();) {
    std::string_view rest = text.substr(at);
    bool v4 = begins_v4(rest);
    const bool v6 = rest.size() >= 5 && begins_v6(rest);  // Loki looks five bytes ahead, so "::1" at the end is missed
    if (!v4 && !v6) {
      ++at;
      continue;
    }
    size_t length = run_length(rest, !v4);
    auto address = IpAddress::parse(rest.substr(0, length));
    if (address && address->is_v6 == first_.is_v6 && *address >= first_ && *address <= last_) return true;
    at += length;
  }
  return false;
}

}  // namespace pipeline
