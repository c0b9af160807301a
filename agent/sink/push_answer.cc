#include "agent/sink/push_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace agent {

using pipeline::concat;
using pipeline::HttpClientResponse;
using pipeline::Result;

namespace {
constexpr size_t kMaxServerText = 1024;
constexpr std::chrono::minutes kLongestRetryAfter{10};
constexpr int kBlocked = 260;  // Loki: nothing is taken of this tenant, and do not try again

std::string first_line(std::string_view body) {
  return std::string(body.substr(0, std::min(body.find('\n'), kMaxServerText)));
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

uint64_t number_after(std::string_view text, std::string_view words) {
  size_t at = text.find(words);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + words.size());
  return take_number(text).value_or(0);
}

// "ingestion rate limit exceeded for user x (limit: 4194304 bytes/sec) while attempting to ingest '9' lines totaling
// '9000000' bytes": more than a second's worth may never pass in one piece.
bool is_beyond_rate(std::string_view body) {
  uint64_t limit = number_after(body, "(limit: ");
  return body.starts_with("ingestion rate limit exceeded") && limit > 0 && number_after(body, "totaling '") > limit;
}

// Status 413, or what gateways, gRPC and Loki write instead of it.
bool is_too_large(int status, std::string_view body) {
  if (status == 413) return true;
  if (status == 429) return is_beyond_rate(body);
  if (status != 400 && status != 500) return false;
  constexpr std::array<std::string_view, 4> kTexts = {"request body too large", "message larger than",
                                                      "message size too large", "entity too large"};
  return std::any_of(kTexts.begin(), kTexts.end(), [&](std::string_view text) { return contains(body, text); });
}

// 401 and 407: a secret is wrong or has expired, and will be put right.
bool may_work_later(int status) {
  return status == 401 || status == 407 || status == 408 || status == 429 || status >= 500;
}

// What one entry is refused for, and what whole streams are.
struct KnownText {
  std::string_view part, reason;
  bool whole_stream = false;
};
constexpr std::array<KnownText, 14> kKnownTexts = {{
    {"has timestamp too old", "greater_than_max_sample_age"},
    {"has timestamp too new", "too_far_in_future"},
    {"max entry size", "line_too_long"},
    {"structured metadata, but this feature is disallowed", "disallowed_structured_metadata"},
    {"has structured metadata too large", "structured_metadata_too_large"},
    {"has too many structured metadata labels", "structured_metadata_too_many"},
    {"label names; limit", "max_label_names_per_series", true},
    {"has label name too long", "label_name_too_long", true},
    {"has label value too long", "label_value_too_long", true},
    {"has duplicate label name", "duplicate_label_names", true},
    {"missing required labels", "missing_enforced_labels", true},
    {"at least one label pair is required per stream", "missing_labels", true},
    {"error parsing labels", "invalid_labels", true},
    {"maximum active stream limit exceeded", "stream_limit", true},
}};

// Of entries that an ingester ignores; only their total is told.
constexpr std::array<KnownText, 3> kIgnoredTexts = {{
    {"entry too far behind", "too_far_behind"},
    {"entry out of order", "out_of_order"},
    {"Per stream rate limit exceeded", "per_stream_rate_limit"},
}};

const KnownText* known_text(std::span<const KnownText> texts, std::string_view text) {
  for (const KnownText& known : texts)
    if (contains(text, known.part)) return &known;
  return nullptr;
}

// The first `{...}` of a message; label values may hold anything, quoted.
std::string stream_of(std::string_view text) {
  size_t begin = text.find('{');
  bool quoted = false;
  for (size_t i = begin; begin != std::string_view::npos && i < text.size(); i++) {
    if (quoted && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == '}')
      return std::string(text.substr(begin, i + 1 - begin));
  }
  return "";
}

// "... ignored, reason: '...', ... total ignored: N out of M for stream: {...}"
std::optional<Refusal> ignored_entries(std::string_view message) {
  constexpr std::string_view kTotal = "total ignored: ";
  size_t at = message.rfind(kTotal);
  std::string_view number = message.substr(at + kTotal.size());
  auto entries = take_number(number);
  const KnownText* known = known_text(kIgnoredTexts, message);
  if (!entries || !number.starts_with(" out of ")) return std::nullopt;
  return Refusal{std::string(known ? known->reason : "ignored"), *entries, stream_of(number)};
}

std::optional<Refusal> one_refusal(std::string_view message) {
  if (contains(message, "total ignored: ")) return ignored_entries(message);
  uint64_t errors = 1;
  constexpr std::string_view kLike = " errors like: ";
  std::string_view rest = message;
  if (auto number = take_number(rest); number && rest.starts_with(kLike)) {
    errors = *number;
    message = rest.substr(kLike.size());
  }
  const KnownText* known = known_text(kKnownTexts, message);
  if (!known) return std::nullopt;
  return Refusal{std::string(known->reason), known->whole_stream ? 0 : errors, stream_of(message)};
}

// Behind the message that begins at `begin`: "; N errors like: " begins another one. Messages hold "; " themselves.
size_t message_end(std::string_view body, size_t begin) {
  for (size_t at = body.find("; ", begin); at != std::string_view::npos; at = body.find("; ", at + 2)) {
    std::string_view next = body.substr(at + 2);
    if (take_number(next) && next.starts_with(" errors like: ")) return at;
  }
  return body.size();
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<pipeline::UnixNanos> parse_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", ") return std::nullopt;
  auto number = [&](size_t at, size_t size) {
    int value = -1;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + at + size, value);
    return error == std::errc() && end == text.data() + at + size ? value : -1;
  };
  size_t month = kMonths.find(text.substr(8, 3));
  int day = number(5, 2), year = number(12, 4), hour = number(17, 2), minute = number(20, 2), second = number(23, 2);
  if (month == std::string_view::npos || month % 3 != 0 || std::min({day, year, hour, minute, second}) < 0)
    return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  auto seconds = std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
                 std::chrono::minutes(minute) + std::chrono::seconds(second);
  return std::chrono::nanoseconds(seconds).count();
}
}  // namespace

