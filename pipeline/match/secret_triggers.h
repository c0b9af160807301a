// SecretTriggers: the bytes of a text near which a secret may be, of all types in one pass, 64 bytes a step. For
// secret_scanner.cc.
//
// Each type has something rare in ordinary logs that every secret of it contains: an @, three dots between digits, six
// colons between hexadecimal digits (or two colons together), a long run of digits, "yJ", "IA", "ecr", "bear", "--B".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <emmintrin.h>
#include <string_view>

namespace pipeline {

enum class SecretTrigger : uint8_t {
  kAt,          // the @
  kDots,        // the third dot of an IPv4 address, and what more there are
  kColons,      // the sixth colon of an IPv6 address, or the first of ::
  kDigits,      // the first digit of a card number
  kJwt,         // the y of eyJ
  kAwsKey,      // the I of AKIA, ASIA, ABIA
  kSecretWord,  // the first e of secret, Secret, SECRET
  kKeyBegin,    // the fourth dash of -----BEGIN
  kBearer,      // the b of bearer
  kCount
};

class SecretTriggers {
 public:
  void want(SecretTrigger trigger) { wanted_[static_cast<size_t>(trigger)] = true; }
  bool wants(SecretTrigger trigger) const { return wanted_[static_cast<size_t>(trigger)]; }

  // Calls found(trigger, offset) for each; ascending for each trigger.
  template <class Found>
  void walk(std::string_view text, const Found& found) const {
    constexpr size_t kReach = kStep + kAhead;
    State state;
    size_t at = 0;
    for (; text.size() - at >= kReach; at += kStep) step(text.data() + at, at, state, found);
    std::array<char, kReach + kStep> rest{};  // zeros end every run
    size_t size = text.size() - at;
    if (size > 0) std::memcpy(rest.data(), text.data() + at, size);
    for (size_t done = 0; done < size; done += kStep) step(rest.data() + done, at + done, state, found);
  }

 private:
  static constexpr size_t kStep = 64, kAhead = 16;

  // Bit k is about byte k of a step; those beyond the step are only looked at.
  __extension__ typedef unsigned __int128 Bits;

  struct State {
    bool digit_before = false, hex_before = false;  // the last byte of the step before
    size_t last_dot = 0, last_colon = 0;
    int dots = 0, colons = 0;  // in a row, also over the end of a line
  };

  class Bytes {
   public:
    explicit Bytes(const char* at) {
      for (size_t i = 0; i < kParts; ++i) {
        exact_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * i));
        folded_[i] = _mm_or_si128(exact_[i], _mm_set1_epi8(0x20));
      }
    }
    Bits equal(char c) const {
      return gather([&](size_t i) { return _mm_cmpeq_epi8(exact_[i], _mm_set1_epi8(c)); });
    }
    Bits letter(char lower) const {
      return gather([&](size_t i) { return _mm_cmpeq_epi8(folded_[i], _mm_set1_epi8(lower)); });
    }
    Bits digits() const {
      return gather([&](size_t i) { return in(exact_[i], '0', '9'); });
    }
    Bits hex_letters() const {
      return gather([&](size_t i) { return in(folded_[i], 'a', 'f'); });
    }

   private:
    static constexpr size_t kParts = (kStep + kAhead) / 16;

