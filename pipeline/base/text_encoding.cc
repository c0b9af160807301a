#include "pipeline/base/text_encoding.h"

#include <cstdint>

namespace pipeline {

namespace {

struct Alphabet {
  std::string_view name, letters;
  unsigned bits, block;  // of one letter; letters of a padded block
};
constexpr Alphabet kBase64 = {"base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4};
constexpr Alphabet kBase32 = {"base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8};

void encode(std::string& out, std::string_view bytes, const Alphabet& alphabet) {
  uint32_t held = 0;
  unsigned bits = 0;
  size_t written = 0;
  auto put = [&](uint32_t letter) {
    out.push_back(alphabet.letters[letter & ((1u << alphabet.bits) - 1)]);
    ++written;
  };
  for (char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= alphabet.bits; bits -= alphabet.bits) put(held >> (bits - alphabet.bits));
    held &= 0xff;
  }
  if (bits > 0) put(held << (alphabet.bits - bits));
  for (; written % alphabet.block != 0; ++written) out.push_back('=');
}

Result<std::string> decode(std::string_view text, const Alphabet& alphabet) {
  std::string out;
  uint32_t held = 0;
  unsigned bits = 0;
  size_t letters = 0, padding = 0;
  auto fault = [&](size_t at) {
    return fail(Errc::kInvalid, concat("illegal ", alphabet.name, " data at input byte ", at));
  };
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\r' || c == '\n') continue;
    size_t letter = alphabet.letters.find(c);
    bool pads = c == '=' && letters % alphabet.block >= 2;
    if (pads) {
      if ((letters + ++padding) % alphabet.block == 0) {
        for (++at; at < text.size(); ++at) {
          if (text[at] != '\r' && text[at] != '\n') return fault(at);
        }
        break;
      }
      continue;
    }
    if (letter == std::string_view::npos || padding > 0) return fault(at);
    ++letters;
    held = (held << alphabet.bits | static_cast<uint32_t>(letter)) & 0xffff;
    bits += alphabet.bits;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(held >> bits & 0xff));
    }
  }
  if ((letters + padding) % alphabet.block != 0) {
    return fault(padding > 0 ? text.size() : text.size() - letters % alphabet.block);
  }
  return out;
}

}  // namespace

void append_hex(std::string& out, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (char c : bytes) {
    out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kHex[c & 0xf]);
  }
}

void append_base64(std::string& out, std::string_view bytes) { encode(out, bytes, kBase64); }
void append_base32(std::string& out, std::string_view bytes) { encode(out, bytes, kBase32); }
Result<std::string> decode_base64(std::string_view text) { return decode(text, kBase64); }
Result<std::string> decode_base32(std::string_view text) { return decode(text, kBase32); }

}  // namespace pipeline
