// HttpHeaders, HttpRequest, HttpResponse: what travels, as values.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pipeline {

// A list of name and value in the order sent; names compare without case.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> list) : list_(list) {}

  // The first value, or "" when there is none (an absent and an empty header mean the same in HTTP).
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  // Whether a comma-separated list header holds `token` (without case): has_token("Connection", "close").
  bool has_token(std::string_view name, std::string_view token) const;

  void add(std::string name, std::string value) { list_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);  // replaces all of that name

  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  size_t size() const { return list_.size(); }
  bool empty() const { return list_.empty(); }

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

// "Text/Plain; charset=utf-8" -> "text/plain".
std::string media_type(std::string_view content_type);

struct HttpRequest {
  std::string method = {};  // "GET"
  std::string target = {};  // as sent: "/a%20b?x=1"
  std::string path = {};    // percent-decoded: "/a b"
  std::string query = {};   // as sent, without "?": "x=1"
  HttpHeaders headers = {};
  std::string body = {};  // whole, chunks joined, content encoding untouched
  std::string peer = {};  // "127.0.0.1:4711"
  // Who the client is by its verified certificate: the subject's common name, else the first DNS name; "" without one.
  std::string client_name = {};
  std::vector<std::pair<std::string, std::string>> path_values = {};  // {name} parts of the route, decoded, in order

  std::string_view path_value(std::string_view name) const;  // "" when the route has no such part
};

class HttpTakeover;

struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};  // Content-Length, Date and Connection are added by the server
  std::string body = {};
  std::shared_ptr<HttpTakeover> takeover = {};  // of a 101: who has the connection from then on

  static HttpResponse text(int status, std::string body);  // text/plain; charset=utf-8
  static HttpResponse json(std::string body);              // 200, application/json; charset=UTF-8
  static HttpResponse empty(int status) { return {.status = status}; }
};

std::string_view http_reason(int status);  // "Not Found"

}  // namespace pipeline