std::vector<Refusal> parse_refusals(std::string_view body) {
  while (body.ends_with('\n')) body.remove_suffix(1);
  std::vector<Refusal> refusals;
  for (size_t begin = 0; begin < body.size();) {
    size_t end = message_end(body, begin);
    auto refusal = one_refusal(body.substr(begin, end - begin));
    if (!refusal) return {};
    refusals.push_back(std::move(*refusal));
    begin = end + 2;
  }
  return refusals;
}

std::optional<std::chrono::nanoseconds> parse_retry_after(std::string_view text, pipeline::UnixNanos now) {
  std::chrono::nanoseconds wait{0};
  std::string_view rest = text;
  if (auto seconds = take_number(rest); seconds && rest.empty()) {
    wait = std::chrono::seconds(std::min<uint64_t>(*seconds, 86'400));
  } else if (auto date = parse_http_date(text)) {
    wait = std::chrono::nanoseconds(std::max<int64_t>(*date - now, 0));
  } else {
    return std::nullopt;
  }
  return std::min<std::chrono::nanoseconds>(wait, kLongestRetryAfter);
}

PushAnswer judge_answer(const Result<HttpClientResponse>& response, pipeline::UnixNanos now) {
  PushAnswer answer;
  if (!response) {
    answer.text = hide_secrets(response.error().message);
    return answer;
  }
  answer.status = response->status;
  if (answer.status >= 200 && answer.status < 300 && answer.status != kBlocked) {
    answer.kind = PushAnswer::Kind::kAcked;
    return answer;
  }
  answer.text = concat("server returned HTTP status ", answer.status, " ", pipeline::http_reason(answer.status), ": ",
                       first_line(response->body));
  answer.retry_after = parse_retry_after(response->headers.get("Retry-After"), now);
  if (is_too_large(answer.status, response->body)) {
    answer.kind = PushAnswer::Kind::kTooLarge;
  } else if (!may_work_later(answer.status)) {
    answer.kind = PushAnswer::Kind::kRejected;
    if (answer.status == 400) answer.refusals = parse_refusals(response->body);
    if (answer.status == kBlocked) answer.refusals = {{"blocked_ingestion", 0, ""}};
  }
  return answer;
}

std::string hide_secrets(std::string_view text) {
  std::string out;
  for (;;) {
    size_t begin = text.find("://");
    if (begin == std::string_view::npos) return out.append(text);
    begin += 3;
    size_t end = std::min(text.find_first_of("/?#\"' \t\r\n", begin), text.size());
    size_t at = text.substr(0, end).rfind('@');
    out.append(text.substr(0, begin));
    if (at != std::string_view::npos && at >= begin) {
      out.append("***");
      begin = at;
    }
    text.remove_prefix(begin);
  }
}

}  // namespace agent
