// GunzipStream: gzip (RFC 1952) a piece at a time, several members one after the other as one text. Zeros behind the
// last member are padding.
//
// Thread:  one.
// Limits:  some 48 KiB of memory, whatever the text's size.
// Errors:  kCorrupt: `gzip: ...`; after it the stream is of no more use.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

class GunzipStream {
 public:
  GunzipStream();
  ~GunzipStream();
  GunzipStream(GunzipStream&&) noexcept;
  GunzipStream& operator=(GunzipStream&&) noexcept;

  struct Step {
    size_t used = 0;  // bytes of the input
    size_t made = 0;  // bytes of the text
  };
  // Takes what it can of `input` and writes up to `room` bytes to `to`. Neither used nor made: it wants more input.
  Result<Step> run(std::string_view input, char* to, size_t room);

  // The input may end here: no member is open.
  bool complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pipeline
