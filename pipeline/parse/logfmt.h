// LogfmtScanner: key=value pairs of a line (logql.md 4.7). Thread: one; nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/model/batch.h"

namespace pipeline {

struct LogfmtPair {
  std::string_view key;
  std::string_view value;  // without quotes, not decoded; empty for `key` and `key=`
  bool escaped = false;    // the value was quoted and has a backslash: decode it with logfmt_text()
  bool ascii_key = true;
};

class LogfmtScanner {
 public:
  explicit LogfmtScanner(std::string_view line) : line_(line) {}

  enum class Step { kPair, kFault, kEnd };
  // The next pair. After a fault, fault() has its text and the next call goes on behind the next space (an unterminated
  // quote: at the end of the line).
  Step next(LogfmtPair& pair);

  // `logfmt syntax error at pos 6 : unexpected '"'`: 1-based byte.
  std::string fault() const;

 private:
  enum class Fault : uint8_t { kUnexpected, kUnterminated, kInvalidQuoted, kInvalidKey };
  Step fail(Fault what, size_t at, char unexpected = 0);
  Step quoted_value(LogfmtPair& pair);

  std::string_view line_;
  size_t at_ = 0;
  bool recovering_ = false;
  Fault fault_ = Fault::kUnexpected;
  size_t fault_at_ = 0;
  char unexpected_ = 0;
};

// The value decoded: a view of it where nothing is escaped, else in `arena`.
std::string_view logfmt_text(const LogfmtPair& pair, Arena& arena);

}  // namespace pipeline
