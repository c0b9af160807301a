#include "pipeline/http/http_router.h"

#include <doctest/doctest.h>

using namespace pipeline;

namespace {

// Answers with what was matched: "pattern name=value...".
struct Fixture {
  HttpRouter router;
  std::string route_label;

  void add(std::string_view method, std::string_view pattern) {
    router.route(method, pattern, [p = std::string(pattern)](HttpRequest request, HttpResponder responder) {
      std::string text = p;
      for (const auto& [name, value] : request.path_values) text += concat(" ", name, "=", value);
      responder.send(HttpResponse::text(200, text));
    });
  }
  HttpResponse ask(std::string method, std::string target) {
    HttpResponse out;
    HttpRequest request{.method = std::move(method), .target = target, .path = target.substr(0, target.find('?'))};
    router.dispatch(std::move(request), HttpResponder([&](HttpResponse response, std::string_view route) {
                      out = std::move(response);
                      route_label = route;
                    }));
    return out;
  }
};

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("router: finds exact paths, names, and the rest of a path") {
  Fixture f;
  f.add("GET", "/ready");
  f.add("GET", "/loki/api/v1/label/{name}/values");
  f.add("GET", "/loki/api/v1/label/app/values");
  f.add("GET", "/ui/{file...}");
  CHECK(f.ask("GET", "/ready?verbose").body == "/ready");
  CHECK(f.route_label == "/ready");
  CHECK(f.ask("GET", "/loki/api/v1/label/pod/values?start=1").body == "/loki/api/v1/label/{name}/values name=pod");
  CHECK(f.route_label == "/loki/api/v1/label/{name}/values");
  CHECK(f.ask("GET", "/loki/api/v1/label/app/values").body == "/loki/api/v1/label/app/values");
  CHECK(f.ask("GET", "/loki/api/v1/label/a%2Fb/values").body == "/loki/api/v1/label/{name}/values name=a/b");
  CHECK(f.ask("GET", "/ui/css/a.css").body == "/ui/{file...} file=css/a.css");
  CHECK(f.ask("GET", "/loki/api/v1/label//values").status == 301);
  CHECK(f.ask("GET", "/loki/api/v1/label/x/values/more").status == 404);
}

TEST_CASE("router: says 404 and 405 as Loki does, and lets HEAD use GET") {
  Fixture f;
  f.add("POST", "/loki/api/v1/push");
  f.add("GET", "/ready");
  CHECK(f.ask("GET", "/nowhere").status == 404);
  CHECK(f.ask("GET", "/nowhere").body == "404 page not found\n");
  CHECK(f.route_label == "other");
  CHECK(f.ask("GET", "/loki/api/v1/push").status == 405);
  CHECK(f.ask("GET", "/loki/api/v1/push").body == "");
  CHECK(f.ask("POST", "/loki/api/v1/push").status == 200);
  CHECK(f.ask("HEAD", "/ready").status == 200);
  CHECK(f.ask("HEAD", "/loki/api/v1/push").status == 405);
}

TEST_CASE("router: a path that is written oddly is told how it is written") {
  Fixture f;
  f.add("GET", "/loki/api/v1/labels");
  const auto place = [&](std::string target) {
    const HttpResponse answer = f.ask("GET", std::move(target));
    CHECK(answer.status == 301);
    CHECK(answer.body.empty());
    return std::string(answer.headers.get("Location"));
  };
  CHECK(place("//loki/api/v1/labels") == "/loki/api/v1/labels");
  CHECK(place("/loki//api/./v1/x/../labels") == "/loki/api/v1/labels");
  CHECK(place("/loki/api/v1//label%2Fa") == "/loki/api/v1/label%2Fa");
  CHECK(place("//evil.example/x//") == "/evil.example/x/");
  CHECK(place("/..") == "/");
  CHECK(place("//") == "/");
  CHECK(f.ask("GET", "/").status == 404);
  CHECK(f.ask("GET", "/loki/api/v1/labels/").status == 404);
  CHECK(f.ask("GET", "/loki/api/v1/..labels").status == 404);
}

TEST_CASE("responder: answers 500 when it is dropped unanswered") {
  HttpRouter router;
  router.route("GET", "/forgets", [](HttpRequest, HttpResponder) {});
  int status = 0;
  router.dispatch({.method = "GET", .target = "/forgets", .path = "/forgets"},
                  HttpResponder([&](HttpResponse response, std::string_view) { status = response.status; }));
  CHECK(status == 500);
}

TEST_SUITE_END();
