#include "server/logql/line_form.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/logql/log_pipeline.h"

namespace server {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_field_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

std::string_view trimmed(std::string_view text, bool left, bool right) {
  if (left) text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  if (right) text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
  return text;
}

}  // namespace

pipeline::Result<LineForm> LineForm::compile(std::string_view form) {
  LineForm out;
  const std::string_view whole = form;
  bool trim_left = false;
  for (;;) {
    const size_t open = form.find("{{");
    std::string_view text = form.substr(0, open);
    const bool trim_right =
        open != std::string_view::npos && form.substr(open + 2).starts_with("-") &&
        kSpaces.find(form.substr(open + 3).empty() ? 'x' : form[open + 3]) != std::string_view::npos;
    text = trimmed(text, trim_left, trim_right);
    if (!text.empty()) out.pieces_.push_back({std::string(text), false});
    if (open == std::string_view::npos) return out;
    const size_t close = form.find("}}", open);
    if (close == std::string_view::npos) break;
    std::string_view inside = form.substr(open + 2, close - open - 2);
    form.remove_prefix(close + 2);
    if (trim_right) inside.remove_prefix(1);
    trim_left =
        inside.size() > 1 && inside.ends_with("-") && kSpaces.find(inside[inside.size() - 2]) != std::string_view::npos;
    if (trim_left) inside.remove_suffix(1);
    inside = trimmed(inside, true, true);
    if (!inside.starts_with(".") || !is_field_name(inside.substr(1))) break;
    out.pieces_.push_back({std::string(inside.substr(1)), true});
  }
  return pipeline::fail(pipeline::Errc::kInvalid, pipeline::concat("line_format with more than fields: ", whole));
}

std::vector<std::string> LineForm::fields() const {
  std::vector<std::string> out;
  for (const Piece& piece : pieces_)
    if (piece.is_field) out.push_back(piece.text);
  return out;
}

void LineForm::append(std::string& out, const EntryLabels& labels) const {
  for (const Piece& piece : pieces_) {
    if (!piece.is_field) {
      out += piece.text;
    } else if (piece.text == kErrorLabel) {
      out += labels.error();
    } else if (piece.text == kErrorDetailsLabel) {
      out += labels.error_details();
    } else {
      out += labels.get(piece.text).value_or(std::string_view());
    }
  }
}

}  // namespace server
