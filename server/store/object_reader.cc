#include "server/store/object_reader.h"

#include <algorithm>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

// A first guess at the length of a footer; most are shorter.
constexpr uint64_t kFooterGuess = 64 << 10;

// What each value of one label name answers, asked when first needed.
class ValueAnswers {
 public:
  ValueAnswers(const ObjectReader& object, const LabelTest& test)
      : object_(object), test_(test), values_(object.values_of(test.name)) {
    if (test.only.empty()) {
      answers_.resize(values_.last - values_.first, kUnknown);
      return;
    }
    for (const std::string& value : test.only)
      if (auto number = find(value)) passing_.push_back(*number);
    std::sort(passing_.begin(), passing_.end());
  }

  // Only streams with one of passing() can pass.
  bool is_by_value() { return (values_.empty() || !test_.only.empty()) && !without(); }
  std::span<const uint32_t> passing() const { return passing_; }

  bool passes(std::span<const uint32_t> stream) {
    for (uint32_t value : stream)
      if (value >= values_.first && value < values_.last) return answer(value);
    return without();
  }

 private:
  static constexpr uint8_t kNo = 0, kYes = 1, kUnknown = 2;

  bool without() {
    if (without_ == kUnknown) without_ = test_.matches({}) ? kYes : kNo;
    return without_ == kYes;
  }
  std::optional<uint32_t> find(std::string_view text) const {
    uint32_t first = values_.first, last = values_.last;
    while (first < last) {
      const uint32_t middle = first + (last - first) / 2;
      object_.value_text(middle) < text ? first = middle + 1 : last = middle;
    }
    if (first == values_.last || object_.value_text(first) != text) return std::nullopt;
    return first;
  }
  bool answer(uint32_t value) {
    if (!test_.only.empty()) return std::binary_search(passing_.begin(), passing_.end(), value);
    uint8_t& known = answers_[value - values_.first];
    if (known == kUnknown) known = test_.matches(object_.value_text(value)) ? kYes : kNo;
    return known == kYes;
  }

  const ObjectReader& object_;
  const LabelTest& test_;
  const ObjectReader::Values values_;
  uint8_t without_ = kUnknown;    // what streams without the label answer
  std::vector<uint8_t> answers_;  // by value, unless the test says which pass
  std::vector<uint32_t> passing_;
};

}  // namespace

Result<std::shared_ptr<const ObjectReader>> ObjectReader::open(ObjectStore& store, std::string key, uint64_t size,
                                                               uint32_t footer_length) {
  if (footer_length > size) return fail(Errc::kCorrupt, concat("object ", key, ": footer longer than the object"));
  store.note_size(key, size);
  std::string footer;
  TRY(store.get_range(key, size - footer_length, footer_length, footer));
  auto directory = decode_footer(footer, size);
  if (!directory) return fail(directory.error().within(concat("object ", key)));
  return std::shared_ptr<const ObjectReader>(new ObjectReader(store, std::move(key), *std::move(directory)));
}

Result<std::shared_ptr<const ObjectReader>> ObjectReader::open(ObjectStore& store, std::string key) {
  TRY_LET(uint64_t size, store.size(key));
  std::string tail;
  for (uint64_t guess = std::min(size, kFooterGuess);; guess = std::min(size, guess * 16)) {
    TRY(store.get_range(key, size - guess, guess, tail));
    auto length = server::footer_length(tail, size);
    if (length) return open(store, std::move(key), size, *length);
    if (length.error().code != Errc::kOverLimit || guess == size) {
      return fail(length.error().within(concat("object ", key)));
    }
  }
}

pipeline::LabelSet ObjectReader::labels(const StreamInfo& stream) const {
  std::vector<pipeline::Label> out;
  out.reserve(stream.label_count);
  for (uint32_t i = 0; i < stream.label_count; ++i) {
    auto [name, value] = label(stream, i);
    out.emplace_back(name, value);
  }
  return pipeline::LabelSet::from(std::move(out));
}

