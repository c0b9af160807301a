#include "server/ingest/level_detector.h"

#include <algorithm>
#include <charconv>
#include <emmintrin.h>

#include "pipeline/parse/logfmt.h"
#include "server/ingest/level_words.h"
#include "server/ingest/line_levels.h"

namespace server {
namespace {

constexpr std::string_view kUnknown = "unknown";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool looks_like_json(std::string_view line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line.size() > 1 && line.front() == '{' && line.back() == '}';
}

// Bit k: at[k] is `wanted`, of sixteen bytes.
uint32_t occurrences(const char* at, char wanted) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted))));
}
constexpr std::ptrdiff_t kStep = 16;

// `end` where there is none. Texts are short: a call of memchr would take longer than the search.
const char* find_quote(const char* at, const char* end) {
  for (; end - at >= kStep; at += kStep)
    if (const uint32_t found = occurrences(at, '"'); found != 0) return at + __builtin_ctz(found);
  while (at < end && *at != '"') ++at;
  return at;
}

// OTLP's ranges of severity numbers.
std::string_view severity_level(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  int value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ec != std::errc() || read.ptr != number.data() + number.size()) return "info";
  constexpr std::string_view kByFours[] = {"trace", "debug", "info", "warn", "error", "fatal"};
  if (value == 0 || value > 24) return kUnknown;
  return value < 0 ? kByFours[0] : kByFours[(value - 1) / 4];
}

}  // namespace

LevelDetector::LevelDetector(std::vector<std::string> fields, uint64_t json_depth)
    : fields_(std::move(fields)), json_depth_(json_depth) {
  for (const std::string& field : fields_) {
    if (field.empty()) continue;
    last_bytes_[static_cast<unsigned char>(lower(field.back()))] = true;
    last_bytes_[static_cast<unsigned char>(upper(field.back()))] = true;
    shortest_ = std::min(shortest_, field.size());
    longest_ = std::max(longest_, field.size());
  }
}

std::optional<size_t> LevelDetector::rank_of(std::string_view name) const {
  if (name.size() < shortest_ || name.size() > longest_ || !last_bytes_[static_cast<unsigned char>(name.back())])
    return std::nullopt;
  for (size_t i = 0; i < fields_.size(); ++i)
    if (fields_[i] == name) return i;
  return std::nullopt;
}

std::optional<size_t> LevelDetector::rank_ignoring_case(std::string_view name) const {
  if (name.size() < shortest_ || name.size() > longest_ || !last_bytes_[static_cast<unsigned char>(name.back())])
    return std::nullopt;
  for (size_t i = 0; i < fields_.size(); ++i)
    if (equal_ignoring_case(fields_[i], name)) return i;
  return std::nullopt;
}

std::string_view LevelDetector::normalised(std::string_view text) { return level_of(text).value_or(text); }

std::optional<std::string_view> LevelDetector::of_labels(const pipeline::LabelSet& labels) const {
  for (const std::string& field : fields_)
    if (auto value = labels.get(field)) return normalised(*value);
  return std::nullopt;
}

std::optional<std::string_view> LevelDetector::of_metadata(std::span<const MetadataPair> metadata) const {
  const MetadataPair* best = nullptr;
  const MetadataPair* severity = nullptr;
  size_t best_rank = SIZE_MAX;
  for (const MetadataPair& pair : metadata) {
    if (auto rank = rank_of(pair.first); rank && *rank < best_rank) best = &pair, best_rank = *rank;
    if (pair.first == "severity_number" && !severity) severity = &pair;
  }
  if (best) return normalised(best->second);
  if (severity) return severity_level(severity->second);
  return std::nullopt;
}

std::string_view LevelDetector::of_line(std::string_view line) const {
  std::string_view field;
  if (looks_like_json(line)) {
    field = json_level(line);
  } else if (may_have_logfmt_level(line)) {
    field = logfmt_level(line);
  }
  if (!field.empty())
    if (auto level = level_of(field)) return *level;
  return first_level_word(line).value_or(kUnknown);
}

// Goes through an object until it meets a string under one of the names, or something that is not JSON.
class JsonLevelSearch {
 public:
  JsonLevelSearch(const LevelDetector& detector, std::string_view line)
      : detector_(detector), at_(line.data()), end_(line.data() + line.size()) {}

  std::string_view find() {
    skip_space();
    object(1);
    return found_;
  }

