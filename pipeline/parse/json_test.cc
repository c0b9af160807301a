#include "pipeline/parse/json.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/parse/jmespath.h"
#include "pipeline/parse/json_path.h"

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {

// "name=value ..." and, behind a !, the fault.
std::string flatten(std::string_view line) {
  Arena arena;
  std::vector<JsonField> fields;
  auto fault = flatten_json(line, fields, arena);
  std::string out;
  for (const JsonField& field : fields) out += concat(field.name, "=", logql_text(field.value, arena), ";");
  if (fault) out += concat("!", *fault);
  return out;
}

std::string at_path(std::string_view path, std::string_view line) {
  auto parsed = JsonPath::parse(path);
  if (!parsed) return parsed.error().message;
  auto found = parsed->find(line);
  Arena arena;
  if (found.fault) return concat("!", *found.fault);
  return found.value ? std::string(json_path_text(*found.value, arena)) : "nothing";
}

std::string jmes(std::string_view expression, std::string_view text) {
  auto path = JmesPath::compile(expression);
  if (!path) return path.error().message;
  auto document = check_json(text);
  REQUIRE(document.has_value());
  std::string out;
  append_compact_json(out, path->search(*document));
  return out;
}

std::string compact(std::string_view text) {
  auto value = check_json(text);
  if (!value) return "malformed";
  std::string out;
  append_compact_json(out, *value);
  return out;
}

std::string plain(double number) {
  std::string out;
  append_plain_number(out, number);
  return out;
}

}  // namespace

TEST_CASE("json fields: nested names, kinds, escapes") {
  CHECK(flatten(R"({"a":"x","b":{"c":1e3,"d":{"e":true}},"l":[1,{"z":2}],"n":null,"o":{},"f":false})") ==
        "a=x;b_c=1e3;b_d_e=true;f=false;");
  CHECK(flatten(R"( { "a.b-c" : "é\u00e9\ud83d\ude00\n" , } tail)") == "a_b_c=éé😀\n;");
  CHECK(flatten(R"({" x ":1,"1a":2,"":3,"{é}":4," ":{"y":5},"b":{"1":6}})") == "x=1;_1a=2;___=4;y=5;b_1=6;");
  CHECK(flatten(R"({"a":"\ud800x","b":"\q"})") == "a=;b=;");
  CHECK(flatten("{\"a\":\"x\xffy\"}") == "a=x y;");
  CHECK(flatten(R"({"a\"b":1})") == "a_b=1;");
}

