#include "pipeline/parse/go_template.h"

#include <doctest/doctest.h>
#include <random>

using namespace pipeline;

namespace {

// Runs templates on the object of a JSON text.
class Templates {
 public:
  explicit Templates(std::string_view data = "{}", TemplateFunctions functions = TemplateFunctions::kStage,
                     TemplateLimits limits = {})
      : functions_(functions), run_(limits) {
    memory_.clear(size_t{1} << 20);
    json_ = data;
    data_ = *value_of_json(*check_json(json_), memory_, true);
    data_.as_map().only_texts = functions == TemplateFunctions::kLogql;
  }

  Result<std::string> operator()(std::string_view text) {
    TRY_LET(GoTemplate compiled, GoTemplate::parse("line", text, functions_));
    std::vector<TemplateValue> fields;
    for (const std::string& name : compiled.fields()) {
      const TemplateValue* found = data_.as_map().find(name);
      fields.push_back(found != nullptr ? *found : TemplateValue());
    }
    std::string out;
    TRY(compiled.run({.fields = fields,
                      .all = &data_.as_map(),
                      .now = 1'700'000'000'123'456'789,
                      .line = "the line",
                      .timestamp = 1'700'000'000'123'456'000},
                     run_, out));
    return out;
  }
  std::string text(std::string_view text) {
    auto out = (*this)(text);
    return out ? *out : "error: " + out.error().message;
  }
  std::string error(std::string_view text) {
    auto out = (*this)(text);
    return out ? "no error" : out.error().message;
  }

 private:
  TemplateFunctions functions_;
  std::string json_;
  TemplateMemory memory_;
  TemplateValue data_;
  TemplateRun run_;
};

constexpr std::string_view kData =
    R"({"name":"alice","n":5,"f":1.5,"t":true,"nil":null,"empty":"","list":["a","b","c"],"map":{"k":{"d":"x"}}})";

}  // namespace

