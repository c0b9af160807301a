#include "pipeline/model/label_set.h"

#include <algorithm>

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

auto lower_bound_of(const std::vector<Label>& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& label, std::string_view n) { return label.first < n; });
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks the text form; every method skips white space first.
class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : text_(text) {}

  Result<std::vector<Label>> run() {
    std::vector<Label> labels;
    if (!take('{')) return unexpected("{");
    while (!take('}')) {
      TRY_LET(std::string name, take_any_name());
      if (!take('=')) return unexpected("=");
      skip_space();
      size_t begin = at_;
      auto value = take_quoted(text_, at_);
      if (!value) return fail(value.error().within(concat("position ", begin + 1)));
      if (!value->empty()) labels.emplace_back(name, *std::move(value));
      if (!take(',')) {
        if (!take('}')) return unexpected(", or }");
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) return unexpected("end of text");
    return labels;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // A name, plain or in quotes as newer clients write them; in quotes it must be a label name all the same.
  Result<std::string> take_any_name() {
    if (auto plain = take_name(); !plain.empty()) return std::string(plain);
    if (at_ >= text_.size() || text_[at_] != '"') return unexpected("label name or }");
    size_t begin = at_;
    auto name = take_quoted(text_, at_);
    if (!name) return fail(name.error().within(concat("position ", begin + 1)));
    if (!is_label_name(*name))
      return fail(Errc::kInvalid, concat("position ", begin + 1, ": label name \"", *name,
                                         "\" has characters other than letters, digits and _"));
    return *std::move(name);
  }
  std::string_view take_name() {
    skip_space();
    size_t begin = at_;
    while (at_ < text_.size() && is_label_name(text_.substr(begin, at_ + 1 - begin))) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  tl::unexpected<Error> unexpected(std::string_view wanted) const {
    std::string got = at_ < text_.size() ? concat("\"", text_.substr(at_, 1), "\"") : "the end";
    return fail(Errc::kInvalid, concat("position ", at_ + 1, ": unexpected ", got, ", expecting ", wanted));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

LabelSet LabelSet::from(std::vector<Label> labels) {
  std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.first < b.first; });
  LabelSet set;
  for (Label& label : labels) {
    if (!set.labels_.empty() && set.labels_.back().first == label.first) {
      set.labels_.back() = std::move(label);
    } else {
      set.labels_.push_back(std::move(label));
    }
  }
  return set;
}

Result<LabelSet> LabelSet::parse(std::string_view text) {
  TRY_LET(std::vector<Label> labels, LabelParser(text).run());
  size_t count = labels.size();
  LabelSet set = from(labels);
  if (set.labels_.size() == count) return set;
  std::sort(labels.begin(), labels.end());
  auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                  [](const Label& a, const Label& b) { return a.first == b.first; });
  return fail(Errc::kInvalid, concat("duplicate label name \"", twice->first, "\""));
}

std::optional<std::string_view> LabelSet::get(std::string_view name) const {
  auto at = lower_bound_of(labels_, name);
  if (at == labels_.end() || at->first != name) return std::nullopt;
  return at->second;
}

LabelSet LabelSet::with(std::string_view name, std::string_view value) const {
  LabelSet out = *this;
  auto at = lower_bound_of(out.labels_, name) - out.labels_.cbegin();
  if (at < static_cast<std::ptrdiff_t>(out.labels_.size()) && out.labels_[static_cast<size_t>(at)].first == name) {
    out.labels_[static_cast<size_t>(at)].second = value;
  } else {
    out.labels_.emplace(out.labels_.begin() + at, name, value);
  }
  return out;
}

LabelSet LabelSet::without(std::string_view name) const {
  LabelSet out = *this;
  std::erase_if(out.labels_, [&](const Label& label) { return label.first == name; });
  return out;
}

std::string LabelSet::text() const {
  std::string out = "{";
  for (const auto& [name, value] : labels_) {
    if (out.size() > 1) out += ", ";
    out += name;
    out += '=';
    append_quoted(out, value);
  }
  out += '}';
  return out;
}

Hash128 LabelSet::hash() const { return hash128(text()); }

bool is_label_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

StreamId stream_id(std::string_view tenant, const LabelSet& labels) {
  return hash128(concat(tenant, std::string_view("\0", 1), labels.text()));
}

}  // namespace pipeline
