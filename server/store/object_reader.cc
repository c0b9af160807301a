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
  ValueAnswers(const ObjectDirectory& directory, const LabelTest& test) : directory_(directory), test_(test) {
    auto before = [&](const ObjectDirectory::Name& name, std::string_view text) {
      return directory.view(name.text) < text;
    };
    auto name = std::lower_bound(directory.names.begin(), directory.names.end(), test.name, before);
    if (name != directory.names.end() && directory.view(name->text) == test.name) {
      name_ = static_cast<uint32_t>(name - directory.names.begin());
      first_value_ = name->first_value;
      answers_.resize(name->values, kUnknown);
    }
  }

  bool passes(const StreamInfo& stream) {
    for (uint32_t i = 0; i < stream.label_count; ++i) {
      auto [name, value] = directory_.labels[stream.first_label + i];
      if (name == name_) return answer(answers_[value - first_value_], directory_.view(directory_.values[value]));
    }
    return answer(without_, {});
  }

 private:
  static constexpr uint8_t kNo = 0, kYes = 1, kUnknown = 2;

  bool answer(uint8_t& known, std::string_view value) {
    if (known == kUnknown) known = test_.matches(value) ? kYes : kNo;
    return known == kYes;
  }

  const ObjectDirectory& directory_;
  const LabelTest& test_;
  uint32_t name_ = UINT32_MAX;  // no such name
  uint32_t first_value_ = 0;
  std::vector<uint8_t> answers_;
  uint8_t without_ = kUnknown;
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

StreamSet ObjectReader::select(std::string_view tenant, std::span<const LabelTest> tests) const {
  StreamSet out;
  out.chosen.resize(directory_.streams.size());
  auto found = std::lower_bound(tenants().begin(), tenants().end(), tenant);
  if (found == tenants().end() || *found != tenant) return out;
  auto number = static_cast<uint32_t>(found - tenants().begin());
  std::vector<ValueAnswers> answers;
  answers.reserve(tests.size());
  for (const LabelTest& test : tests) answers.emplace_back(directory_, test);
  for (uint32_t i = 0; i < directory_.streams.size(); ++i) {
    const StreamInfo& stream = directory_.streams[i];
    if (stream.tenant != number) continue;
    if (!std::all_of(answers.begin(), answers.end(), [&](ValueAnswers& a) { return a.passes(stream); })) continue;
    out.ordinals.push_back(i);
    out.chosen[i] = true;
  }
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