ObjectReader::Values ObjectReader::values_of(std::string_view name) const {
  auto before = [&](const ObjectDirectory::Name& known, std::string_view text) {
    return directory_.view(known.text) < text;
  };
  const auto& names = directory_.names;
  auto found = std::lower_bound(names.begin(), names.end(), name, before);
  if (found == names.end() || directory_.view(found->text) != name) return {};
  return {found->first_value, found->first_value + found->values};
}

std::vector<std::string_view> ObjectReader::label_names() const {
  std::vector<std::string_view> out;
  for (const ObjectDirectory::Name& name : directory_.names) out.push_back(directory_.view(name.text));
  return out;
}

template <class Found>
void ObjectReader::find_with(std::pair<uint32_t, uint32_t> streams, std::span<const uint32_t> values,
                             Found found) const {
  if (values.empty() || streams.first == streams.second) return;
  const StreamList& list = directory_.streams;
  const auto labels = directory_.labels.begin();
  const auto begin = labels + list.first_label(streams.first), end = labels + list.labels_end(streams.second - 1);
  uint32_t stream = streams.first;
  const uint32_t least = values.front(), most = values.back();
  for (auto at = begin; at != end; ++at) {
    if (*at < least || *at > most) continue;
    if (values.size() > 1 && !std::binary_search(values.begin(), values.end(), *at)) continue;
    const auto label = static_cast<uint32_t>(at - labels);
    while (list.labels_end(stream) <= label) ++stream;
    found(stream);
  }
}

StreamSet ObjectReader::select(std::string_view tenant, std::span<const LabelTest> tests) const {
  StreamSet out;
  out.chosen.resize(directory_.streams.size());
  auto known = std::lower_bound(tenants().begin(), tenants().end(), tenant);
  if (known == tenants().end() || *known != tenant) return out;
  const auto streams = directory_.streams.of_tenant(static_cast<uint32_t>(known - tenants().begin()));
  std::vector<ValueAnswers> answers;
  answers.reserve(tests.size());
  ValueAnswers* fewest = nullptr;  // of those that say by which values streams are found
  for (const LabelTest& test : tests) {
    ValueAnswers& answer = answers.emplace_back(*this, test);
    if (answer.is_by_value() && (fewest == nullptr || answer.passing().size() < fewest->passing().size()))
      fewest = &answer;
  }
  auto look_at = [&](uint32_t stream) {
    const auto values = values_of(stream);
    if (!std::all_of(answers.begin(), answers.end(), [&](ValueAnswers& a) { return a.passes(values); })) return;
    if (out.chosen[stream]) return;
    out.ordinals.push_back(stream);
    out.chosen[stream] = true;
  };
  if (fewest != nullptr) {
    find_with(streams, fewest->passing(), look_at);
    return out;
  }
  out.ordinals.reserve(tests.empty() ? streams.second - streams.first : 0);
  for (uint32_t stream = streams.first; stream < streams.second; ++stream) look_at(stream);
  return out;
}

std::vector<uint32_t> ObjectReader::pages_of(const StreamSet& streams, UnixNanos begin, UnixNanos end) const {
  std::vector<uint32_t> out;
  auto touches = [&](const PageRun& run) {
    return streams.contains(run.stream) && run.min_time < end && run.max_time >= begin;
  };
  uint32_t next = 0;  // pages below are decided
  for (uint32_t ordinal : streams.ordinals) {
    const StreamInfo& stream = directory_.streams[ordinal];
    if (stream.min_time >= end || stream.max_time < begin) continue;
    for (uint32_t page = std::max(next, stream.first_page); page <= stream.last_page; ++page) {
      auto on_page = runs(page);
      if (std::any_of(on_page.begin(), on_page.end(), touches)) out.push_back(page);
    }
    next = std::max(next, stream.last_page + 1);
  }
  return out;
}

}  // namespace server
