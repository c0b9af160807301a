// SeriesSink: where the series of a metric expression go, one after the other, so that nobody needs to hold them all.
//
// Thread: that of the evaluation.
#pragma once

#include "pipeline/base/result.h"
#include "server/logql/matrix.h"

namespace server {

using pipeline::Result;

class SeriesSink {
 public:
  virtual ~SeriesSink() = default;
  // Series with at least one point. An error ends the evaluation.
  virtual Result<void> add(Series series) = 0;
};

// Keeps them.
class MatrixSink final : public SeriesSink {
 public:
  Result<void> add(Series series) override {
    matrix.series.push_back(std::move(series));
    return {};
  }
  Matrix matrix;
};

}  // namespace server
