#include "pipeline/parse/jmespath.h"

#include <doctest/doctest.h>
#include <random>

using namespace pipeline;

namespace {

constexpr std::string_view kDocument =
    R"({"a":{"b":{"c":"deep"},"list":[10,20,30,40,50]},"users":[{"name":"ann","age":31,"tags":["x","y"]},)"
    R"({"name":"bob","age":25,"tags":[]},{"name":"cid","age":40,"tags":["z"]}],"with.dot":"dotted","s":"Text","num":7,)"
    R"("t":true,"fl":false,"z":null,"dup":1,"dup":2})";

// What the expression gives, as JSON; "error" where it fails.
std::string found(std::string_view expression, std::string_view document = kDocument) {
  auto path = JmesPath::compile(expression);
  if (!path) return path.error().message;
  auto json = check_json(document);
  REQUIRE(json);
  TemplateMemory memory;
  memory.clear(1 << 20);
  auto value = path->run(*value_of_json(*json, memory), memory);
  std::string out;
  if (!value) return "error";
  append_compact_json(out, *value);
  if (path->is_path()) {
    std::string by_text;
    append_compact_json(by_text, path->search(*json));
    CHECK(by_text == out);  // both ways to find it
  }
  return out;
}

std::string fault(std::string_view expression) {
  auto path = JmesPath::compile(expression);
  return path ? "none" : path.error().message.substr(std::string_view("could not compile JMES expression: ").size());
}

}  // namespace