TEST_CASE("json fields: keeps what stands before a fault, and words the fault as Loki does") {
  CHECK(flatten("") == "!Value looks like object, but can't find closing '}' symbol");
  CHECK(flatten("[1]") == "!Value looks like object, but can't find closing '}' symbol");
  CHECK(flatten(R"({"a":1,"b" 2})") == "a=1;!Malformed JSON error");
  CHECK(flatten(R"({"a":1,"b)") == "a=1;!Malformed JSON error");
  CHECK(flatten(R"({"a":1)") == "a=1;!Value is array, but can't find closing ']' symbol");
  CHECK(flatten(R"({"a":1,"b":"x)") == "a=1;!Value is string, but can't find closing '\"' symbol");
  CHECK(flatten(R"({"a":tru})") == "!Unknown value type");
  CHECK(flatten(R"({"a":1 "b":2})") == "a=1;!Value looks like object, but can't find closing '}' symbol");
  CHECK(flatten(R"({"a":[1,2,"b":3})") == "!Value is array, but can't find closing ']' symbol");
  CHECK(flatten(R"({"a":{"b":1,"c":2)") == "!Value looks like object, but can't find closing '}' symbol");
  CHECK(flatten(R"({"a":{"b":1 2}})") == "a_b=1;!Value looks like object, but can't find closing '}' symbol");
  CHECK(flatten(R"({"\q":1})") == "!Encountered an invalid escape sequence in a string");
}

TEST_CASE("json fields: a document nested deeper than the limit is a fault, not a crash") {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "{\"a\":";
  CHECK(flatten(deep + "1" + std::string(5000, '}')).starts_with("!"));
  CHECK_FALSE(check_json(std::string(100000, '[')).has_value());
}

TEST_CASE("json: checks as RFC 8259") {
  for (std::string_view good :
       {"1", "-0", "1.5e-3", "\"\"", "null", "[]", "{}", " [1 , \"a\" ] ", "{\"a\":{}}", "\"\\u12aF\"", "0"}) {
    CHECK_MESSAGE(check_json(good).has_value(), good);
  }
  for (std::string_view bad :
       {"",     "x",    "01",      "1.",    "-",          ".5",    "1e",  "\"",       "\"\\q\"", "\"\\u12g4\"",
        "\"\\", "[1,]", "{\"a\"}", "{a:1}", "{\"a\":1,}", "[1 2]", "1 2", "\"a\nb\"", "tru",     "nul",
        "[",    "{",    "{\"a\":", "]",     "+1"}) {
    CHECK_MESSAGE(!check_json(bad).has_value(), bad);
  }
}

TEST_CASE("json: a number that no double can hold is malformed") {
  for (const std::string& good : std::vector<std::string>{"1e308", "-1e308", "1e-400", "0e999", std::string(300, '9')})
    CHECK_MESSAGE(check_json(good).has_value(), good);
  for (const std::string& bad : std::vector<std::string>{"1e309", "-1e400", "[1E+999]", std::string(310, '9')})
    CHECK_MESSAGE(!check_json(bad).has_value(), bad);
}

TEST_CASE("json: reads nothing outside a text cut anywhere") {
  std::string whole = R"({"a":"x\u00e9\"","b":{"c":[1,-2.5e3,"d"]},"e":true,"ffffffffffffffffffffffffffff":null})";
  REQUIRE(check_json(whole).has_value());
  for (size_t length = 0; length < whole.size(); ++length) {
    std::vector<char> exact(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    std::string_view text(exact.data(), exact.size());
    CHECK_FALSE(check_json(text).has_value());
    flatten(text);
    if (length > 0) at_path("b.c[1]", text);
  }
}

TEST_CASE("json: random bytes never confuse the readers, and what the strict one takes the lenient one takes") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  constexpr std::string_view kPieces[] = {
      "{",      "}",         "[",  "]",    "\"",
      "\"a\"",  ":",         ",",  "1",    "-",
      "true",   "null",      "\\", " ",    "\\u00e9",
      "\"b\":", "{\"a\":1}", "x",  "\xff", "\"long text of more than sixteen bytes\""};
  for (int round = 0; round < 30000; ++round) {
    std::string text = random() % 2 == 0 ? "{" : "";
    for (size_t n = random() % 12; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
    INFO("text ", text);
    auto checked = check_json(text);
    std::string fields = flatten(text);
    if (checked && checked->kind == JsonKind::kObject) REQUIRE(fields.find('!') == std::string::npos);
    if (!text.empty()) at_path("a[0].b", text);
    if (checked) REQUIRE(check_json(compact(text)).has_value());
  }
}

