#include "pipeline/http/http_router.h"

#include <map>
#include <vector>

#include "pipeline/http/http_form.h"

namespace pipeline {
namespace {

using PathValues = std::vector<std::pair<std::string, std::string>>;

std::string_view next_segment(std::string_view& rest) {
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, slash);
  rest.remove_prefix(slash);
  return segment;
}

bool is_name(std::string_view part) { return part.size() > 2 && part.front() == '{' && part.back() == '}'; }

// `path` is still escaped: an escaped slash belongs to its segment.
bool match(std::string_view pattern, std::string_view path, PathValues& values) {
  while (!pattern.empty()) {
    if (path.empty()) return false;
    const std::string_view part = next_segment(pattern);
    if (is_name(part) && part.ends_with("...}")) {
      auto decoded = percent_decode(path.substr(1), PlusIsSpace::kNo);
      if (!decoded) return false;
      values.emplace_back(part.substr(1, part.size() - 5), std::move(*decoded));
      return true;
    }
    auto decoded = percent_decode(next_segment(path), PlusIsSpace::kNo);
    if (!decoded) return false;
    if (is_name(part)) {
      if (decoded->empty()) return false;
      values.emplace_back(part.substr(1, part.size() - 2), std::move(*decoded));
    } else if (*decoded != part) {
      return false;
    }
  }
  return path.empty();
}

// The path as sent, without query: "/a%2Fb?x" -> "/a%2Fb"; of an absolute URL only its path.
std::string_view raw_path(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  if (target.starts_with('/')) return target;
  const size_t scheme = target.find("://");
  if (scheme == target.npos) return target;
  const size_t slash = target.find('/', scheme + 3);
  return slash == target.npos ? "/" : target.substr(slash);
}

// Without empty, "." and ".." segments: "/a//b/../c/" -> "/a/c/".
std::string cleaned(std::string_view path) {
  std::vector<std::string_view> kept;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view segment = next_segment(rest);
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!segment.empty() && segment != "." && segment != "..") kept.push_back(segment);
  }
  std::string out;
  for (std::string_view segment : kept) out.append("/").append(segment);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

// Where to ask for a path that nobody has, because of how it is written.
HttpResponse moved(std::string_view path, std::string_view query) {
  HttpResponse answer = HttpResponse::empty(301);
  answer.headers.set("Location", query.empty() ? std::string(path) : concat(path, "?", query));
  return answer;
}

}  // namespace

struct HttpRouter::Table {
  struct Route {
    std::string pattern;
    std::map<std::string, HttpHandler, std::less<>> by_method;

    const HttpHandler* find(std::string_view method) const {
      auto at = by_method.find(method);
      if (at == by_method.end() && method == "HEAD") at = by_method.find("GET");
      return at == by_method.end() ? nullptr : &at->second;
    }
  };
  std::map<std::string, Route, std::less<>> exact;  // by path
  std::vector<Route> patterns;                      // with {name} parts, in the order routed

  void dispatch(HttpRequest request, HttpResponder responder) const;
};

HttpRouter::HttpRouter() : table_(std::make_shared<Table>()) {}

void HttpRouter::route(std::string_view method, std::string_view pattern, HttpHandler handler) {
  INVARIANT(pattern.starts_with('/'));
  Table::Route* at = nullptr;
  if (pattern.find('{') == pattern.npos) {
    at = &table_->exact.try_emplace(std::string(pattern)).first->second;
  } else {
    for (Table::Route& known : table_->patterns) {
      if (known.pattern == pattern) at = &known;
    }
    if (!at) at = &table_->patterns.emplace_back();
  }
  at->pattern = pattern;
  const bool is_new = at->by_method.emplace(method, std::move(handler)).second;
  INVARIANT(is_new);
}

void HttpRouter::Table::dispatch(HttpRequest request, HttpResponder responder) const {
  bool path_known = false;
  auto answered_by = [&](const Route& route, PathValues values) {
    path_known = true;
    const HttpHandler* handler = route.find(request.method);
    if (!handler) return false;
    request.path_values = std::move(values);
    responder.set_route(route.pattern);
    (*handler)(std::move(request), std::move(responder));
    return true;
  };
  if (auto at = exact.find(request.path); at != exact.end() && answered_by(at->second, {})) return;
  const std::string path(raw_path(request.target));
  for (const Route& route : patterns) {
    PathValues values;
    if (match(route.pattern, path, values) && answered_by(route, std::move(values))) return;
  }
  if (path_known) return responder.send(HttpResponse::empty(405));
  if (const std::string clean = cleaned(path); clean != path && path.starts_with('/'))
    return responder.send(moved(clean, request.query));
  responder.send(HttpResponse::text(404, "404 page not found\n"));
}

void HttpRouter::dispatch(HttpRequest request, HttpResponder responder) const {
  table_->dispatch(std::move(request), std::move(responder));
}

HttpHandler HttpRouter::handler() const {
  return [table = table_](HttpRequest request, HttpResponder responder) {
    table->dispatch(std::move(request), std::move(responder));
  };
}

}  // namespace pipeline
