// A Matrix as bytes, for the results cache.
//
//   "SKM1" | flags, 1 byte (1: is_scalar) | series, varint | each: labels, varint; name and value of each, each a
//   varint of its length and its bytes; points, varint; each: the steps since the one before, varint, and the value, 8
//   bytes little endian
//
// Thread: any. Errors: decode_matrix answers nothing for bytes that are not such.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/logql/matrix.h"

namespace server {

std::string encode_matrix(const Matrix& matrix);
// `steps`: of the grid; a point beyond is no matrix of it.
std::optional<Matrix> decode_matrix(std::string_view bytes, uint32_t steps);

}  // namespace server