TEST_CASE("json: picks members as one who reads all of them would") {
  const std::vector<std::string> names = {"a", "level", "", "b\"c"};
  std::vector<JsonValue> found(names.size());
  auto picked = [&](std::string_view text) {
    std::string out;
    if (!pick_json(text, names, found)) return std::string("malformed");
    for (const JsonValue& value : found) append_compact_json(out, value), out += ' ';
    return out;
  };
  CHECK(picked(R"({"a":1,"x":[{"a":2}],"level":"warn","a":{"b":3}})") == R"({"b":3} "warn" null null )");
  CHECK(picked(R"({"":0,"b\"c":true,"\u0061":5})") == "5 null 0 true ");
  CHECK(picked(R"([{"a":1}])") == "null null null null ");
  CHECK(picked(R"({"a":1)") == "malformed");
  uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kPieces[] = {"{", "}",         "\"a\"", "\"level\"", ":", ",",
                                          "1", "\"x\\ty\"", "null",  "[",         "]", " "};
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "{";
    for (int i = 0; i < 9; ++i) text += kPieces[random() % std::size(kPieces)];
    text += "}";
    std::vector<JsonMember> members;
    auto document = check_json(text, &members);
    REQUIRE_MESSAGE(pick_json(text, names, found).has_value() == document.has_value(), text);
    if (!document) continue;
    for (size_t k = 0; k < names.size(); ++k) {
      std::string_view last;
      for (const JsonMember& member : members) {
        if (json_equals(member.name, names[k])) last = member.value.raw;
      }
      CHECK_MESSAGE(found[k].raw == last, text);
    }
  }
}

TEST_CASE("json: compact form sorts keys and prints numbers as Go's writers") {
  CHECK(compact(R"( {"b": 1.50, "a": [1e3, 1e-7, 1e21, "<&>"], "b": null} )") ==
        R"({"a":[1000,1e-07,1e+21,"\u003c\u0026\u003e"],"b":null})");
  CHECK(plain(12345678901234567890.0) == "12345678901234567000");
  CHECK(plain(0.000001234) == "0.000001234");
  CHECK(plain(-1.5) == "-1.5");
  CHECK(plain(100) == "100");
  CHECK(plain(0) == "0");
}

TEST_CASE("json path: fields, quoted keys, indexes, the first of equal keys") {
  std::string line = R"({"a":{"b.c":[10,{"x":"y\n"}]},"a2":null,"a":1,"s":"t","n":-1.50,"l":[ 1 , "z" ]})";
  CHECK(at_path("a[\"b.c\"][1].x", line) == "y\n");
  CHECK(at_path("a[\"b.c\"][0]", line) == "10");
  CHECK(at_path("a", line) == R"({"b.c":[10,{"x":"y\n"}]})");
  CHECK(at_path("a2", line) == "");
  CHECK(at_path("n", line) == "-1.50");
  CHECK(at_path("l", line) == R"([ 1 , "z" ])");
  CHECK(at_path("l[2]", line) == "nothing");
  CHECK(at_path("s.t", line) == "nothing");
  CHECK(at_path("[1]", "[1,2]") == "2");
  CHECK(at_path("a", R"({"a":tru})") == "!Unknown value type");
  CHECK(at_path("a", R"({"a":"open)") == "!Value is string, but can't find closing '\"' symbol");
  CHECK(at_path("b", R"({"a" 1,"b":2})") == "nothing");
}

TEST_CASE("json path: refuses with Loki's words") {
  CHECK(at_path("b-c", "{}") == "cannot parse expression [b-c]: unexpected char -");
  CHECK(at_path("", "{}") == "cannot parse expression []: syntax error: unexpected $end, expecting LSB or FIELD");
  for (std::string_view bad : {"a.", "a[", "a[-1]", "a[*]", "a..b", "[\"x", "a[1", "1a"}) {
    CHECK_MESSAGE(!JsonPath::parse(bad).has_value(), bad);
  }
}

TEST_CASE("jmespath: keys, sub-expressions and indexes") {
  std::string text = R"({"a":{"b":[10,20,30],"c.d":"x"},"k":1,"k":2})";
  CHECK(jmes("a.b[0]", text) == "10");
  CHECK(jmes("a.b[-1]", text) == "30");
  CHECK(jmes("a.b[3]", text) == "null");
  CHECK(jmes("a.\"c.d\"", text) == "\"x\"");
  CHECK(jmes(" a . b [ 1 ] ", text) == "20");
  CHECK(jmes("k", text) == "2");
  CHECK(jmes("k.x", text) == "null");
  CHECK(jmes("[1]", "[1,2]") == "2");
}

TEST_SUITE_END();
