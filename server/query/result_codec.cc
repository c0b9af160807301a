#include "server/query/result_codec.h"

#include <bit>

namespace server {

namespace {

constexpr std::string_view kMagic = "SKM1";

void put_number(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

// Takes from the front; after a fault everything is empty and good() is false.
class Bytes {
 public:
  explicit Bytes(std::string_view rest) : rest_(rest) {}
  bool good() const { return good_; }
  bool at_end() const { return good_ && rest_.empty(); }
  size_t size() const { return rest_.size(); }

  std::string_view take(uint64_t length) {
    if (length > rest_.size()) return fault();
    std::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }
  uint64_t number() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      std::string_view byte = take(1);
      if (byte.empty()) return 0;
      out |= static_cast<uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) return out;
    }
    fault();
    return 0;
  }
  // How many things of at least `least` bytes each may follow.
  uint64_t count(uint64_t least) {
    const uint64_t out = number();
    if (out <= rest_.size() / least) return out;
    fault();
    return 0;
  }
  double value() {
    uint64_t bits = 0;
    int shift = 0;
    for (char c : take(8)) bits |= static_cast<uint64_t>(static_cast<unsigned char>(c)) << shift, shift += 8;
    return std::bit_cast<double>(bits);
  }

 private:
  std::string_view fault() {
    good_ = false;
    rest_ = {};
    return {};
  }
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string encode_matrix(const Matrix& matrix) {
  std::string out(kMagic);
  out += matrix.is_scalar ? '\1' : '\0';
  put_number(out, matrix.series.size());
  for (const Series& series : matrix.series) {
    put_number(out, series.labels.labels().size());
    for (const auto& [name, value] : series.labels.labels()) put_text(out, name), put_text(out, value);
    put_number(out, series.points.size());
    uint32_t before = 0;
    for (const Point& point : series.points) {
      put_number(out, point.step - before);
      before = point.step;
      const auto bits = std::bit_cast<uint64_t>(point.value);
      for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(bits >> shift & 0xff);
    }
  }
  return out;
}

std::optional<Matrix> decode_matrix(std::string_view text, uint32_t steps) {
  Bytes bytes(text);
  if (bytes.take(kMagic.size()) != kMagic) return std::nullopt;
  Matrix matrix;
  matrix.is_scalar = bytes.take(1) == std::string_view("\1");
  matrix.series.resize(bytes.count(2));
  for (Series& series : matrix.series) {
    std::vector<pipeline::Label> labels(bytes.count(2));
    for (auto& [name, value] : labels) {
      name = bytes.take(bytes.number());
      value = bytes.take(bytes.number());
    }
    series.labels = LabelSet::from(std::move(labels));
    series.points.resize(bytes.count(9));
    uint64_t step = 0;
    for (Point& point : series.points) {
      step += bytes.number();
      if (step >= steps) return std::nullopt;
      point = {static_cast<uint32_t>(step), bytes.value()};
    }
    if (!bytes.good()) return std::nullopt;
  }
  if (!bytes.at_end()) return std::nullopt;
  return matrix;
}

}  // namespace server