 private:
  void skip_space() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  // Behind the opening quote; ends behind the closing one.
  bool string(std::string_view& text) {
    const char* begin = at_;
    while ((at_ = find_quote(at_, end_)) < end_) {
      const char* close = at_++;
      const char* slash = close;
      while (slash > begin && slash[-1] == '\\') --slash;
      if ((close - slash) % 2 != 0) continue;
      text = {begin, static_cast<size_t>(close - begin)};
      return true;
    }
    return false;
  }
  // At an opening bracket; ends behind its partner.
  bool skip_block() {
    std::string_view ignored;
    const char open = *at_, close = open == '{' ? '}' : ']';
    int level = 0;
    while (at_ < end_) {
      const char c = *at_++;
      if (c == '"' && !string(ignored)) return false;
      if (c == open) ++level;
      if (c == close && --level == 0) return true;
    }
    return false;
  }

  // True: go on behind it. False: found, or broken.
  bool object(uint64_t depth) {
    if (!take('{')) return false;
    std::string_view key;
    while (!take('}')) {
      if (!take('"') || !string(key) || !take(':')) return false;
      if (!value(key, depth)) return false;
      skip_space();
      if (at_ < end_ && *at_ == ',')
        ++at_;
      else if (at_ >= end_ || *at_ != '}')
        return false;
    }
    return true;
  }
  bool value(std::string_view key, uint64_t depth) {
    skip_space();
    if (at_ >= end_) return false;
    if (*at_ == '"') {
      ++at_;
      std::string_view text;
      if (!string(text)) return false;
      if (!detector_.rank_of(key)) return true;
      found_ = text;
      return false;
    }
    if (*at_ == '{' && depth < kDeepest && (detector_.json_depth_ == 0 || depth < detector_.json_depth_))
      return object(depth + 1);
    if (*at_ == '{' || *at_ == '[') return skip_block();
    while (at_ < end_ && !is_space(*at_) && *at_ != ',' && *at_ != '}') ++at_;
    return true;
  }

  static constexpr uint64_t kDeepest = 64;  // of the stack, where any depth is asked for

  const LevelDetector& detector_;
  const char* at_;
  const char* const end_;
  std::string_view found_;
};

std::string_view LevelDetector::json_level(std::string_view line) const { return JsonLevelSearch(*this, line).find(); }

// Whether one of the names stands before the '='.
bool LevelDetector::is_level_key(const char* begin, const char* equals) const {
  if (equals == begin || !last_bytes_[static_cast<unsigned char>(equals[-1])]) return false;
  const char* key = equals;
  while (key > begin && static_cast<unsigned char>(key[-1]) > ' ' && static_cast<size_t>(equals - key) <= longest_)
    --key;
  return rank_ignoring_case({key, static_cast<size_t>(equals - key)}).has_value();
}

// Looks only at what stands before each '='.
bool LevelDetector::may_have_logfmt_level(std::string_view line) const {
  const char* const begin = line.data();
  const char* const end = begin + line.size();
  const char* at = begin;
  for (; end - at >= kStep; at += kStep) {
    for (uint32_t found = occurrences(at, '='); found != 0; found &= found - 1)
      if (is_level_key(begin, at + __builtin_ctz(found))) return true;
  }
  for (; at < end; ++at)
    if (*at == '=' && is_level_key(begin, at)) return true;
  return false;
}

// The value of the best name, up to the first pair that is not well formed.
std::string_view LevelDetector::logfmt_level(std::string_view line) const {
  std::string_view best;
  size_t best_rank = SIZE_MAX;
  pipeline::LogfmtScanner scanner(line);
  pipeline::LogfmtPair pair;
  while (best_rank > 0 && scanner.next(pair) == pipeline::LogfmtScanner::Step::kPair) {
    if (auto rank = rank_ignoring_case(pair.key); rank && *rank < best_rank) best = pair.value, best_rank = *rank;
  }
  return best;
}

MetadataView LevelDetector::as_metadata(std::string_view line_level) {
  return as_metadata(line_level_number(line_level));
}

MetadataView LevelDetector::as_metadata(size_t level_number) {
  struct Encoded {
    std::array<char, 32> bytes{};
    size_t size = 0;
    constexpr void append(std::string_view text) {
      bytes[size++] = static_cast<char>(text.size());  // a varint of one byte
      for (char c : text) bytes[size++] = c;
    }
  };
  static constexpr auto kEncoded = [] {
    std::array<Encoded, std::size(kLineLevels)> encoded;
    for (size_t i = 0; i < encoded.size(); ++i) encoded[i].append(kDetectedLevel), encoded[i].append(kLineLevels[i]);
    return encoded;
  }();
  const Encoded& encoded = kEncoded[level_number];
  return MetadataView({encoded.bytes.data(), encoded.size});
}

}  // namespace server
