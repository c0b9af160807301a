#include "server/catalog/catalog_mark.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

constexpr uint64_t kMostBytes = 64 << 10;  // then the file is begun anew
constexpr uint64_t kTail = 4 << 10;        // several lines

bool take_number(std::string_view& text, uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// Of a line without its end.
std::optional<CatalogAge> parse(std::string_view line) {
  constexpr size_t kUlid = 26;
  if (line.size() <= kUlid || line[kUlid] != ' ') return std::nullopt;
  const auto cluster = Ulid::parse(line.substr(0, kUlid));
  CatalogAge age;
  line.remove_prefix(kUlid + 1);
  if (!cluster || !take_number(line, age.generation) || !line.starts_with(' ')) return std::nullopt;
  line.remove_prefix(1);
  if (!take_number(line, age.version) || !line.empty()) return std::nullopt;
  age.cluster = *cluster;
  return age;
}

}  // namespace

Result<std::optional<CatalogAge>> CatalogMark::read() const {
  auto file = files_.open_to_read(path_);
  if (!file && file.error().code == Errc::kNotFound) return std::optional<CatalogAge>();
  TRY(file);
  TRY_LET(const uint64_t size, (*file)->size());
  const uint64_t length = std::min(size, kTail);
  TRY_LET(const std::string bytes, (*file)->read(size - length, length));
  std::optional<CatalogAge> last;
  std::string_view text = bytes;
  for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    if (auto age = parse(text.substr(0, end))) last = age;  // the first may be the end of one
    text.remove_prefix(end + 1);
  }
  return last;
}

void CatalogMark::keep(const CatalogAge& age) {
  auto kept = append(concat(age.cluster.text(), " ", age.generation, " ", age.version, "\n"));
  if (kept) return;
  file_.reset();
  if (auto held = failure_log_.allow()) {
    pipeline::log_warn("how far the catalogue has come could not be noted",
                       {{"error", kept.error()}, {"held_back", *held}});
  }
}

Result<void> CatalogMark::append(const std::string& line) {
  if (file_ == nullptr || size_ + line.size() > kMostBytes) {
    const std::string fresh = concat(path_, ".new");
    auto removed = files_.remove(fresh);  // of a program that died
    if (!removed && removed.error().code != Errc::kNotFound) return removed;
    TRY_LET(file_, files_.create(fresh));
    size_ = line.size();
    TRY(file_->append(line));
    return files_.rename(fresh, path_);
  }
  size_ += line.size();
  return file_->append(line);
}

Result<void> CatalogMark::remove() {
  file_.reset();
  auto removed = files_.remove(path_);
  return !removed && removed.error().code == Errc::kNotFound ? Result<void>() : removed;
}

Result<void> check_mark(const CatalogMark& mark, Catalog& catalog) {
  TRY_LET(auto seen, mark.read());
  if (!seen || seen->cluster != catalog.cluster()) return {};
  TRY_LET(const uint64_t generation, catalog.generation());
  TRY_LET(auto snapshot, catalog.snapshot());
  if (std::tuple(seen->generation, seen->version) <= std::tuple(generation, snapshot->version)) return {};
  return fail(Errc::kInvalid,
              concat("it is of generation ", generation, " and version ", snapshot->version,
                     ", and this machine has seen generation ", seen->generation, " and version ", seen->version));
}

}  // namespace server