TEST_SUITE("parse") {
  TEST_CASE("jmespath: finds keys and indices without building values") {
    CHECK(JmesPath::compile("a.b.c")->is_path());
    CHECK(JmesPath::compile("[0].\"x y\"[-1]")->is_path());
    CHECK_FALSE(JmesPath::compile("a[*]")->is_path());
    CHECK(found("a.b.c") == R"("deep")");
    CHECK(found("a.list[1]") == "20");
    CHECK(found("a.list[-1]") == "50");
    CHECK(found("a.list[9]") == "null");
    CHECK(found("users[0].tags[1]") == R"("y")");
    CHECK(found("\"with.dot\"") == R"("dotted")");
    CHECK(found("dup") == "2");
    CHECK(found("nosuch[0].x") == "null");
    CHECK(found("[1].a", R"([1,{"a":2}])") == "2");
    CHECK(found("\"\\u00e9\"", R"({"é":1})") == "1");
  }

  TEST_CASE("jmespath: projects, filters, slices and flattens") {
    CHECK(found("users[*].name") == R"(["ann","bob","cid"])");
    CHECK(found("users[*].tags[0]") == R"(["x","z"])");
    CHECK(found("users[].tags[]") == R"(["x","y","z"])");
    CHECK(found("users[?name == 'bob'].age | [0]") == "25");
    CHECK(found("users[?!(age < `30`)].name") == R"(["ann","cid"])");
    CHECK(found("users[?tags].name") == R"(["ann","cid"])");
    CHECK(found("a.list[1:3]") == "[20,30]");
    CHECK(found("a.list[::-2]") == "[50,30,10]");
    CHECK(found("a.list[-2:]") == "[40,50]");
    CHECK(found("s[1:3]") == R"("ex")");
    CHECK(found("a.list[::0]") == "error");
    CHECK(found("*.b.c") == R"(["deep"])");
    CHECK(found("a.*") == R"([{"c":"deep"},[10,20,30,40,50]])");
    CHECK(found("s[*]") == "null");
    CHECK(found("s[1:3].x") == R"("ex")");
    CHECK(found("s[::0]") == "null");
    CHECK(found("abs(s)[?a]") == "null");
    CHECK(found("abs(s).b") == "error");
    CHECK(found("z.abs(@)") == "null");
    CHECK(found("z | [a]") == "[null]");
  }

  TEST_CASE("jmespath: makes lists and objects, and combines values") {
    CHECK(found("users[*].[name, age]") == R"([["ann",31],["bob",25],["cid",40]])");
    CHECK(found("{n: num, \"x y\": s}") == R"({"n":7,"x y":"Text"})");
    CHECK(found("z.[a]") == "null");
    CHECK(found("t && s") == R"("Text")");
    CHECK(found("fl || z || s") == R"("Text")");
    CHECK(found("!z") == "true");
    CHECK(found("num > `3`") == "true");
    CHECK(found("s > `3`") == "null");
    CHECK(found("a.b == `{\"c\": \"deep\"}`") == "true");
    CHECK(found("`[1, \"x\"]`") == R"([1,"x"])");
    CHECK(found("'it\\'s'") == R"("it's")");
    CHECK(found("a.b.c | @") == R"("deep")");
    CHECK(found("$.s") == R"("Text")");
    CHECK(found("let $x = num, $y = s in users[?age > $x].[name, $y] | [0]") == R"(["ann","Text"])");
    CHECK(found("$x") == "error");
  }

  TEST_CASE("jmespath: calculates") {
    CHECK(found("num + `3` * `2`") == "13");
    CHECK(found("(num - `1`) / `4`") == "1.5");
    CHECK(found("num // `2`") == "3");
    CHECK(found("num % `4`") == "3");
    CHECK(found("-num") == "-7");
    CHECK(found("num * `2`") == "14");
    CHECK(found("s + `1`") == "null");
    CHECK(found("-s") == "null");
    CHECK(found("num / `2` * `3.5`") == "1");  // upstream's star binds more tightly than its slash
  }

  TEST_CASE("jmespath: has the functions of the community edition") {
    CHECK(found("length(users)") == "3");
    CHECK(found("length(z)") == "error");
    CHECK(found("nofunc(s)") == "error");
    CHECK(found("length(s, s)") == "error");
    CHECK(found("length()") == "error");
    CHECK(found("join('-', users[*].name)") == R"("ann-bob-cid")");
    CHECK(found("contains(a.list, `20`)") == "true");
    CHECK(found("contains(s, 'ex')") == "true");
    CHECK(found("sort_by(users, &age)[*].name") == R"(["bob","ann","cid"])");
    CHECK(found("max_by(users, &age).name") == R"("cid")");
    CHECK(found("min_by(users, &name).name") == R"("ann")");
    CHECK(found("map(&age, users)") == "[31,25,40]");
    CHECK(found("group_by(users, &name).bob[0].age") == "25");
    CHECK(found("sum(a.list)") == "150");
    CHECK(found("avg(a.list)") == "30");
    CHECK(found("max(a.list)") == "50");
    CHECK(found("sort(users[*].age)") == "[25,31,40]");
    CHECK(found("reverse(a.list)") == "[50,40,30,20,10]");
    CHECK(found("reverse('aé')") == R"("éa")");
    CHECK(found("keys(a)") == R"(["b","list"])");
    CHECK(found("merge(a.b, {d: num})") == R"({"c":"deep","d":7})");
    CHECK(found("not_null(z, s)") == R"("Text")");
    CHECK(found("to_string(a.b)") == R"("{\"c\":\"deep\"}")");
    CHECK(found("to_number('12.5')") == "12.5");
    CHECK(found("to_number(s)") == "null");
    CHECK(found("to_array(s)") == R"(["Text"])");
    CHECK(found("type(users)") == R"("array")");
    CHECK(found("abs(`-4`)") == "4");
    CHECK(found("ceil(`1.2`)") == "2");
    CHECK(found("starts_with(s, 'Te')") == "true");
    CHECK(found("ends_with(s, 'xt')") == "true");
    CHECK(found("lower(s)") == R"("text")");
    CHECK(found("trim('  x ')") == R"("x")");
    CHECK(found("trim_left('xxabc', 'x')") == R"("abc")");
    CHECK(found("trim_right(' a ')") == R"(" a")");
    CHECK(found("split('a,b,c', ',', `1`)") == R"(["a","b,c"])");
    CHECK(found("replace(s, 'T', 't')") == R"("text")");
    CHECK(found("find_first(s, 'x')") == "2");
    CHECK(found("find_last('abcabc', 'b')") == "4");
    CHECK(found("find_first(s, 'q')") == "null");
    CHECK(found("pad_left('7', `3`, '0')") == R"("007")");
    CHECK(found("pad_right('7', `3`)") == R"("7  ")");
    CHECK(found("pad_left('7', `3`, '00')") == "error");
    CHECK(found("find_first('aéa', 'a', `1`)") == "3");
    CHECK(found("find_last('abc', 'a', `2`, `1`)") == "null");
    CHECK(found("split('', ',')") == "[]");
    CHECK(found("group_by(`[]`, &a)") == "null");
    CHECK(found("group_by(users, &age)") == "error");
    CHECK(found("sort_by(users, &nosuch)") == "error");
    CHECK(found("max_by(users[:1], &nosuch).name") == R"("ann")");
    CHECK(found("items({a: `1`})") == R"([["a",1]])");
    CHECK(found("from_items([['k', 'v'], ['k', 'w']])") == R"({"k":"w"})");
    CHECK(found("zip([`1`, `3`], [`2`])") == "[[1,2]]");
    CHECK(found("zip([`1`])").starts_with("error"));
  }

  TEST_CASE("jmespath: names what is wrong with an expression") {
    CHECK(fault("a.") == "SyntaxError: Expected identifier, lbracket, or lbrace");
    CHECK(fault("[[[") == "SyntaxError: Incomplete expression");
    CHECK(fault("foo bar") == "SyntaxError: Unexpected token at the end of the expression: TOKUnquotedIdentifier");
    CHECK(fault("#") == "SyntaxError: Unknown char: '#'");
    CHECK(fault("a[1") == "SyntaxError: Expected TOKRbracket, received: TOKEOF");
    CHECK(fault("`bad`") == "invalid character 'b' looking for beginning of value");
    CHECK(fault("'x") == "SyntaxError: Unclosed delimiter: '");
    CHECK(fault("\"f\"(a)") == "SyntaxError: Can't have quoted identifier as function name.");
    CHECK(fault("a[1:2:3:4]") == "SyntaxError: Too many colons in slice expression");
    CHECK(fault("`{`") != "none");
    CHECK(fault("") == "SyntaxError: Incomplete expression");
    CHECK(fault("{a b}") == "SyntaxError: Expected TOKColon, received: TOKUnquotedIdentifier");
    CHECK(fault("length(a") == "SyntaxError: Incomplete expression");
    CHECK(fault("{a: b") == "SyntaxError: Expected tQuotedIdentifier or tUnquotedIdentifier");
    CHECK(fault("é") == "SyntaxError: Unknown char: '\\u00e9'");
    CHECK(fault("a[*] * `2`") == "SyntaxError: Error");
    CHECK(fault("(a)(b)") == "none");
    CHECK(fault("`1`(b)") == "SyntaxError: Invalid node as function name.");
    CHECK(fault("let $x = a") == "SyntaxError: Expected keyword in, received: TOKEOF");
    CHECK(fault(std::string(100'000, '(')) == "SyntaxError: the expression is nested too deep");
    std::string chain = "a";
    for (int i = 0; i < 100'000; ++i) chain += ".a";
    CHECK(fault(chain) == "SyntaxError: the expression is too long");
    std::string nested = "a";  // chains within parentheses
    for (int i = 0; i < 150; ++i) {
      nested = "(" + nested + ")";
      for (int k = 0; k < 150; ++k) nested += ".a";
    }
    CHECK(fault(nested) == "SyntaxError: the expression is too long");
  }

  TEST_CASE("jmespath: a run that makes too much ends") {
    std::string list = "[";
    for (int i = 0; i < 300; ++i) list += i == 0 ? "1" : ",1";
    CHECK(found("[*].[$[*].[$[*].[$]]]", list + "]") == "error");
  }

  TEST_CASE("jmespath: survives any expression") {
    uint32_t seed = std::random_device()();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    constexpr std::string_view kPieces[] = {"a",  "users", ".", "[", "]",    "*",    "[?", "[]", "(",  ")",       "&",
                                            "|",  "||",    "!", ":", "`1`",  "'s'",  "@",  "$",  "$x", "length(", "-",
                                            "==", "{",     "}", ",", "let ", " in ", "1",  "+",  "/",  "sort_by("};
    for (int round = 0; round < 5000; ++round) {
      std::string text;
      for (int i = 0; i < 9; ++i) text += kPieces[random() % std::size(kPieces)];
      (void)found(text);
    }
  }
}
