// The functions of Alloy's template stage that are its own or that Sprig has beyond those of the other files.
#include <algorithm>
#include <random>

#include "pipeline/base/digest.h"
#include "pipeline/base/text_encoding.h"
#include "pipeline/model/letter_case.h"
#include "pipeline/parse/go_text.h"
#include "pipeline/parse/regex_functions.h"
#include "pipeline/parse/semantic_version.h"
#include "pipeline/parse/template_cast.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Call = TemplateCall;

// --- Alloy's: the text comes first

Result<Value> to_lower_text(const Call& call) { return call.memory().text(to_lower(call.text(0))); }
Result<Value> to_upper_text(const Call& call) { return call.memory().text(to_upper(call.text(0))); }
Result<Value> replace(const Call& call) {
  TRY_LET(std::string out,
          go_text::replace(call.text(0), call.text(1), call.text(2), call.integer(3), call.run.limits().memory_bytes));
  return call.memory().text(out);
}
Result<Value> trim(const Call& call) { return Value::text(go_text::trim(call.text(0), call.text(1))); }
Result<Value> trim_left(const Call& call) { return Value::text(go_text::trim_left(call.text(0), call.text(1))); }
Result<Value> trim_right(const Call& call) { return Value::text(go_text::trim_right(call.text(0), call.text(1))); }
Result<Value> trim_space(const Call& call) { return Value::text(go_text::trim_space(call.text(0))); }
Result<Value> trim_prefix(const Call& call) {
  std::string_view text = call.text(0);
  if (text.starts_with(call.text(1))) text.remove_prefix(call.text(1).size());
  return Value::text(text);
}
Result<Value> trim_suffix(const Call& call) {
  std::string_view text = call.text(0);
  if (text.ends_with(call.text(1))) text.remove_suffix(call.text(1).size());
  return Value::text(text);
}

