// Entries spread over objects and the head, for tests of queries, and the same entries as a plain list to compare with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/testing/forgetful_files.h"
#include "server/erase/erasures.h"
#include "server/query/query_engine.h"
#include "server/store/testing/object_builder.h"

namespace server {

class QueryFixture {
 public:
  QueryFixture();

  // One object, or one run per stream of the head, with these entries. Entries may be in several.
  void add_object(const std::vector<PlainEntry>& entries) { add_object(entries, {.with_filter = true}); }
  void add_object(const std::vector<PlainEntry>& entries, const ObjectWriterOptions& options);
  void add_head(const std::vector<PlainEntry>& entries);

  // What exists no more, for engines made before and after.
  void erase(std::shared_ptr<const TenantErasures> erasures) { erasures_ = std::move(erasures); }

  // Every entry once, erased or not, sorted by (tenant, labels, time).
  std::vector<PlainEntry> distinct() const;

  // The engine's limits are the fixture's: an engine made later changes them for all.
  QueryEngine engine(TenantLimits limits = {}, QueryEngineOptions options = {});
  pipeline::ForgetfulFiles& files() { return files_; }
  ObjectStore& store() { return *store_; }
  const std::vector<ObjectRow>& objects() const { return catalog_->objects; }

 private:
  pipeline::ForgetfulFiles files_;
  std::unique_ptr<ObjectStore> store_;
  std::shared_ptr<CatalogSnapshot> catalog_ = std::make_shared<CatalogSnapshot>();
  HeadSnapshot head_;
  std::shared_ptr<const TenantErasures> erasures_;
  LimitTable limits_;
  std::vector<PlainEntry> entries_;
};

}  // namespace server
