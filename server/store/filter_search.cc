// ObjectReader::pages_with(): the substring filter asked.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "pipeline/base/checksum.h"
#include "pipeline/base/varint.h"
#include "server/store/object_reader.h"

namespace server {

namespace {

using Pages = std::vector<uint32_t>;  // of a part, rising; numbers within it

// A row keeps about this share of the pages that do not have what is looked for.
constexpr double kKeptByRow = 0.55;
// So few pages are expected to be left by chance: those that are left have what is looked for.
constexpr double kFewPages = 0.05;

// The stripes of one grid that have been read.
class GridReader {
 public:
  GridReader(ObjectStore& store, const std::string& key, const FilterGrid& grid, FilterReads& reads)
      : store_(store), key_(key), grid_(grid), reads_(reads) {}

  // Those of `pages` on which all of `buckets` may occur. Nothing: the grid cannot be read.
  std::optional<Pages> keep(Pages pages, std::vector<uint32_t> buckets) {
    std::erase_if(pages, [&](uint32_t page) { return grid_.size_of[page] == FilterGrid::kNoSize; });
    double by_chance = static_cast<double>(pages.size());
    while (!pages.empty() && !buckets.empty() && by_chance > kFewPages) {
      const size_t first = next_window(buckets), last = end_of_window(buckets, first);
      if (!fetch(grid_.stripe_of(buckets[first]), grid_.stripe_of(buckets[last - 1]))) return std::nullopt;
      auto begin = buckets.begin() + static_cast<std::ptrdiff_t>(first),
           end = buckets.begin() + static_cast<std::ptrdiff_t>(last);
      std::erase_if(pages, [&](uint32_t page) {
        return !std::all_of(begin, end, [&](uint32_t bucket) { return has(page, bucket); });
      });
      by_chance *= std::pow(kKeptByRow, static_cast<double>(last - first));
      buckets.erase(begin, end);
    }
    return pages;
  }

 private:
  // One read serves neighbouring buckets, from buckets[first] up to this one (excluded).
  size_t end_of_window(const std::vector<uint32_t>& buckets, size_t first) const {
    const uint64_t most = std::max<uint64_t>(1, store_.request_worth_bytes() / grid_.stripe_bytes);
    size_t last = first + 1;
    while (last < buckets.size() && grid_.stripe_of(buckets[last]) - grid_.stripe_of(buckets[first]) < most) ++last;
    return last;
  }

  // Where the window with most buckets begins; one that was read before comes first.
  size_t next_window(const std::vector<uint32_t>& buckets) const {
    size_t best = 0, most = 0;
    for (size_t first = 0; first < buckets.size(); ++first) {
      if (stripes_.contains(grid_.stripe_of(buckets[first]))) return first;
      const size_t count = end_of_window(buckets, first) - first;
      if (count > most) best = first, most = count;
    }
    return best;
  }

  // Stripes [first, last] that are not there yet, in one read.
  bool fetch(uint32_t first, uint32_t last) {
    while (first <= last && stripes_.contains(first)) ++first;
    while (first < last && stripes_.contains(last)) --last;
    if (first > last) return true;
    const uint64_t length = (uint64_t{last} - first + 1) * grid_.stripe_bytes;
    if (!store_.get_range(key_, grid_.offset + first * grid_.stripe_bytes, length, bytes_)) return false;
    ++reads_.ranges;
    reads_.bytes += length;
    for (uint32_t stripe = first; stripe <= last; ++stripe) {
      std::string_view stored =
          std::string_view(bytes_).substr((stripe - first) * grid_.stripe_bytes, grid_.stripe_bytes);
      std::string_view body = stored.substr(0, stored.size() - sizeof(uint32_t));
      if (pipeline::crc32c(body) != pipeline::ByteReader(stored.substr(body.size())).fixed<uint32_t>()) return false;
      stripes_[stripe] = body;
    }
    return true;
  }

  bool has(uint32_t page, uint32_t bucket) const {
    const FilterGrid::Size& size = grid_.sizes[grid_.size_of[page]];
    const uint32_t rows = size.rows / grid_.stripes, stripe = grid_.stripe_of(bucket);
    const uint64_t row = filter_row(bucket, size.rows) - uint64_t{stripe} * rows;
    const uint64_t bit = size.first_bit + row * size.columns + grid_.column_of[page];
    const std::string& bytes = stripes_.find(stripe)->second;
    return (static_cast<unsigned char>(bytes[bit / 8]) >> (bit % 8) & 1) != 0;
  }