template <class Digest>
Result<Value> salted(const Call& call, Digest digest) {
  auto bytes = digest(concat(call.text(0), call.text(1)));
  std::string out;
  append_hex(out, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return call.memory().text(out);
}
Result<Value> hash(const Call& call) { return salted(call, sha3_256); }
Result<Value> sha2_hash(const Call& call) { return salted(call, sha256); }

// --- Sprig's regular expressions

Result<Value> regex_match(const Call& call) {
  auto regex = call.run.regex(call.text(0));
  return Value::boolean(regex && (*regex)->partial_match(call.text(1)));
}
Result<Value> must_regex_match(const Call& call) {
  TRY_LET(const Regex* regex, call.run.regex(call.text(0)));
  return Value::boolean(regex->partial_match(call.text(1)));
}
Result<Value> regex_find(const Call& call) {
  TRY_LET(const Regex* regex, regex_of(call, call.text(0)));
  auto found = regex_find_all(*regex, call.text(1), 1);
  return Value::text(found.empty() ? std::string_view() : found[0]);
}
Result<Value> regex_find_all_texts(const Call& call) {
  TRY_LET(const Regex* regex, regex_of(call, call.text(0)));
  return list_of_texts(call, regex_find_all(*regex, call.text(1), call.integer(2)));
}
// Go's Regexp.Split.
Result<Value> regex_split(const Call& call) {
  TRY_LET(const Regex* regex, regex_of(call, call.text(0)));
  std::string_view text = searchable(call.text(1));
  int64_t count = call.integer(2);
  if (count == 0) return list_of_texts(call, {});
  if (!regex->pattern().empty() && text.empty()) return list_of_texts(call, {""});
  std::vector<std::string_view> parts;
  size_t begin = 0, end = 0;
  for (std::string_view match : regex_find_all(*regex, text, count)) {
    if (count > 0 && static_cast<int64_t>(parts.size()) == count - 1) break;
    auto at = static_cast<size_t>(match.data() - text.data());
    end = at;
    if (at + match.size() != 0) parts.push_back(text.substr(begin, end - begin));
    begin = at + match.size();
  }
  if (end != text.size()) parts.push_back(text.substr(begin));
  return list_of_texts(call, parts);
}
Result<Value> regex_quote_meta(const Call& call) {
  std::string out;
  for (char c : call.text(0)) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return call.memory().text(out);
}

// --- chance; a batch that is built again gets other values

Result<Value> random_text(const Call& call, std::string_view letters) {
  int64_t count = call.integer(0);
  if (count < 0 || count > 1'000'000) return fail(Errc::kInvalid, concat("cannot make ", count, " random characters"));
  std::random_device chance;
  std::uniform_int_distribution<size_t> pick(0, letters.size() - 1);
  std::string out;
  for (int64_t i = 0; i < count; ++i) out.push_back(letters[pick(chance)]);
  return call.memory().text(out);
}
constexpr std::string_view kAlphaNumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
Result<Value> rand_alpha_num(const Call& call) { return random_text(call, kAlphaNumeric); }
Result<Value> rand_alpha(const Call& call) { return random_text(call, kAlphaNumeric.substr(0, 52)); }
Result<Value> rand_numeric(const Call& call) { return random_text(call, kAlphaNumeric.substr(52)); }
Result<Value> rand_ascii(const Call& call) {
  std::string all;
  for (char c = ' '; c < '\x7f'; ++c) all.push_back(c);
  return random_text(call, all);
}
Result<Value> rand_int(const Call& call) {
  if (call.integer(1) <= call.integer(0)) return fail(Errc::kInvalid, "invalid argument to Intn");
  std::random_device chance;
  std::uniform_int_distribution<int64_t> pick(call.integer(0), call.integer(1) - 1);
  return Value::integer(pick(chance));
}
std::string random_bytes(size_t count) {
  std::random_device chance;
  std::string out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<char>(chance() & 0xff));
  return out;
}
Result<Value> rand_bytes(const Call& call) {
  if (call.integer(0) < 0 || call.integer(0) > 1'000'000) return fail(Errc::kInvalid, "cannot make so many bytes");
  std::string out;
  append_base64(out, random_bytes(static_cast<size_t>(call.integer(0))));
  return call.memory().text(out);
}
Result<Value> uuid(const Call& call) {
  std::string bytes = random_bytes(16), hex;
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  append_hex(hex, bytes);
  for (size_t at : {20u, 16u, 12u, 8u}) hex.insert(at, "-");
  return call.memory().text(hex);
}
Result<Value> shuffle(const Call& call) {
  std::string out(call.text(0));
  std::random_device chance;
  std::shuffle(out.begin(), out.end(), chance);
  return call.memory().text(out);
}

// --- versions

// Upstream's is an object; ours shows its fields, not its text.
Result<Value> semver(const Call& call) {
  TRY_LET(SemanticVersion version, SemanticVersion::parse(call.text(0)));
  TRY_LET(TemplateMap * map, call.memory().map(6));
  constexpr std::string_view kNumbers[] = {"Major", "Minor", "Patch"};
  for (size_t i = 0; i < 3; ++i) {
    TRY(call.memory().set(*map, kNumbers[i], Value::integer(static_cast<int64_t>(version.numbers[i]))));
  }
  TRY_LET(Value prerelease, call.memory().text(version.prerelease));
  TRY_LET(Value metadata, call.memory().text(version.metadata));
  TRY_LET(Value text, call.memory().text(version.text()));
  TRY(call.memory().set(*map, "Prerelease", prerelease));
  TRY(call.memory().set(*map, "Metadata", metadata));
  TRY(call.memory().set(*map, "Original", call[0]));
  TRY(call.memory().set(*map, "String", text));
  return Value::map(map);
}
Result<Value> semver_compare(const Call& call) {
  TRY_LET(SemanticVersion version, SemanticVersion::parse(call.text(1)));
  TRY_LET(Fit fits, fit_version(call.text(0), version));
  return Value::boolean(fits == Fit::kYes);
}

// --- the rest

Result<Value> hello(const Call&) { return Value::text("Hello!"); }
Result<Value> fail_with(const Call& call) { return fail(Errc::kInvalid, std::string(call.text(0))); }
// The environment of an agent holds secrets: a template does not get to see it.
Result<Value> no_environment(const Call&) { return Value::text(""); }

