#include "server/catalog/generation.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/failpoint.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;

namespace {

constexpr size_t kDigits = 20;

std::string key_of(const Ulid& cluster, uint64_t number) {
  const std::string digits = std::to_string(number);
  return concat(generations_folder(cluster), "/", std::string(kDigits - digits.size(), '0'), digits);
}

// 0: not one of ours.
uint64_t number_of(std::string_view key) {
  const std::string_view digits = key.substr(key.rfind('/') + 1);
  uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return digits.size() == kDigits && error == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

}  // namespace

std::string generations_folder(const Ulid& cluster) { return concat(cluster.text(), "/generations"); }

Result<uint64_t> store_generation(ObjectStore& store, const Ulid& cluster) {
  TRY_LET(auto keys, store.list(generations_folder(cluster)));
  uint64_t highest = 0;
  for (const std::string& key : keys) highest = std::max(highest, number_of(key));
  return highest;
}

Result<void> check_generation(ObjectStore& store, Catalog& catalog, std::string_view place) {
  TRY_LET(uint64_t seen, store_generation(store, catalog.cluster()));
  TRY_LET(uint64_t own, catalog.generation());
  if (seen <= own) return {};
  return fail(Errc::kInvalid, concat("the catalogue is older than the store ", place, ": it is of generation ", own,
                                     ", and the store has seen generation ", seen));
}

Result<void> raise_generation(ObjectStore& store, Catalog& catalog) {
  TRY_LET(uint64_t number, catalog.raise_generation());
  TRY(failpoint("generation.raised"));
  auto kept = store.put(key_of(catalog.cluster(), number), concat("generation ", number, " of the catalogue\n"));
  if (!kept && kept.error().code == Errc::kInvalid) {
    return fail(Errc::kInvalid, concat("generation ", number, " of the catalogue was made by another one; ",
                                       "does a second server use a copy of it? ", kept.error().message));
  }
  TRY(kept);
  TRY(failpoint("generation.kept"));
  return number > 2 ? store.remove(key_of(catalog.cluster(), number - 2)) : Result<void>();
}

Result<void> claim_generation(ObjectStore& store, Catalog& catalog) {
  TRY_LET(auto before, store.list(generations_folder(catalog.cluster())));  // sorted
  TRY(raise_generation(store, catalog));
  if (!before.empty()) before.pop_back();
  for (const std::string& key : before) {
    if (number_of(key) != 0) TRY(store.remove(key));
  }
  return {};
}

}  // namespace server
