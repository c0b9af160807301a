#include "server/store/ulid.h"

#include <array>
#include <random>

#include "pipeline/base/invariant.h"

namespace server {

namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kTextSize = 26;  // 130 bits; the first character is at most 7

// The bits [at, at + 5) of the 130-bit number, counted from the most significant one; the first two are 0.
unsigned five_bits(const Ulid& id, unsigned at) {
  unsigned __int128 v = static_cast<unsigned __int128>(id.high) << 64 | id.low;
  return static_cast<unsigned>(v >> (125 - at)) & 31;
}

}  // namespace

std::string Ulid::text() const {
  std::string out(kTextSize, '0');
  for (unsigned i = 0; i < kTextSize; ++i) out[i] = kAlphabet[five_bits(*this, i * 5)];
  return out;
}

std::string Ulid::bytes() const {
  std::string out(16, '\0');
  for (unsigned i = 0; i < 8; ++i) {
    out[i] = static_cast<char>(high >> (56 - 8 * i));
    out[8 + i] = static_cast<char>(low >> (56 - 8 * i));
  }
  return out;
}

std::optional<Ulid> Ulid::parse(std::string_view text) {
  if (text.size() != kTextSize || text[0] > '7') return std::nullopt;
  unsigned __int128 v = 0;
  for (char c : text) {
    size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    v = v << 5 | digit;
  }
  return Ulid{static_cast<uint64_t>(v >> 64), static_cast<uint64_t>(v)};
}

std::optional<Ulid> Ulid::from_bytes(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  Ulid out;
  for (unsigned i = 0; i < 8; ++i) {
    out.high = out.high << 8 | static_cast<uint8_t>(bytes[i]);
    out.low = out.low << 8 | static_cast<uint8_t>(bytes[8 + i]);
  }
  return out;
}

UlidMaker::UlidMaker(const pipeline::Clock& clock) : clock_(clock) {
  std::random_device device;
  for (uint64_t& part : state_) part = static_cast<uint64_t>(device()) << 32 | device();
}

UlidMaker::UlidMaker(const pipeline::Clock& clock, uint64_t seed) : clock_(clock), state_{seed, ~seed} {}

// xoroshiro128+ (David Blackman and Sebastiano Vigna, public domain algorithm).
uint64_t UlidMaker::random() {
  auto rotate = [](uint64_t v, int by) { return v << by | v >> (64 - by); };
  uint64_t sum = state_[0] + state_[1];
  uint64_t mixed = state_[0] ^ state_[1];
  state_[0] = rotate(state_[0], 24) ^ mixed ^ mixed << 16;
  state_[1] = rotate(mixed, 37);
  return sum;
}

Ulid UlidMaker::make() {
  std::lock_guard lock(mutex_);
  auto milliseconds = static_cast<uint64_t>(clock_.wall() / 1'000'000);
  Ulid id{milliseconds << 16 | (random() & 0xffff), random()};
  if (id.high >> 16 <= last_.high >> 16) {  // the same millisecond, or the clock went back: count up from the last one
    id = last_;
    uint64_t before = id.low;
    id.low += 1 + (random() & 0xffff'ffff);
    if (id.low < before) ++id.high;
  }
  last_ = id;
  return id;
}

}  // namespace server