    static __m128i in(__m128i bytes, char first, char last) {
      __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
      return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(static_cast<char>(last - first))), above);
    }
    template <class Compare>
    static Bits gather(const Compare& compare) {
      auto mask = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(compare(i)))); };
      uint64_t low = mask(0) | mask(1) << 16 | mask(2) << 32 | mask(3) << 48;
      return static_cast<Bits>(mask(4)) << 64 | low;
    }

    __m128i exact_[kParts], folded_[kParts];
  };

  template <class Found>
  void step(const char* at, size_t base, State& state, const Found& found) const {
    Bytes bytes(at);
    auto report = [&](SecretTrigger trigger, Bits hits) {
      for (auto mask = static_cast<uint64_t>(hits); mask != 0; mask &= mask - 1) {
        found(trigger, base + static_cast<size_t>(__builtin_ctzll(mask)));
      }
    };
    const Bits digits = bytes.digits(), letter_e = bytes.letter('e'), dash = bytes.equal('-');
    const Bits letter_r = bytes.letter('r'), letter_b = bytes.letter('b'), letter_a = bytes.letter('a');
    if (wants(SecretTrigger::kAt)) report(SecretTrigger::kAt, bytes.equal('@'));
    if (wants(SecretTrigger::kJwt)) report(SecretTrigger::kJwt, bytes.equal('y') & bytes.equal('J') >> 1);
    if (wants(SecretTrigger::kAwsKey)) report(SecretTrigger::kAwsKey, bytes.equal('I') & bytes.equal('A') >> 1);
    if (wants(SecretTrigger::kSecretWord)) {
      report(SecretTrigger::kSecretWord, letter_e & bytes.letter('c') >> 1 & letter_r >> 2);
    }
    if (wants(SecretTrigger::kBearer)) {
      report(SecretTrigger::kBearer, letter_b & letter_e >> 1 & letter_a >> 2 & letter_r >> 3);
    }
    if (wants(SecretTrigger::kKeyBegin)) report(SecretTrigger::kKeyBegin, dash & dash >> 1 & letter_b >> 2);
    if (wants(SecretTrigger::kDigits))
      report(SecretTrigger::kDigits, card_starts(digits, dash | bytes.equal(' '), state));
    if (wants(SecretTrigger::kDots)) {
      Bits dots = bytes.equal('.') & (digits << 1 | static_cast<Bits>(state.digit_before)) & digits >> 1;
      report_third(dots, base, state, found);
    }
    if (wants(SecretTrigger::kColons))
      report_colons(bytes.equal(':'), digits | bytes.hex_letters(), base, state, found);
    state.digit_before = (digits >> (kStep - 1) & 1) != 0;
  }

  // Where a run of digits begins that has twelve, or four and another four behind a separator.
  static Bits card_starts(Bits digits, Bits separators, const State& state) {
    Bits starts = digits & ~(digits << 1 | static_cast<Bits>(state.digit_before));
    Bits four = digits & digits >> 1 & digits >> 2 & digits >> 3;
    return starts & four & ((four >> 4 & four >> 8) | (separators >> 4 & four >> 5));
  }

  template <class Found>
  static void report_third(Bits dots, size_t base, State& state, const Found& found) {
    for (auto mask = static_cast<uint64_t>(dots); mask != 0; mask &= mask - 1) {
      size_t at = base + static_cast<size_t>(__builtin_ctzll(mask));
      state.dots = state.dots > 0 && at - state.last_dot <= 4 ? state.dots + 1 : 1;
      state.last_dot = at;
      if (state.dots >= 3) found(SecretTrigger::kDots, at);
    }
  }

  template <class Found>
  static void report_colons(Bits colons, Bits hex, size_t base, State& state, const Found& found) {
    Bits between = colons & (hex << 1 | static_cast<Bits>(state.hex_before)) & hex >> 1, pairs = colons & colons >> 1;
    state.hex_before = (hex >> (kStep - 1) & 1) != 0;
    for (auto mask = static_cast<uint64_t>(between | pairs); mask != 0; mask &= mask - 1) {
      auto bit = static_cast<size_t>(__builtin_ctzll(mask));
      size_t at = base + bit;
      if ((pairs >> bit & 1) != 0) {
        found(SecretTrigger::kColons, at);
        continue;
      }
      state.colons = state.colons > 0 && at - state.last_colon <= 5 ? state.colons + 1 : 1;
      state.last_colon = at;
      if (state.colons >= 6) found(SecretTrigger::kColons, at);
    }
  }

  std::array<bool, static_cast<size_t>(SecretTrigger::kCount)> wanted_{};
};

}  // namespace pipeline
