#include "pipeline/http/http_form.h"

#include <doctest/doctest.h>

using namespace pipeline;

TEST_SUITE_BEGIN("http");

TEST_CASE("form: decodes names and values and keeps repeated names in order") {
  auto form = HttpForm::parse("query=%7Bapp%3D%22x%22%7D&match[]=a&match[]=b+c&empty=&bare&&limit=1%30");
  REQUIRE(form.has_value());
  CHECK(form->get("query") == "{app=\"x\"}");
  CHECK(form->all("match[]") == std::vector<std::string_view>{"a", "b c"});
  CHECK(form->has("empty"));
  CHECK(form->has("bare"));
  CHECK(form->get("limit") == "10");
  CHECK_FALSE(form->has("absent"));
  CHECK(form->get("absent") == "");
}

TEST_CASE("form: values of a posted body come before those of the URL") {
  HttpRequest request{.method = "POST",
                      .query = "limit=1&start=2",
                      .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
                      .body = "limit=9"};
  auto form = HttpForm::of(request);
  REQUIRE(form.has_value());
  CHECK(form->get("limit") == "9");
  CHECK(form->all("limit") == std::vector<std::string_view>{"9", "1"});
  CHECK(form->get("start") == "2");
  request.headers.set("Content-Type", "application/json");
  CHECK(HttpForm::of(request)->get("limit") == "1");
  request.method = "GET";
  CHECK(HttpForm::of(request)->get("limit") == "1");
}

TEST_CASE("form: refuses broken escapes and semicolons, with Go's texts") {
  CHECK(HttpForm::parse("a=%zz").error().message == "invalid URL escape \"%zz\"");
  CHECK(HttpForm::parse("a=%4").error().message == "invalid URL escape \"%4\"");
  CHECK(HttpForm::parse("a=1;b=2").error().message == "invalid semicolon separator in query");
}

TEST_CASE("percent codes: every byte survives there and back") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(*percent_decode(percent_encode(all), PlusIsSpace::kYes) == all);
  CHECK(*percent_decode("a+b", PlusIsSpace::kNo) == "a+b");
  CHECK(percent_encode("a b/ä") == "a%20b%2F%C3%A4");
}

TEST_CASE("headers: names compare without case, lists are searched by token") {
  HttpHeaders headers{
      {"Content-Type", "Text/Plain; charset=utf-8"}, {"connection", "keep-alive, Close"}, {"X", "1"}, {"x", "2"}};
  CHECK(headers.get("content-type") == "Text/Plain; charset=utf-8");
  CHECK(media_type(headers.get("CONTENT-TYPE")) == "text/plain");
  CHECK(headers.has_token("Connection", "close"));
  CHECK_FALSE(headers.has_token("Connection", "clos"));
  CHECK(headers.all("X") == std::vector<std::string_view>{"1", "2"});
  headers.set("x", "3");
  CHECK(headers.all("X") == std::vector<std::string_view>{"3"});
  CHECK(headers.get("none") == "");
  CHECK_FALSE(headers.has("none"));
}

TEST_SUITE_END();
