#include "server/s3/xml.h"

#include <doctest/doctest.h>
#include <random>

using namespace server;

namespace {

constexpr std::string_view kAnswer = R"(  <?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Empty/><IsTruncated>false</IsTruncated>
  <Contents><Key>a&amp;b &#65;&#x20AC;</Key><Size>3</Size></Contents>
  <Contents><Key><![CDATA[<raw>]]></Key><Size>4</Size></Contents></ListBucketResult>
)";

}  // namespace

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("xml: a listing reads as elements and their texts") {
  auto root = XmlElement::parse(kAnswer);
  REQUIRE(root);
  CHECK(root->name == "ListBucketResult");
  CHECK(root->text_of("Name") == "b");
  CHECK(root->text_of("Empty").empty());
  CHECK(root->text_of("Absent").empty());
  CHECK(root->child("Absent") == nullptr);
  CHECK(root->child("Contents")->text_of("Key") == "a&b A€");
  CHECK(root->children.back().text_of("Key") == "<raw>");
  CHECK(root->find("Size")->text == "3");
  CHECK(XmlElement::parse("<s:a xmlns:s='x'><s:b>1</s:b></s:a>")->text_of("b") == "1");
}

TEST_CASE("xml: cut anywhere or spoilt anywhere it is refused or read, never more") {
  for (size_t n = 0; n + 2 < kAnswer.size(); ++n) CHECK_FALSE(XmlElement::parse(kAnswer.substr(0, n)).has_value());
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string spoilt(kAnswer);
    for (unsigned k = 0; k <= random() % 3; ++k) spoilt[random() % spoilt.size()] = "<>/&;![]-?x\0"[random() % 12];
    (void)XmlElement::parse(spoilt);
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  CHECK_FALSE(XmlElement::parse(deep).has_value());
}

TEST_CASE("xml: what is escaped reads back") {
  const std::string text = "a<b>&\"c\"";
  CHECK(XmlElement::parse("<x>" + xml_escape(text) + "</x>")->text == text);
}

TEST_SUITE_END();