  ObjectStore& store_;
  const std::string& key_;
  const FilterGrid& grid_;
  FilterReads& reads_;
  std::map<uint32_t, std::string> stripes_;
  std::string bytes_;
};

// What a condition asks of the grids. Nothing: it says nothing about pages.
struct Probe {
  std::vector<std::vector<uint32_t>> texts, metadata;  // buckets; one of all of these
};
std::optional<Probe> probe_of(const PageCondition& condition) {
  Probe out;
  for (const std::string& text : condition.texts) {
    out.texts.push_back(gram_buckets(text));
    if (out.texts.back().empty()) return std::nullopt;
  }
  for (const auto& [name, value] : condition.metadata) out.metadata.push_back(metadata_buckets(name, value));
  return out;
}

class PartSearch {
 public:
  PartSearch(ObjectStore& store, const std::string& key, const FilterPart& part, FilterReads& reads)
      : part_(part), lines_(store, key, part.lines, reads), metadata_(store, key, part.metadata, reads) {}

  // Those of `pages` for which the condition may hold. Nothing: the filter cannot be read.
  std::optional<Pages> keep(const Pages& pages, const PageCondition& condition, const Probe& probe) {
    Pages kept;
    if (condition.or_backslash) {
      for (uint32_t page : pages)
        if ((part_.flags[page] & FilterPart::kBackslash) != 0) kept.push_back(page);
    }
    for (const auto& buckets : probe.texts)
      if (!add(kept, pages, lines_, buckets)) return std::nullopt;
    for (const auto& buckets : probe.metadata)
      if (!add(kept, pages, metadata_, buckets)) return std::nullopt;
    return kept;
  }

 private:
  static bool add(Pages& kept, const Pages& pages, GridReader& grid, const std::vector<uint32_t>& buckets) {
    Pages open;
    std::set_difference(pages.begin(), pages.end(), kept.begin(), kept.end(), std::back_inserter(open));
    auto more = grid.keep(std::move(open), buckets);
    if (!more) return false;
    Pages joined;
    std::merge(kept.begin(), kept.end(), more->begin(), more->end(), std::back_inserter(joined));
    kept = std::move(joined);
    return true;
  }

  const FilterPart& part_;
  GridReader lines_, metadata_;
};

}  // namespace

// Which of the chosen streams pass a condition whatever their entries hold.
std::vector<bool> ObjectReader::streams_with(const std::vector<std::string>& names) const {
  std::vector<bool> numbers(directory_.names.size());
  bool any = false;
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::find(names.begin(), names.end(), directory_.view(directory_.names[i].text)) != names.end();
    any = any || numbers[i];
  }
  if (!any) return {};
  std::vector<bool> out(directory_.streams.size());
  for (size_t i = 0; i < out.size(); ++i) {
    for (uint32_t k = directory_.streams.first_label(i); k < directory_.streams.labels_end(i); ++k)
      if (numbers[directory_.name_of(directory_.labels[k])]) out[i] = true;
  }
  return out;
}

std::vector<uint32_t> ObjectReader::pages_with(std::span<const PageCondition> conditions, const StreamSet& streams,
                                               std::vector<uint32_t> pages, FilterReads& reads) const {
  if (directory_.filter_damaged) ++reads.damaged;
  if (directory_.filter.empty() || pages.empty()) return pages;
  struct Asked {
    const PageCondition* condition;
    Probe probe;
    std::vector<bool> passing;  // by stream; empty: none passes unasked
  };
  std::vector<Asked> asked;
  for (const PageCondition& condition : conditions)
    if (auto probe = probe_of(condition))
      asked.push_back({&condition, *std::move(probe), streams_with(condition.not_with)});
  if (asked.empty()) return pages;

  auto passes_unasked = [&](const Asked& a, uint32_t page) {
    const auto on_page = runs(page);
    return std::any_of(on_page.begin(), on_page.end(),
                       [&](const PageRun& run) { return streams.contains(run.stream) && a.passing[run.stream]; });
  };
  std::vector<uint32_t> out;
  auto at = pages.begin();
  for (const FilterPart& part : directory_.filter) {
    Pages left;
    for (; at != pages.end() && *at < part.first_page + part.pages(); ++at) left.push_back(*at - part.first_page);
    PartSearch search(store_, key_, part, reads);
    for (const Asked& a : asked) {
      Pages exempt, subject = std::move(left);
      if (!a.passing.empty()) {
        auto middle = std::stable_partition(subject.begin(), subject.end(),
                                            [&](uint32_t page) { return passes_unasked(a, page + part.first_page); });
        exempt.assign(subject.begin(), middle);
        subject.erase(subject.begin(), middle);
      }
      left.clear();
      auto kept = search.keep(subject, *a.condition, a.probe);
      if (!kept) ++reads.damaged;
      std::merge(exempt.begin(), exempt.end(), (kept ? *kept : subject).begin(), (kept ? *kept : subject).end(),
                 std::back_inserter(left));
    }
    for (uint32_t page : left) out.push_back(page + part.first_page);
  }
  return out;
}

}  // namespace server
