// Xml: the small documents in which S3 and STS answer, as a tree. No attributes, no namespaces (prefixes are cut off),
// no entities but the five of XML and numbered ones.
//
// Thread:  any.
// Limits:  32 levels; deeper is malformed.
// Errors:  kInvalid: malformed, with the byte where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace server {

struct XmlElement {
  std::string name = {};
  std::string text = {};  // all text directly inside, joined; white space kept
  std::vector<XmlElement> children = {};

  // White space before the document is allowed: Swift sends it to keep a connection alive.
  static pipeline::Result<XmlElement> parse(std::string_view document);

  const XmlElement* child(std::string_view wanted) const;   // the first, or null
  std::string_view text_of(std::string_view wanted) const;  // of the first child of that name, or ""
  const XmlElement* find(std::string_view wanted) const;    // anywhere below, or this one; or null
};

// `text` for the inside of an element.
std::string xml_escape(std::string_view text);

}  // namespace server
