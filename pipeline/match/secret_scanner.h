// SecretScanner: finds secrets and personal data in lines: e-mail and IP addresses, card numbers, tokens, keys, and
// what expressions of the user's match.
//
//   suspects() runs once over lines lying back to back and says where to look; find() looks at one such line.
//
// What counts as what:
//   email            local@domain.tld, the last part of letters
//   ipv4             four parts up to 255, not inside a longer dotted number or a word
//   ipv6             as Go's netip.ParseAddr, with a digit in it; not inside a word, so not std::string
//   card             13 to 19 digits with the beginning of a card brand and Luhn's check digit, plain or in the brand's
//                    groups with blanks or dashes
//   jwt              eyJ..., two or more parts of base64url
//   aws_access_key   AKIA, ASIA or ABIA and 16 capitals or digits
//   aws_secret_key   40 characters of base64 behind a name with "secret" and "key" (aws_secret_access_key=..)
//   private_key      -----BEGIN .. PRIVATE KEY----- to its END, also with \n as escapes; without an END to the line's
//   end bearer_token     what follows "bearer" and a separator, eight characters or more; the word stays (own) the
//   groups of the expression that took part, or all it matches where it has none
//
// Life:    compiled once, immutable. Thread: any.
// Limits:  a line is below 4 GiB. Time is linear in the text, besides the user's expressions.
// Errors:  kInvalid: an unknown type, an expression that does not compile or has no text to find.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/literal_search.h"
#include "pipeline/match/regex.h"
#include "pipeline/match/secret_triggers.h"

namespace pipeline {

enum class SecretType : uint8_t {
  kEmail,
  kIpv4,
  kIpv6,
  kCard,
  kJwt,
  kAwsAccessKey,
  kAwsSecretKey,
  kPrivateKey,
  kBearerToken,
  kCount
};
inline constexpr size_t kSecretTypes = static_cast<size_t>(SecretType::kCount);
std::span<const std::string_view> secret_type_names();  // as above, in that order

struct SecretSpan {
  size_t begin = 0, end = 0;
  size_t type = 0;  // an index into SecretScanner::names()
  bool operator==(const SecretSpan&) const = default;
};

class SecretScanner {
 public:
  using Patterns = std::vector<std::pair<std::string, std::string>>;  // name, expression

  // `types`: names of built-in ones.
  static Result<SecretScanner> create(const std::vector<std::string>& types, const Patterns& patterns);

  // The built-in types (all, also those not looked for), then the patterns.
  const std::vector<std::string>& names() const { return names_; }

  // An expression without a literal: suspects() says nothing, every line is to be looked at.
  bool suspects_all() const { return suspects_all_; }

  // Appends offsets into `text` such that each line with a secret has one inside it, in no order.
  void suspects(std::string_view text, std::vector<size_t>& offsets) const;

  // Appends the secrets of a line, ascending and apart; overlapping ones are one, of the first one's type. True: the
  // last one is a private key that does not end in the line.
  bool find(std::string_view line, std::vector<SecretSpan>& spans) const;

 private:
  struct Pattern {
    Regex regex;
    std::vector<LiteralSearcher> literals;  // one of them is in each match; empty: unknown
  };

  SecretScanner() = default;
  Result<void> want(std::string_view type);
  Result<void> add_pattern(const std::string& name, const std::string& expression);
  void find_pattern(size_t index, std::string_view line, std::vector<SecretSpan>& spans) const;

  std::vector<std::string> names_;
  SecretTriggers triggers_;
  std::vector<Pattern> patterns_;
  bool suspects_all_ = false;
};

// The end of a private key: the offset behind its -----END ..-----, npos where it is not in `text` from `from` on.
size_t private_key_end(std::string_view text, size_t from);

}  // namespace pipeline
