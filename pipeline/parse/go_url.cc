#include "pipeline/parse/go_url.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace pipeline {

namespace {

bool is_scheme(std::string_view text) {
  if (text.empty() || !((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'))) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
           c == '.';
  });
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// Without the port; without the brackets of an IPv6 address.
std::string host_name_of(std::string_view host) {
  if (host.starts_with('[')) {
    size_t close = host.find(']');
    return std::string(host.substr(1, close == host.npos ? host.npos : close - 1));
  }
  return std::string(host.substr(0, host.find(':')));
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      unsigned code = 0;
      if (text.size() - i < 3) return std::nullopt;
      auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16);
      if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
      out.push_back(static_cast<char>(code));
      i += 2;
    } else {
      out.push_back(plus_is_blank && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

Result<GoUrl> GoUrl::parse(std::string_view text) {
  auto wrong = [&](std::string_view what) {
    return fail(Errc::kInvalid, concat("unable to parse url: parse \"", text, "\": ", what));
  };
  GoUrl out;
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return wrong("net/url: invalid control character in URL");
  }
  std::string_view rest = text;
  if (size_t hash = rest.find('#'); hash != rest.npos) {
    auto fragment = decode_percent(rest.substr(hash + 1), false);
    if (!fragment) return wrong("invalid URL escape");
    out.fragment = *fragment;
    rest = rest.substr(0, hash);
  }
  size_t colon = rest.find(':');
  if (colon == 0) return wrong("missing protocol scheme");
  if (colon != rest.npos && is_scheme(rest.substr(0, colon))) {
    out.scheme = lower_ascii(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  } else if (colon != rest.npos && rest.find('/') > colon) {
    return wrong("first path segment in URL cannot contain colon");
  }
  if (size_t mark = rest.find('?'); mark != rest.npos) {
    out.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (!rest.starts_with('/') && !out.scheme.empty()) {
    out.opaque = rest;
    return out;
  }
  if (rest.starts_with("//") && !(out.scheme.empty() && rest.starts_with("///"))) {
    size_t slash = rest.find('/', 2);
    std::string_view authority = rest.substr(2, slash == rest.npos ? rest.npos : slash - 2);
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash);
    if (size_t at = authority.rfind('@'); at != authority.npos) {
      out.user_info = authority.substr(0, at);
      authority.remove_prefix(at + 1);
    }
    size_t port = authority.rfind(':');
    bool has_port = port != authority.npos && authority.find(']', port) == authority.npos;
    if (has_port && authority.find_first_not_of("0123456789", port + 1) != authority.npos) {
      return wrong(concat("invalid port \"", authority.substr(port), "\" after host"));
    }
    if (authority.find(' ') != authority.npos) return wrong("invalid character \" \" in host name");
    out.host = authority;
    out.host_name = host_name_of(authority);
  }
  auto path = decode_percent(rest, false);
  if (!path) return wrong("invalid URL escape");
  out.path = *path;
  return out;
}

std::string GoUrl::text() const {
  std::string out;
  if (!scheme.empty()) out += scheme + ":";
  if (!opaque.empty()) {
    out += opaque;
  } else {
    if (!scheme.empty() || !host.empty() || !user_info.empty()) {
      if (!host.empty() || !path.empty() || !user_info.empty()) out += "//";
      if (!user_info.empty()) out += user_info + "@";
      out += host;
    }
    if (!path.empty() && !path.starts_with('/') && !host.empty()) out += "/";
    out += path;
  }
  if (!query.empty()) out += "?" + query;
  if (!fragment.empty()) out += "#" + fragment;
  return out;
}

std::string path_clean(std::string_view path) {
  if (path.empty()) return ".";
  bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (size_t i = 0; i < parts.size(); ++i) out.append(i > 0 ? "/" : "").append(parts[i]);
  return out.empty() ? "." : out;
}

std::string path_base(std::string_view path) {
  if (path.empty()) return ".";
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return "/";
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string path_dir(std::string_view path) { return path_clean(path.substr(0, path.rfind('/') + 1)); }

std::string_view path_extension(std::string_view path) {
  size_t dot = path.rfind('.');
  if (dot == path.npos || path.find('/', dot) != path.npos) return {};
  return path.substr(dot);
}

}  // namespace pipeline
