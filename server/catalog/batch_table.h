// The catalogue's tables of stored batch numbers: per (tenant, producer, epoch) the exact set, as ranges that neither
// overlap nor touch. Called within the transactions of its owner.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/db/database.h"
#include "server/catalog/catalog.h"

namespace server {

class BatchTable {
 public:
  static constexpr std::string_view kSchema = R"(
CREATE TABLE producer (
  tenant TEXT NOT NULL,
  producer TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  used INTEGER NOT NULL,           -- ns since 1970: when its last number was stored
  PRIMARY KEY (tenant, producer, epoch)
) WITHOUT ROWID, STRICT;
CREATE TABLE batch_range (
  tenant TEXT NOT NULL,
  producer TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (tenant, producer, epoch, first)
) WITHOUT ROWID, STRICT;
)";

  static Result<BatchTable> open(pipeline::Database& db);

  // kInvalid: a number of 2^63 or more, or last below first.
  Result<void> add(const ProducerRange& range, UnixNanos now);
  Result<std::vector<ProducerRange>> all();
  Result<uint64_t> forget(UnixNanos used_before);  // epochs

 private:
  BatchTable(pipeline::Statement use, pipeline::Statement take, pipeline::Statement insert, pipeline::Statement all,
             pipeline::Statement forget_ranges, pipeline::Statement forget_producers)
      : use_(std::move(use)),
        take_(std::move(take)),
        insert_(std::move(insert)),
        all_(std::move(all)),
        forget_ranges_(std::move(forget_ranges)),
        forget_producers_(std::move(forget_producers)) {}

  pipeline::Statement use_, take_, insert_, all_, forget_ranges_, forget_producers_;
};

}  // namespace server
