// Result<T>: a value, or an Error that says what the caller should do next.
//
// A [[nodiscard]] class over tl::expected (package libexpected-dev) with C++23's names: use transform, and_then,
// or_else. `Result<void>` has no value. Never write Result<bool>.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include "pipeline/base/concat.h"

namespace pipeline {

// Named after what the caller does next (agent / server):
enum class Errc {
  kInvalid,      // input will never be right: drop and count / 400
  kUnavailable,  // may work later: retry with backoff / 503
  kOverLimit,    // a quota, rate or size bound: pause the source / 429
  kNotFound,     // nothing there: start fresh / 404
  kCorrupt,      // bytes fail their checksum: set aside, go on / skip the page, answer partially and say so
  kIo,           // the system said no: keep position, retry / 500
  kCancelled,    // we are stopping: unwind quietly
};

std::string_view errc_name(Errc code);

// Messages: lower case, no full stop, name the thing and the number; context is added outwards with `Error::within`.
struct Error {
  Errc code = Errc::kInvalid;
  std::string message;

  // "flush stream 4af1: append 000017.seg: no space left on device"
  Error within(std::string_view context) const& { return {code, concat(context, ": ", message)}; }
  bool operator==(const Error&) const = default;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result(Base base) : Base(std::move(base)) {}
};

inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// kIo (or kOverLimit for a full disk or quota, kNotFound for a missing file) with the text of `errno_value`:
// "open /x/y: permission denied".
Error system_error(std::string_view what, int errno_value);

}  // namespace pipeline

#define PIPELINE_CONCAT_(a, b) a##b
#define PIPELINE_CONCAT(a, b) PIPELINE_CONCAT_(a, b)

// Returns the error upwards; for expressions without a value.
#define TRY(expression)                                       \
  do {                                                        \
    auto&& try_result = (expression);                         \
    if (!try_result) [[unlikely]]                             \
      return ::pipeline::fail(std::move(try_result).error()); \
  } while (false)

// TRY_LET(auto bytes, files.read(path)): declares `bytes`, or returns the error upwards.
#define TRY_LET(declaration, expression) TRY_LET_(PIPELINE_CONCAT(try_let_, __LINE__), declaration, expression)
#define TRY_LET_(name, declaration, expression)       \
  auto name = (expression);                           \
  if (!name) [[unlikely]]                             \
    return ::pipeline::fail(std::move(name).error()); \
  declaration = *std::move(name)
