#include "pipeline/match/secret_scanner.h"

#include <algorithm>
#include <array>
#include <optional>

#include "pipeline/match/secret_shapes.h"

namespace pipeline {

namespace {

constexpr std::array<std::string_view, kSecretTypes> kNames = {
    "email", "ipv4", "ipv6", "card", "jwt", "aws_access_key", "aws_secret_key", "private_key", "bearer_token"};

constexpr SecretTrigger trigger_of(SecretType type) { return static_cast<SecretTrigger>(type); }
static_assert(static_cast<size_t>(SecretTrigger::kCount) == kSecretTypes);
static_assert(trigger_of(SecretType::kEmail) == SecretTrigger::kAt);
static_assert(trigger_of(SecretType::kIpv4) == SecretTrigger::kDots);
static_assert(trigger_of(SecretType::kIpv6) == SecretTrigger::kColons);
static_assert(trigger_of(SecretType::kCard) == SecretTrigger::kDigits);
static_assert(trigger_of(SecretType::kJwt) == SecretTrigger::kJwt);
static_assert(trigger_of(SecretType::kAwsAccessKey) == SecretTrigger::kAwsKey);
static_assert(trigger_of(SecretType::kAwsSecretKey) == SecretTrigger::kSecretWord);
static_assert(trigger_of(SecretType::kPrivateKey) == SecretTrigger::kKeyBegin);
static_assert(trigger_of(SecretType::kBearerToken) == SecretTrigger::kBearer);

// The secrets of one line, as their triggers come.
class LineSearch {
 public:
  LineSearch(std::string_view line, std::vector<SecretSpan>& spans) : line_(line), spans_(spans) {}

  void look(SecretTrigger trigger, size_t at) {
    auto type = static_cast<SecretType>(trigger);
    if (auto span = span_at(type, at)) spans_.push_back({span->begin, span->end, static_cast<size_t>(type)});
  }
  bool key_is_open() const { return key_is_open_; }

 private:
  std::optional<TextSpan> span_at(SecretType type, size_t at) {
    switch (type) {
      case SecretType::kEmail: return email_at(line_, at);
      case SecretType::kIpv4: return ipv4_at(line_, at);
      case SecretType::kIpv6: return ipv6_at(line_, at);
      case SecretType::kCard: return card_at(line_, at);
      case SecretType::kJwt: return jwt_at(line_, at, jwt_done_);
      case SecretType::kAwsAccessKey: return aws_access_key_at(line_, at);
      case SecretType::kAwsSecretKey: return aws_secret_key_at(line_, at);
      case SecretType::kBearerToken: return bearer_token_at(line_, at);
      case SecretType::kPrivateKey: return key_at(at);
      case SecretType::kCount: break;
    }
    return std::nullopt;
  }

  std::optional<TextSpan> key_at(size_t at) {
    if (at < key_done_) return std::nullopt;
    auto span = private_key_at(line_, at, key_is_open_);
    if (span) key_done_ = span->end;
    return span;
  }

  std::string_view line_;
  std::vector<SecretSpan>& spans_;
  size_t jwt_done_ = 0, key_done_ = 0;
  bool key_is_open_ = false;
};

// Sorts spans[from..] and makes one of those that touch: no part of a secret is left between two.
void join_spans(std::vector<SecretSpan>& spans, size_t from) {
  auto begin = spans.begin() + static_cast<std::ptrdiff_t>(from);
  std::sort(begin, spans.end(), [](const SecretSpan& a, const SecretSpan& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    return a.end != b.end ? a.end > b.end : a.type < b.type;
  });
  auto out = begin;
  for (auto next = begin; next != spans.end(); ++next) {
    if (out != begin && next->begin < (out - 1)->end) {
      (out - 1)->end = std::max((out - 1)->end, next->end);
    } else {
      *out++ = *next;
    }
  }
  spans.erase(out, spans.end());
}

}  // namespace

std::span<const std::string_view> secret_type_names() { return kNames; }

Result<SecretScanner> SecretScanner::create(const std::vector<std::string>& types, const Patterns& patterns) {
  SecretScanner scanner;
  scanner.names_.assign(kNames.begin(), kNames.end());
  for (const std::string& type : types) TRY(scanner.want(type));
  for (const auto& [name, expression] : patterns) TRY(scanner.add_pattern(name, expression));
  return scanner;
}

Result<void> SecretScanner::want(std::string_view type) {
  auto found = std::find(kNames.begin(), kNames.end(), type);
  if (found == kNames.end()) {
    std::string known;
    for (std::string_view name : kNames) known += concat(known.empty() ? "" : ", ", name);
    return fail(Errc::kInvalid, concat("unknown type \"", type, "\", there are ", known));
  }
  triggers_.want(static_cast<SecretTrigger>(found - kNames.begin()));
  return {};
}

Result<void> SecretScanner::add_pattern(const std::string& name, const std::string& expression) {
  auto regex = Regex::compile(expression);
  if (!regex) return fail(regex.error().within(concat("pattern ", name)));
  if (regex->full_match("")) {
    return fail(Errc::kInvalid, concat("pattern ", name, ": the expression matches the empty text"));
  }
  Pattern pattern{.regex = *std::move(regex), .literals = {}};
  for (const RequiredLiteral& literal : pattern.regex.required_literals()) {
    pattern.literals.emplace_back(literal.text, literal.ignore_case ? Case::kIgnoreAscii : Case::kExact);
  }
  if (pattern.literals.empty()) suspects_all_ = true;
  patterns_.push_back(std::move(pattern));
  names_.push_back(name);
  return {};
}

void SecretScanner::suspects(std::string_view text, std::vector<size_t>& offsets) const {
  triggers_.walk(text, [&](SecretTrigger, size_t at) { offsets.push_back(at); });
  for (const Pattern& pattern : patterns_) {
    for (const LiteralSearcher& literal : pattern.literals) {
      for (size_t at = literal.find(text); at != std::string_view::npos; at = literal.find(text, at + 1))
        offsets.push_back(at);
    }
  }
}

bool SecretScanner::find(std::string_view line, std::vector<SecretSpan>& spans) const {
  size_t from = spans.size();
  LineSearch search(line, spans);
  triggers_.walk(line, [&](SecretTrigger trigger, size_t at) { search.look(trigger, at); });
  for (size_t i = 0; i < patterns_.size(); ++i) find_pattern(i, line, spans);
  if (spans.size() > from + 1) join_spans(spans, from);
  return search.key_is_open();
}

void SecretScanner::find_pattern(size_t index, std::string_view line, std::vector<SecretSpan>& spans) const {
  const Pattern& pattern = patterns_[index];
  auto is_in = [&](const LiteralSearcher& literal) { return literal.is_in(line); };
  if (!pattern.literals.empty() && std::none_of(pattern.literals.begin(), pattern.literals.end(), is_in)) return;
  line = searchable(line);
  pattern.regex.each_match(line, [&](std::span<const std::string_view> groups) {
    bool has_groups = false;
    auto add = [&](std::string_view group) {
      auto begin = static_cast<size_t>(group.data() - line.data());
      if (!group.empty()) spans.push_back({begin, begin + group.size(), kSecretTypes + index});
      has_groups = has_groups || !group.empty();
    };
    for (std::string_view group : groups.subspan(1)) add(group);
    if (!has_groups) add(groups[0]);
    return true;
  });
}

}  // namespace pipeline
