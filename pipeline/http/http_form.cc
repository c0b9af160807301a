#include "pipeline/http/http_form.h"

namespace pipeline {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, PlusIsSpace plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == PlusIsSpace::kYes) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(Errc::kInvalid, concat("invalid URL escape \"", text.substr(i, 3), "\""));
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

Result<void> HttpForm::add(std::string_view rest) {
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    if (pair.empty()) continue;
    if (pair.find(';') != pair.npos) return fail(Errc::kInvalid, "invalid semicolon separator in query");
    const size_t equals = pair.find('=');
    TRY_LET(std::string name, percent_decode(pair.substr(0, equals), PlusIsSpace::kYes));
    TRY_LET(std::string value,
            percent_decode(equals == pair.npos ? std::string_view{} : pair.substr(equals + 1), PlusIsSpace::kYes));
    values_.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

Result<HttpForm> HttpForm::parse(std::string_view urlencoded) {
  HttpForm form;
  TRY(form.add(urlencoded));
  return form;
}

Result<HttpForm> HttpForm::of(const HttpRequest& request) {
  HttpForm form;
  const bool has_form_body = (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") &&
                             media_type(request.headers.get("Content-Type")) == "application/x-www-form-urlencoded";
  if (has_form_body) TRY(form.add(request.body));
  TRY(form.add(request.query));
  return form;
}

std::optional<std::string_view> HttpForm::find(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view HttpForm::get(std::string_view name) const { return find(name).value_or(std::string_view{}); }

std::vector<std::string_view> HttpForm::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : values_) {
    if (key == name) out.push_back(value);
  }
  return out;
}

}  // namespace pipeline
