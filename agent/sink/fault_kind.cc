#include "agent/sink/fault_kind.h"

#include <algorithm>
#include <string>

namespace agent {

namespace {
struct Sign {
  std::string_view text, kind;  // in lower case
};

// Of curl, OpenSSL and ours, when there was no answer.
constexpr Sign kNetworkSigns[] = {
    {"resolve", "dns"},      {"ssl", "tls"},           {"tls", "tls"},         {"certificate", "tls"},
    {"time-out", "timeout"}, {"timed out", "timeout"}, {"timeout", "timeout"}, {"refused", "refused"},
    {"connect", "refused"},  {"read ", "secret"},
};

// Of Loki and Skidway, in a refusal.
constexpr Sign kServerSigns[] = {
    {"label names", "max_label_names_per_series"},
    {"label name too long", "label_name_too_long"},
    {"label value too long", "label_value_too_long"},
    {"has label value", "label_value_too_long"},
    {"has label name", "label_name_too_long"},
    {"max entry size", "line_too_long"},
    {"line too long", "line_too_long"},
    {"message larger", "too_large"},
    {"body is larger", "too_large"},
    {"too large", "too_large"},
    {"too far behind", "too_far_behind"},
    {"out of order", "too_far_behind"},
    {"too old", "greater_than_max_sample_age"},
    {"too new", "too_far_in_future"},
    {"in the future", "too_far_in_future"},
    {"stream limit", "stream_limit"},
    {"active stream", "stream_limit"},
    {"parse labels", "invalid_labels"},
    {"invalid labels", "invalid_labels"},
    {"rate limit", "rate_limited"},
};

template <size_t N>
std::string_view find_sign(const Sign (&signs)[N], const std::string& text, std::string_view otherwise) {
  for (const Sign& sign : signs)
    if (text.find(sign.text) != std::string::npos) return sign.kind;
  return otherwise;
}
}  // namespace

std::string_view fault_kind(const PushAnswer& answer) {
  std::string text = answer.text;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (answer.status == 0) return find_sign(kNetworkSigns, text, "network");
  if (answer.status == 401) return "unauthorized";
  if (answer.status == 403) return "forbidden";
  if (answer.status == 429) return "rate_limited";
  if (answer.status == 408) return "timeout";
  if (answer.status == 413) return "too_large";
  if (answer.status >= 500) return find_sign(kServerSigns, text, "server_error");
  return find_sign(kServerSigns, text, "rejected");
}

}  // namespace agent