TEST_SUITE("parse") {
  TEST_CASE("template: prints values as Go does") {
    Templates t(kData);
    CHECK(t.text("a {{ .name }} {{ .n }} {{ .f }} {{ .t }}") == "a alice 5 1.5 true");
    CHECK(t.text("{{ .missing }}|{{ .nil }}|{{ .missing.sub }}") == "<no value>|<no value>|<no value>");
    CHECK(t.text("{{ .list }} {{ .map }} {{ .map.k.d }}") == "[a b c] map[k:map[d:x]] x");
    CHECK(t.text("{{ 1e6 }} {{ 123456.0 }} {{ 0.00001 }} {{ 0x1f }} {{ 'a' }} {{ 1_000 }} {{ 1i }}") ==
          "1e+06 123456 1e-05 31 97 1000 (0+1i)");
  }

  TEST_CASE("template: trims around markers and leaves comments out") {
    Templates t(kData);
    CHECK(t.text("a  {{- .n -}}  b") == "a5b");
    CHECK(t.text("a {{/* no */}}b{{- /* c */ -}} c") == "a bc");
    CHECK(t.text("{{-3}}") == "-3");
    CHECK(t.text("}} {") == "}} {");
  }

  TEST_CASE("template: takes branches, loops and variables") {
    Templates t(kData);
    CHECK(t.text("{{ if .empty }}y{{ else if eq .n 5 }}five{{ else }}n{{ end }}") == "five");
    CHECK(t.text("{{ range $i, $e := .list }}{{ if eq $e \"c\" }}{{ break }}{{ end }}{{ $i }}{{ $e }}{{ end }}") ==
          "0a1b");
    CHECK(t.text("{{ range .list }}{{ if eq . \"b\" }}{{ continue }}{{ end }}{{ . }}{{ $.n }}{{ end }}") == "a5c5");
    CHECK(t.text("{{ range .nil }}x{{ else }}none{{ end }}{{ range 3 }}{{ . }}{{ end }}") == "none012");
    CHECK(t.text("{{ with .map.k }}{{ .d }}{{ else with .n }}{{ . }}{{ end }}{{ with .missing }}x{{ end }}") == "x");
    CHECK(t.text("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ $y }}{{ end }}{{ $x }}") == "32");
    CHECK(t.text("{{ range $k, $v := .map }}{{ $k }}={{ $v.d }}{{ end }}") == "k=x");
  }

  TEST_CASE("template: calls templates that it defines") {
    Templates t(kData);
    CHECK(t.text(R"({{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .name }}{{ template "t" }})") ==
          "[alice][<no value>]");
    CHECK(t.text(R"({{ block "b" .list }}{{ len . }}{{ end }})") == "3");
    CHECK(t.text(R"({{ define "t" }}{{ .name }}{{ $.n }}{{ end }}{{ template "t" . }})") == "alice5");
    CHECK(t.error(R"({{ template "none" }})") ==
          R"(template: line:1:12: executing "line" at <{{template "none"}}>: template "none" not defined)");
    CHECK(t.error(R"({{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }})").find("maximum template depth") !=
          std::string::npos);
  }

  TEST_CASE("template: names faults of a text as Go does") {
    Templates t;
    CHECK(t.error("{{ .x") == "template: line:1: unclosed action");
    CHECK(t.error("\n{{ if .x }}") == "template: line:2: unexpected EOF");
    CHECK(t.error("{{ $y }}") == R"(template: line:1: undefined variable "$y")");
    CHECK(t.error("{{ nofunc }}") == R"(template: line:1: function "nofunc" not defined)");
    CHECK(t.error("{{ \"x }}") == "template: line:1: unterminated quoted string");
    CHECK(t.error("{{ /* x */ }}") == R"(template: line:1: unexpected "/" in command)");
    CHECK(t.error("{{/* x }}") == "template: line:1: unclosed comment");
    CHECK(t.error("{{ }}") == "template: line:1: missing value for command");
    CHECK(t.error("{{ .x ) }}") == "template: line:1: unexpected right paren");
    CHECK(t.error("{{ ( .x }}") == "template: line:1: unclosed left paren");
    CHECK(t.error("{{ break }}") == "template: line:1: {{break}} outside {{range}}");
    CHECK(t.error("{{ end }}") == "template: line:1: unexpected {{end}}");
    CHECK(t.error("{{ if 1 }}{{ else }}{{ else }}{{ end }}") == "template: line:1: expected end; found {{else}}");
    CHECK(t.error("{{ 1 | 2 }}") == "template: line:1: non executable command in pipeline stage 2");
    CHECK(t.error("{{ 08x }}") == R"(template: line:1: bad number syntax: "08x")");
    CHECK(t.error("{{ \"a\".b }}") == R"(template: line:1: unexpected . after term "\"a\"")");
    CHECK(t.error(R"({{define "a"}}1{{end}}{{define "a"}}2{{end}})") ==
          R"(template: line:1: template: multiple definition of template "a")");
  }

  TEST_CASE("template: names faults of a run with their place") {
    Templates t(kData);
    CHECK(
        t.error("{{ substr 5 2 \"abcdef\" }}") ==
        "template: line:1:3: executing \"line\" at <substr 5 2 \"abcdef\">: error calling substr: runtime error: slice "
        "bounds out of range [5:2]");
    CHECK(t.error("a\n{{ .name.x }}") ==
          "template: line:2:8: executing \"line\" at <.name.x>: can't evaluate field x in type string");
    CHECK(t.error("{{ upper .n }}") ==
          "template: line:1:9: executing \"line\" at <.n>: wrong type for value; expected string; got int");
    CHECK(t.error("{{ upper }}") ==
          "template: line:1:3: executing \"line\" at <upper>: wrong number of args for upper: want 1 got 0");
    CHECK(t.error("{{ upper .missing }}").ends_with("invalid value; expected string"));
    CHECK(t.error("{{ upper 5 }}").ends_with("at <5>: expected string; found 5"));
    CHECK(t.error("{{ repeat (add 1 2) \"x\" }}").ends_with("wrong type for value; expected int; got int64"));
    CHECK(t.error("{{ .name .n }}").ends_with("name is not a method but has arguments"));
    CHECK(t.error("{{ 5 .n }}").ends_with("can't give argument to non-function 5"));
    CHECK(t.error("{{ nil }}").ends_with("nil is not a command"));
    CHECK(t.error("{{ .nil.x }}").ends_with("nil pointer evaluating interface {}.x"));
    CHECK(t.error("{{ range .name }}{{ end }}").ends_with("range can't iterate over alice"));
    CHECK(t.error("{{ $x = 1 }}").ends_with("undefined variable: $x"));
    CHECK(t.error("{{ div 1 0 }}").ends_with("error calling div: runtime error: integer divide by zero"));
    CHECK(t.error("{{ lt 1 \"a\" }}").ends_with("incompatible types for comparison"));
    CHECK(t.error("{{ fail \"mine\" }}").ends_with("error calling fail: mine"));
    CHECK(t.error("{{ index .list 9 }}").ends_with("error calling index: index out of range: 9"));
    CHECK(t.error("{{ regexFind \"(\" .name }}").find("error parsing regexp") != std::string::npos);
  }

  TEST_CASE("template: has the functions of every template") {
    Templates t(kData);
    CHECK(t.text("{{ and 1 0 2 }} {{ or 0 \"z\" }} {{ not 1 }} {{ or .n (fail \"not run\") }}") == "0 z false 5");
    CHECK(t.text("{{ eq .name \"bob\" \"alice\" }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge \"b\" "
                 "\"a\" }}") == "true true true true true true");
    CHECK(t.text("{{ eq .nil nil }} {{ eq .missing \"x\" }}") == "true false");
    CHECK(t.text("{{ len .name }} {{ index .map \"k\" \"d\" }} {{ index .list 1 }} {{ index \"abc\" 0 }}") ==
          "5 x b 97");
    CHECK(t.text("{{ print 1 2 \"a\" 3 }} {{ println 1 \"a\" }}{{ html \"<'\\\">&\" }} {{ urlquery \"a b&c\" }}") ==
          "1 2a3 1 a\n&lt;&#39;&#34;&gt;&amp; a+b%26c");
    CHECK(t.text("{{ js \"it's <b>\\n\" }}") == "it\\'s \\u003Cb\\u003E\\u000A");
  }

  TEST_CASE("template: prints by Go's verbs") {
    Templates t(kData);
    CHECK(t.text(R"({{ printf "%5d|%-5d|%05d|%+d|% d|%x|%#o|%08b|%c|%q|%U" 42 42 42 42 42 255 8 5 65 65 65 }})") ==
          "   42|42   |00042|+42| 42|ff|010|00000101|A|'A'|U+0041");
    CHECK(t.text(R"({{ printf "%5.2f|%e|%g|%v|%08.3f|%+.1f" 3.14159 1500.0 0.0000001 1e21 -3.14159 2.0 }})") ==
          " 3.14|1.500000e+03|1e-07|1e+21|-003.142|+2.0");
    CHECK(t.text(R"({{ printf "%s|%6s|%-6s|%.2s|%q|%x|% X|%T %T" "abc" "é" "abc" "abc" "a\"b" "hi" "hi" 1 .list }})") ==
          "abc|     é|abc   |ab|\"a\\\"b\"|6869|68 69|int []interface {}");
    CHECK(t.text(R"({{ printf "%d %s %z" "x" 1 1 }} {{ printf "%d" }} {{ printf "x" 1 }} {{ printf "%" }})") ==
          "%!d(string=x) %!s(int=1) %!z(int=1) %!d(MISSING) x%!(EXTRA int=1) %!(NOVERB)");
    CHECK(
        t.text(
            R"({{ printf "%[2]d %[1]d" 1 2 }} {{ printf "%*d" 5 1 }} {{ printf "%[5]d" 1 }} {{ printf "%s" .nil }})") ==
        "2 1     1 %!d(BADINDEX) %!s(<nil>)");
    CHECK(t.text(R"({{ printf "%#U %x %X %x" 'a' 1.5 -0.1 0.0 }} {{ rest (list) }}{{ first (list) }})") ==
          "U+0061 'a' 0x1.8p+00 -0X1.999999999999AP-04 0x0p+00 []<no value>");
    CHECK(t.text(R"({{ printf "%6.2f|%-5d|%5d" 3 "x" (list "a" 1) }} {{ html .nil }})") ==
          "%!f(int=    03)|%!d(string=x    )|[%!d(string=    a)     1] &lt;no value&gt;");
    CHECK(t.text(R"({{ printf "%v %d %s" .list .list .map }} {{ printf "%#v" "a" }} {{ printf "%t %v" true nil }})") ==
          "[a b c] [%!d(string=a) %!d(string=b) %!d(string=c)] map[k:map[d:x]] \"a\" true <nil>");
  }

  TEST_CASE("template: has Sprig's functions on texts") {
    Templates t(kData);
    CHECK(t.text(R"({{ upper "aé" }} {{ title "hello wOrld" }} {{ untitle "Hello World" }} {{ swapcase "aBc" }})") ==
          "AÉ Hello WOrld hello world AbC");
    CHECK(
        t.text(
            R"({{ trunc 3 "hello" }} {{ trunc -3 "hello" }} {{ substr 1 3 "hello" }} {{ abbrev 6 "hello world" }})") ==
        "hel llo el hel...");
    CHECK(
        t.text(
            R"({{ snakecase "FirstName" }} {{ snakecase "HTTPServer" }} {{ kebabcase "FirstName" }} {{ camelcase "http_server" }})") ==
        "first_name http_server first-name HttpServer");
    CHECK(
        t.text(
            R"({{ snakecase "http2xx" }} {{ snakecase "Bld4Floor3rd" }} {{ snakecase "HTTP20xOK" }} {{ snakecase "GO PATH" }})") ==
        "http_2xx bld4_floor_3rd http_20x_ok go_path");
    CHECK(t.text(
              R"({{ snakecase "user=bob took 12ms" }} {{ kebabcase "a<b>.Cd  e,F" }} {{ snakecase "_aB__1x1/-C" }})") ==
          "user_=_bob_took_12ms a-<-b->.cd--e,f _a_b__1x1/-c");
    CHECK(t.text("{{ sortAlpha nil }}") == "[<nil>]");
    CHECK(t.text(R"({{ printf "%#o %#U" "a" "b" }})") == "%!o(string=a) %!U(string=b)");
    CHECK(t.text(R"({{ printf "%b %b %b %12.3b|" 1.5 -0.0 1e300 1e-320 }})") ==
          "6755399441055744p-52 -0p-1074 6724873095247260p+944   2024p-1074|");
    CHECK(
        t.text(
            R"({{ trimAll "$" "$5$" }}{{ trimSuffix "-" "a-" }}{{ trim " b " }}{{ nospace "a b" }}{{ initials "First Try" }})") ==
        "5abab"
        "FT");
    CHECK(
        t.text(
            R"({{ "a" | repeat 3 }} {{ replace "a" "b" "aa" }} {{ indent 2 "x\ny" }} {{ cat 1 nil "b" }} {{ quote "a" 1 }})") ==
        "aaa bb   x\n  y 1 b \"a\" \"1\"");
    CHECK(
        t.text(
            R"({{ join "-" .list }} {{ splitList "," "a,b" }} {{ (split "," "a,b")._1 }} {{ sortAlpha (list "b" "a") }})") ==
        "a-b-c [a b] b [a b]");
    CHECK(
        t.text(
            R"({{ Replace "aaa" "a" "b" 2 }} {{ Trim "xax" "x" }} {{ TrimLeft "aab" "a" }} {{ TrimPrefix "ab" "a" }})") ==
        "bba a b b");
    CHECK(t.text(R"({{ regexReplaceAll "(l+)o" "hello" "<${1}>" }} {{ regexReplaceAllLiteral "l" "hello" "$1" }})") ==
          "he<ll> he$1$1o");
    CHECK(
        t.text(R"({{ regexFindAll "[a-c]" "xaybzc" 2 }} {{ regexSplit "," "a,b,c" -1 }} {{ regexMatch "^x" "xy" }})") ==
        "[a b] [a b c] true");
    CHECK(t.text(R"({{ regexReplaceAll "a*" .empty "x" }})") == "x");
    CHECK(t.text(R"({{ regexReplaceAllLiteral "$" .empty "x" }} {{ regexSplit "" .empty -1 }})") == "x []");
    CHECK(t.text(R"({{ regexReplaceAll "x*" "abc" "-" }} {{ regexFind "\\d+" "a12" }} {{ regexQuoteMeta "a.b" }})") ==
          "-a-b-c- 12 a\\.b");
  }

  TEST_CASE("template: has Sprig's functions on numbers, lists and maps") {
    Templates t(kData);
    CHECK(t.text("{{ add 1 2 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 4 }} {{ max 1 5 }} {{ round 1.2345 "
                 "2 }}") == "3 3 6 3 3 5 1.23");
    CHECK(t.text("{{ addf 0.1 0.2 }} {{ mulf 1.1 1.1 }} {{ divf 1 3 }} {{ int \"12.7\" }} {{ int \"010\" }} {{ int "
                 "\"abc\" }}") == "0.3 1.21 0.3333333333333333 12 8 0");
    CHECK(t.text("{{ until 3 }} {{ untilStep 5 0 -2 }} {{ seq 1 2 7 }} {{ atoi \"12\" }}") ==
          "[0 1 2] [5 3 1] 1 3 5 7 12");
    CHECK(
        t.text(
            R"({{ uniq (list 1 1 2) }} {{ has 2 (list 1 2) }} {{ without (list 1 2 3) 2 }} {{ slice (list 1 2 3) 1 }} {{ chunk 2 (list 1 2 3) }})") ==
        "[1 2] true [1 3] [2 3] [[1 2] [3]]");
    CHECK(t.text(R"({{ first .list }}{{ last .list }}{{ rest .list }}{{ reverse .list }}{{ append .list 1 }})") ==
          "ac[b c][c b a][a b c 1]");
    CHECK(
        t.text(
            R"({{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ $d }} {{ hasKey $d "b" }} {{ keys $d }} {{ pick $d "a" }} {{ omit $d "a" }})") ==
        "map[a:1 b:2] true [a b] map[a:1] map[b:2]");
    CHECK(
        t.text(
            R"({{ default "d" .empty }} {{ coalesce "" .missing "c" }} {{ ternary "y" "n" true }} {{ empty .list }})") ==
        "d c y false");
    CHECK(
        t.text(
            R"({{ dict "b" 1 "a" "<" | toJson }} {{ (fromJson "{\"k\":[1,2.5]}").k }} {{ fromJson "{" }} {{ 1e-9 | toJson }})") ==
        R"({"a":"\u003c","b":1} [1 2.5] <no value> 1e-9)");
    CHECK(t.text(R"({{ dig "k" "d" "none" .map }} {{ merge (dict "x" 1) (dict "x" 2 "y" 3) }})") == "x map[x:1 y:3]");
  }

  TEST_CASE("template: has digests, encodings, paths and URLs") {
    Templates t;
    CHECK(t.text(R"({{ b64enc "alice" }} {{ b64dec "YWxpY2U=" }} {{ b64dec "?" }} {{ b32enc "alice" }})") ==
          "YWxpY2U= alice illegal base64 data at input byte 0 MFWGSY3F");
    CHECK(t.text(R"({{ b64dec "YQ" }}; {{ b64dec "YWxpY2" }}; {{ b64dec "YQ=" }})") ==
          "illegal base64 data at input byte 0; illegal base64 data at input byte 4; illegal base64 data at input byte "
          "3");
    CHECK(t.text(R"({{ expandenv "$NOPE x" }}|{{ expandenv "a${B}c$d_1-$ $$ ${" }}|{{ printf "%+v" (list 1) }})") ==
          " x|ac-$  |[1]");
    CHECK(t.text(R"({{ nospace "größe 日本" }} {{ nospace "größe" }} {{ initials "éa b" }})") ==
          "gr\u00c3\u00b6\u00c3\u009fe\u00e6\u0097\u00a5\u00e6\u009c\u00ac größe \u00c3b");
    CHECK(t.text(R"({{ sha1sum "a" }} {{ adler32sum "a" }})") == "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8 6422626");
    CHECK(t.text(R"({{ Hash "s" "hello World" }})") ==
          "8d9cd91c087e7fd926c718c52ba93ec26dbc7ae5bca1ca86d88a0151beb8a3c3");
    CHECK(t.text(
              R"({{ base "/a/b.c" }} {{ dir "/a/b.c" }} {{ ext "/a/b.c" }} {{ clean "/a/../b/" }} {{ isAbs "/a" }})") ==
          "b.c /a .c /b true");
    CHECK(
        t.text(
            R"({{ (urlParse "http://u@h:80/p?q=1#f").hostname }} {{ urlJoin (dict "scheme" "http" "host" "h" "path" "/p") }})") ==
        "h http://h/p");
    CHECK(
        t.text(R"({{ typeOf 1 }} {{ kindOf (list 1) }} {{ kindIs "string" "a" }} {{ deepEqual (list 1) (list 1) }})") ==
        "int slice true true");
  }

  TEST_CASE("template: numbers out of all bounds do no harm") {
    Templates t;
    constexpr std::string_view kMost = "9223372036854775807";
    for (std::string_view text : {"{{ date \"2006\" $n }}",
                                  "{{ (toDate \"2006\" \"9999\").UnixNano }}",
                                  "{{ ago $n }}",
                                  "{{ ago (sub 0 $n) }}",
                                  "{{ printf \"%*d\" $n 1 }}",
                                  "{{ printf \"%*d\" (int (sub -1 $n)) 1 }}",
                                  "{{ substr $n $n \"a\" }}",
                                  "{{ trunc $n \"a\" }}",
                                  "{{ trunc (int (sub -1 $n)) \"a\" }}",
                                  "{{ abbrev $n \"abc\" }}",
                                  "{{ abbrevboth $n $n \"abcdefgh\" }}",
                                  "{{ add $n 1 }}",
                                  "{{ mul $n $n }}",
                                  "{{ div (sub -1 $n) -1 }}",
                                  "{{ mod (sub -1 $n) -1 }}",
                                  "{{ untilStep 1 $n $n }}",
                                  "{{ round 1.5 $n }}",
                                  "{{ duration (int64 $n) }}",
                                  "{{ durationRound (int64 $n) }}",
                                  "{{ chunk $n (list 1) }}",
                                  "{{ splitn \",\" $n \"a,b\" }}",
                                  "{{ addf $n 0.1 }}",
                                  "{{ mulf 1e300 1e300 }}",
                                  "{{ divf 1e-300 1e300 }}",
                                  "{{ int 1e300 }}",
                                  "{{ wrap $n \"a b\" }}"}) {
      auto out = t(concat("{{ $n := ", kMost, " }}", text));
      CHECK((out.has_value() || !out.error().message.empty()));
    }
    CHECK(t.text("{{ add 9223372036854775807 1 }}") == "-9223372036854775808");
  }

  TEST_CASE("template: compares versions") {
    Templates t;
    auto fits = [&](std::string_view range, std::string_view version) {
      return t.text(concat("{{ semverCompare \"", range, "\" \"", version, "\" }}")) == "true";
    };
    CHECK(fits("^1.2.0", "1.3.4"));
    CHECK_FALSE(fits("^1.2.0", "2.0.0"));
    CHECK(fits("^0.2.3", "0.2.9"));
    CHECK_FALSE(fits("^0.2.3", "0.3.0"));
    CHECK(fits("~1.2", "1.2.9"));
    CHECK_FALSE(fits("~1.2", "1.3.0"));
    CHECK(fits(">=1.2, <2 || 3.x", "3.1.0"));
    CHECK(fits("1.2 - 1.4", "1.4.5"));
    CHECK(fits(">= 1.0", "v1.0"));
    CHECK_FALSE(fits(">1.2", "1.2.9"));
    CHECK(fits("!=1.2", "1.3.0"));
    CHECK_FALSE(fits(">=1.0", "1.1.0-beta"));
    CHECK(fits(">=1.0-0", "1.1.0-beta"));
    CHECK(fits(">1.0.0-alpha.9", "1.0.0-alpha.10"));
    CHECK(fits("*", "1.0.0"));
    CHECK(t.text("{{ (semver \"1.2.3-rc.1+b\").Minor }}") == "2");
    CHECK(t.error("{{ semver \"x\" }}").ends_with("Invalid Semantic Version"));
    CHECK(t.error("{{ semverCompare \"=!1\" \"1.0.0\" }}").find("improper constraint") != std::string::npos);
  }

  TEST_CASE("template: has times") {
    Templates t;
    CHECK(t.text(R"({{ dateInZone "2006-01-02 15:04:05 MST" 0 "Europe/Berlin" }})") == "1970-01-01 01:00:00 CET");
    CHECK(t.text(R"({{ (now.UTC).Format "2006-01-02T15:04:05.000Z07:00" }} {{ now.Unix }} {{ now.UTC.Month }})") ==
          "2023-11-14T22:13:20.123Z 1700000000 November");
    CHECK(
        t.text(R"({{ (toDate "2006-01-02" "2024-05-06").Year }} {{ duration "95" }} {{ durationRound "2h10m5s" }})") ==
        "2024 1m35s 2h");
    CHECK(t.text(R"({{ (dateModify "-1h" now).Unix }} {{ now.UTC | unixEpoch }})") == "1699996400 1700000000");
  }

  TEST_CASE("template: has Loki's functions and empty texts for missing labels") {
    Templates t(R"({"a":"1","msg":"x y"})", TemplateFunctions::kLogql);
    CHECK(t.text("{{.nope}}|{{ .a }}|{{ index . \"nope\" }}") == "|1|");
    CHECK(t.text("{{ __line__ }} {{ __timestamp__ }}") == "the line 2023-11-14 22:13:20.123456 +0000 UTC");
    CHECK(t.text("{{ __timestamp__ | unixEpochMillis }} {{ __timestamp__ | unixEpochNanos }}") ==
          "1700000000123 1700000000123456000");
    CHECK(
        t.text(
            R"({{ count "a" "banana" }} {{ urlencode "a b" }} {{ urldecode "a%20b+c" }} {{ duration "1m30s" }} {{ bytes "2KB" }})") ==
        "3 a+b a b c 90 2000");
    CHECK(
        t.text(R"([{{ alignLeft 4 "ab" }}] [{{ alignRight 4 "ab" }}] [{{ alignRight 2 "abc" }}] {{ b64dec "YQ" }})") ==
        "[ab  ] [  ab] [bc] a");
    CHECK(
        t.text(
            R"({{ unixToTime "1700000000" | unixEpoch }} {{ (toDateInZone "2006-01-02" "UTC" "2024-05-06") | unixEpoch }})") ==
        "1700000000 1714953600");
    CHECK(t.error(R"({{ unixToTime "123" }})").find("unable to parse time '123'") != std::string::npos);
    CHECK(t.error(R"({{ unixToTime "12a" }})")
              .ends_with(R"(unable to parse time '12a': strconv.ParseInt: parsing "12a": invalid syntax)"));
    CHECK(
        t.text(
            R"({{ bytes "5kb" }} {{ bytes "5 K" }} {{ bytes "1,024" }} {{ duration "1h1s1h" }} {{ float64 "0x1p4" }})") ==
        "5000 5000 1024 7201 16");
    CHECK(t.error(R"({{ bytes "x" }})")
              .ends_with(R"(error calling bytes: strconv.ParseFloat: parsing "": invalid syntax)"));
    CHECK(t.error(R"({{ bytes "5xx" }})").ends_with("error calling bytes: unhandled size name: xx"));
    CHECK(t.error(R"({{ duration "5" }})").ends_with(R"(error calling duration: time: missing unit in duration "5")"));
    CHECK(t.error(R"({{ duration_seconds "1d" }})").ends_with(R"(time: unknown unit "d" in duration "1d")"));
    CHECK(t.error(R"({{ snakecase "a" }})") == R"(template: line:1: function "snakecase" not defined)");
    CHECK(t.error(R"({{ .a.b }})").ends_with("can't evaluate field b in type string"));
    CHECK(t.text(R"({{ slice .msg 0 1 }})") == "x");
  }

  TEST_CASE("template: tells which fields it looks at") {
    auto fields = [](std::string_view text) {
      return GoTemplate::parse("t", text, TemplateFunctions::kStage)->fields();
    };
    auto reads_all = [](std::string_view text) {
      return GoTemplate::parse("t", text, TemplateFunctions::kStage)->reads_all();
    };
    CHECK(fields(R"({{ .a.b }}{{ $.c }}{{ index . "d-e" }}{{ if .a }}{{ end }})") ==
          std::vector<std::string>{"a", "c", "d-e"});
    CHECK_FALSE(reads_all(R"({{ .a }}{{ index $ "b" }}{{ range .c }}{{ . }}{{ end }}{{ with .d }}{{ . }}{{ end }})"));
    CHECK(reads_all("{{ . }}"));
    CHECK(reads_all("{{ range $k, $v := . }}{{ end }}"));
    CHECK(reads_all("{{ $x := $ }}"));
    CHECK(reads_all("{{ index . .a }}"));
    CHECK(reads_all(R"({{ define "t" }}{{ .a }}{{ end }}{{ template "t" . }})"));
    CHECK(*GoTemplate::parse("t", "plain", TemplateFunctions::kStage)->constant() == "plain");
    CHECK(GoTemplate::parse("t", "{{ .a }}", TemplateFunctions::kStage)->constant() == nullptr);
  }

  TEST_CASE("template: ends a run that takes too long or makes too much") {
    TemplateLimits limits{.steps = 10'000, .output_bytes = 1000, .memory_bytes = 100'000};
    Templates t(kData, TemplateFunctions::kStage, limits);
    auto code = [&](std::string_view text) {
      auto out = t(text);
      REQUIRE_FALSE(out);
      return out.error().code;
    };
    CHECK(code("{{ range 1000000000000 }}{{ end }}") == Errc::kOverLimit);
    CHECK(code("{{ range 500 }}xxxx{{ end }}") == Errc::kOverLimit);
    CHECK(code("{{ repeat 1000000000 \"x\" }}") == Errc::kOverLimit);
    CHECK(code("{{ until 1000000000 }}") == Errc::kOverLimit);
    CHECK(code("{{ printf \"%999999d%999999d\" 1 1 }}") == Errc::kOverLimit);
    CHECK(code("{{ $x := \"aaaaaaaaaa\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}") == Errc::kOverLimit);
    CHECK(code("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ $d }}") == Errc::kInvalid);
  }

  TEST_CASE("template: values nested deeper than a stack holds, or held by one another without end, do no harm") {
    Templates t(kData, TemplateFunctions::kStage);
    const std::string deep = "{{ $x := list 7 }}{{ range until 50000 }}{{ $x = list $x }}{{ end }}";
    auto size = [&](const std::string& text) { return t.text(text).size(); };
    CHECK(size(deep + "{{ $x }}") > 2000);
    CHECK(size(deep + "{{ toJson $x }}") > 2000);
    CHECK(t.text(deep + "{{ deepEqual $x (list (first $x)) }}") == "false");
    CHECK(t(deep + "{{ deepCopy $x | len }}").error().code == Errc::kOverLimit);
    const std::string often =
        "{{ $x := list 7 }}{{ $y := list 7 }}{{ range until 60 }}{{ $x = list $x $x }}"
        "{{ $y = list $y $y }}{{ end }}";
    CHECK(t.text(often + "{{ deepEqual $x $y }}") == "false");
    CHECK(t.text("{{ deepEqual (list (dict \"a\" (list 1))) (list (dict \"a\" (list 1))) }}") == "true");
  }

  TEST_CASE("template: refuses texts that are nested too deep or too long") {
    Templates t;
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "(";
    CHECK(t.error("{{ " + deep) == "template: line:1: max expression depth exceeded");
    std::string ifs;
    for (int i = 0; i < 100'000; ++i) ifs += "{{if 1}}";
    CHECK(t.error(ifs) == "template: line:1: max expression depth exceeded");
    std::string elses = "{{if 1}}";
    for (int i = 0; i < 10'000; ++i) elses += "{{else if 1}}";
    CHECK(t.error(elses) == "template: line:1: max expression depth exceeded");
    std::string self = "{{define \"t\"}}";  // deep within itself
    for (int i = 0; i < 150; ++i) self += "{{if 1}}";
    self += "{{template \"t\"}}";
    for (int i = 0; i < 150; ++i) self += "{{end}}";
    CHECK(t.error(self + "{{end}}{{template \"t\"}}").find("maximum template depth") != std::string::npos);
    CHECK(t.error(std::string(kMaxTemplateBytes + 1, 'x')).find("longer than") != std::string::npos);
  }

  TEST_CASE("template: survives any text") {
    uint32_t seed = std::random_device()();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    constexpr std::string_view kPieces[] = {"{{",       "}}",     "{{-", "-}}",   " ",      ".",  ".a",  "$x",
                                            ":=",       "|",      "if",  "end",   "else",   "(",  ")",   "\"s\"",
                                            "`r`",      "1.5",    "'c'", "range", "printf", "%v", "and", "\"%",
                                            "template", "define", "/*",  "*/",    "\xff",   ","};
    Templates t(kData, TemplateFunctions::kStage, {.steps = 10'000, .output_bytes = 10'000, .memory_bytes = 100'000});
    for (int round = 0; round < 3000; ++round) {
      std::string text;
      for (size_t i = 0; i < 12; ++i) {
        text += kPieces[random() % std::size(kPieces)];
        if (random() % 2 == 0) text += ' ';
      }
      (void)t.text(text);
      (void)t.text("{{" + text + "}}{{end}}");
    }
  }
}
