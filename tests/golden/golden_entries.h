// What the golden objects hold: made by object_v1_writer.cc once, expected by golden_test.cc for ever. Never change it;
// a new version of the format gets a new file and, where needed, entries of its own.
#pragma once

#include <string>
#include <vector>

#include "server/store/testing/object_builder.h"

namespace golden {

inline const server::Ulid kCluster{0x0123'4567'89ab'cdef, 0xfedc'ba98'7654'3210};
inline const server::Ulid kObject{0x0193'4cd1'6a00'1234, 0x1122'3344'5566'7788};
inline const std::vector<server::Ulid> kInputs = {{1, 2}, {3, 4}};
inline const std::vector<server::ProducerRange> kProducers = {{"fake", "agent-1", 3, 10, 19}};

// In the order in which an object holds them.
inline std::vector<server::PlainEntry> entries() {
  using pipeline::LabelSet;
  std::vector<server::PlainEntry> out;
  auto metadata = [](std::vector<server::MetadataPair> pairs) {
    std::string encoded;
    server::append_metadata(encoded, pairs);
    return encoded;
  };
  LabelSet api = LabelSet::from({{"app", "api"}, {"env", "prod"}}), web = LabelSet::from({{"app", "web"}});
  constexpr server::UnixNanos kStart = 1'795'000'000'000'000'000;
  out.push_back({"", LabelSet(), -1, "before 1970, no tenant, no labels", ""});
  for (int i = 0; i < 300; ++i) {  // several packed blocks; every tenth entry repeats the time before it
    std::string line = i % 50 == 0 ? "" : "level=info msg=\"request " + std::to_string(i) + " done\"";
    std::string fields = i % 3 == 0 ? metadata({{"trace_id", std::to_string(i * 7919)}, {"level", "info"}}) : "";
    out.push_back({"fake", api, kStart + i / 10 * 10'000'000 + (i % 10 == 9 ? 8 : i % 10) * 1'000'003, line, fields});
  }
  for (int i = 0; i < 3; ++i) {  // more than one page
    out.push_back({"fake", web, kStart + i, std::string(200'000, static_cast<char>('a' + i)), ""});
  }
  out.push_back({"fake", web, kStart + 3'600'000'000'000, "an hour later \xff\n\xc3\xa9", metadata({{"empty", ""}})});
  return out;
}

// Of ids_object_v1_writer.cc.
constexpr int kIds = 600;
inline std::string id(int i) {  // 32 hexadecimal digits
  std::string out;
  for (uint64_t left = 0x9e37'79b9'7f4a'7c15 * static_cast<uint64_t>(i + 1); out.size() < 32; left = left * 31 + 7)
    out += "0123456789abcdef"[left >> 60];
  return out;
}
inline std::vector<server::PlainEntry> id_entries() {
  std::vector<server::PlainEntry> out;
  const auto labels = pipeline::LabelSet::from({{"app", "api"}});
  constexpr server::UnixNanos kStart = 1'795'000'000'000'000'000;
  out.push_back({"fake", labels, kStart, "UUID 6F9619FF-8B86-D011-B42D-00C04FC964FF, no other of its kind", ""});
  for (int i = 0; i < kIds; ++i) out.push_back({"fake", labels, kStart + 1 + i, "id=" + id(i) + ";", ""});
  return out;
}

}  // namespace golden