// The bytes of the name at the beginning of what stands behind a $, as Go's os.Expand; 0: none, the $ stays.
size_t shell_name_size(std::string_view text) {
  constexpr std::string_view kSpecial = "*#$@!?-0123456789";
  if (text.starts_with('{')) {
    const size_t close = text.find('}');
    return close == std::string_view::npos ? 1 : close + 1;
  }
  if (kSpecial.find(text[0]) != std::string_view::npos) return 1;
  auto is_word = [](char c) {
    return c == '_' || (static_cast<unsigned char>(c) < 0x80 && is_letter_or_digit(static_cast<unsigned char>(c)));
  };
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_word) - text.begin());
}
// Every variable is unset.
Result<Value> expand_no_environment(const Call& call) {
  std::string out;
  const std::string_view text = call.text(0);
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t size = text[at] == '$' && at + 1 < text.size() ? shell_name_size(text.substr(at + 1)) : 0;
    if (size == 0) out.push_back(text[at]);
    at += size;
  }
  return call.memory().text(out);
}
Result<Value> unavailable(const Call&) {
  return fail(Errc::kInvalid, "keys and the network are no business of a log agent");
}

constexpr TemplateFunction kFunctions[] = {{"ToLower", "s", to_lower_text},
                                           {"ToUpper", "s", to_upper_text},
                                           {"Replace", "sssi", replace},
                                           {"Trim", "ss", trim},
                                           {"TrimLeft", "ss", trim_left},
                                           {"TrimRight", "ss", trim_right},
                                           {"TrimPrefix", "ss", trim_prefix},
                                           {"TrimSuffix", "ss", trim_suffix},
                                           {"TrimSpace", "s", trim_space},
                                           {"Hash", "ss", hash},
                                           {"Sha2Hash", "ss", sha2_hash},
                                           {"regexReplaceAll", "sss", regex_replace_all},
                                           {"regexReplaceAllLiteral", "sss", regex_replace_all_literal},
                                           {"regexMatch", "ss", regex_match},
                                           {"mustRegexMatch", "ss", must_regex_match},
                                           {"regexFind", "ss", regex_find},
                                           {"mustRegexFind", "ss", regex_find},
                                           {"regexFindAll", "ssi", regex_find_all_texts},
                                           {"mustRegexFindAll", "ssi", regex_find_all_texts},
                                           {"mustRegexReplaceAll", "sss", regex_replace_all},
                                           {"mustRegexReplaceAllLiteral", "sss", regex_replace_all_literal},
                                           {"regexSplit", "ssi", regex_split},
                                           {"mustRegexSplit", "ssi", regex_split},
                                           {"regexQuoteMeta", "s", regex_quote_meta},
                                           {"randAlphaNum", "i", rand_alpha_num},
                                           {"randAlpha", "i", rand_alpha},
                                           {"randNumeric", "i", rand_numeric},
                                           {"randAscii", "i", rand_ascii},
                                           {"randInt", "ii", rand_int},
                                           {"randBytes", "i", rand_bytes},
                                           {"uuidv4", "", uuid},
                                           {"shuffle", "s", shuffle},
                                           {"hello", "", hello},
                                           {"fail", "s", fail_with},
                                           {"env", "s", no_environment},
                                           {"expandenv", "s", expand_no_environment},
                                           {"getHostByName", "v*", unavailable},
                                           {"bcrypt", "v*", unavailable},
                                           {"htpasswd", "v*", unavailable},
                                           {"genPrivateKey", "v*", unavailable},
                                           {"derivePassword", "v*", unavailable},
                                           {"buildCustomCert", "v*", unavailable},
                                           {"genCA", "v*", unavailable},
                                           {"genCAWithKey", "v*", unavailable},
                                           {"genSelfSignedCert", "v*", unavailable},
                                           {"genSelfSignedCertWithKey", "v*", unavailable},
                                           {"genSignedCert", "v*", unavailable},
                                           {"genSignedCertWithKey", "v*", unavailable},
                                           {"encryptAES", "v*", unavailable},
                                           {"decryptAES", "v*", unavailable},
                                           {"semver", "s", semver},
                                           {"semverCompare", "ss", semver_compare}};

}  // namespace

TemplateFunctionList stage_functions() { return kFunctions; }

}  // namespace pipeline
