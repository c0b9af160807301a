#include "server/s3/xml.h"

#include <charconv>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

constexpr int kMaxDepth = 32;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void append_utf8(std::string& out, uint32_t code) {
  auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

class XmlParser {
 public:
  explicit XmlParser(std::string_view document) : document_(document) {}

  Result<XmlElement> parse() {
    TRY(skip_prologue());
    XmlElement root;
    TRY(element(root, 0));
    TRY(skip_prologue());
    if (!rest().empty()) return malformed();
    return root;
  }

 private:
  std::string_view rest() const { return document_.substr(at_); }
  tl::unexpected<pipeline::Error> malformed() const {
    return fail(Errc::kInvalid, concat("malformed XML at byte ", at_));
  }
  bool take(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  Result<std::string_view> take_through(std::string_view end) {
    const size_t found = document_.find(end, at_);
    if (found == document_.npos) return malformed();
    std::string_view out = document_.substr(at_, found - at_);
    at_ = found + end.size();
    return out;
  }

  // White space, <?xml ...?>, comments, <!DOCTYPE ...> without a subset.
  Result<void> skip_prologue() {
    while (true) {
      while (at_ < document_.size() && is_space(document_[at_])) ++at_;
      if (take("<?")) {
        TRY(take_through("?>"));
      } else if (take("<!--")) {
        TRY(take_through("-->"));
      } else if (take("<!DOCTYPE")) {
        TRY(take_through(">"));
      } else {
        return {};
      }
    }
  }

  Result<void> element(XmlElement& out, int depth) {
    if (depth >= kMaxDepth || !take("<")) return malformed();
    TRY_LET(std::string_view tag, take_through(">"));
    const bool empty = tag.ends_with('/');
    if (empty) tag.remove_suffix(1);
    size_t length = 0;
    while (length < tag.size() && !is_space(tag[length])) ++length;
    std::string_view name = tag.substr(0, length);
    if (name.empty() || name[0] == '/' || name[0] == '!') return malformed();
    out.name = name.substr(name.find(':') == name.npos ? 0 : name.find(':') + 1);
    if (empty) return {};
    return content(out, name, depth);
  }

  Result<void> content(XmlElement& out, std::string_view name, int depth) {
    while (true) {
      TRY(text(out.text));
      if (take("<!--")) {
        TRY(take_through("-->"));
      } else if (take("<![CDATA[")) {
        TRY_LET(std::string_view raw, take_through("]]>"));
        out.text += raw;
      } else if (take("<?")) {
        TRY(take_through("?>"));
      } else if (take("</")) {
        TRY_LET(std::string_view closed, take_through(">"));
        while (!closed.empty() && is_space(closed.back())) closed.remove_suffix(1);
        if (closed != name) return malformed();
        return {};
      } else {
        TRY(element(out.children.emplace_back(), depth + 1));
      }
    }
  }

  // Up to the next "<".
  Result<void> text(std::string& out) {
    while (true) {
      const size_t end = document_.find_first_of("<&", at_);
      if (end == document_.npos) return malformed();
      out += document_.substr(at_, end - at_);
      at_ = end;
      if (document_[end] == '<') return {};
      TRY(entity(out));
    }
  }

  Result<void> entity(std::string& out) {
    static constexpr std::pair<std::string_view, char> kNamed[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (auto [name, c] : kNamed) {
      if (take(name)) return out.push_back(c), Result<void>();
    }
    const int base = take("&#x") ? 16 : take("&#") ? 10 : 0;
    if (base == 0) return malformed();
    TRY_LET(std::string_view digits, take_through(";"));
    uint32_t code = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
    if (error != std::errc() || end != digits.data() + digits.size() || code > 0x10ffff) return malformed();
    append_utf8(out, code);
    return {};
  }

  std::string_view document_;
  size_t at_ = 0;
};

}  // namespace

Result<XmlElement> XmlElement::parse(std::string_view document) { return XmlParser(document).parse(); }

const XmlElement* XmlElement::child(std::string_view wanted) const {
  for (const XmlElement& element : children) {
    if (element.name == wanted) return &element;
  }
  return nullptr;
}

std::string_view XmlElement::text_of(std::string_view wanted) const {
  const XmlElement* element = child(wanted);
  return element ? std::string_view(element->text) : std::string_view();
}

const XmlElement* XmlElement::find(std::string_view wanted) const {
  if (name == wanted) return this;
  for (const XmlElement& element : children) {
    if (const XmlElement* found = element.find(wanted)) return found;
  }
  return nullptr;
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

}  // namespace server
