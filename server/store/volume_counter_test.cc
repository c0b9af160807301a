#include "server/store/volume_counter.h"

#include <doctest/doctest.h>
#include <set>

using namespace server;

TEST_SUITE("store") {
  TEST_CASE("store: a volume is lines, eight bytes a pair of metadata, and each distinct text once") {
    EntryColumns entries;
    const MetadataPair level[] = {{"level", "info"}};
    const MetadataPair both[] = {{"level", "warn"}, {"trace", "info"}};
    entries.append(1, "0123456789", level);
    entries.append(2, "01234", level);
    entries.append(3, "", both);
    entries.append(4, "0");
    VolumeCounter counter;
    counter.add(entries.slice(0, 1));
    counter.add(entries.slice(1, 4));
    CHECK(counter.bytes() == 16 + 4 * 8 + std::string("levelinfowarntrace").size());
    counter.reset();
    CHECK(counter.bytes() == 0);
    counter.add(entries.slice(0, 1));
    CHECK(counter.bytes() == 10 + 8 + 9);
  }

  TEST_CASE(
      "store: a volume is the same whatever the entries come in, also with more different metadata than is kept") {
    EntryColumns entries;
    std::set<std::string> texts;
    uint64_t expected = 0;
    for (size_t i = 0; i < 5000; ++i) {
      const std::string level = std::to_string(i % 7), node = "node-" + std::to_string(i * i % 311);
      const MetadataPair pairs[] = {{"level", level}, {"node", node}};
      entries.append(static_cast<UnixNanos>(i), "line", {pairs, 1 + i % 2});
      expected += 4 + 8 * (1 + i % 2);
      texts.insert({"level", level});
      if (i % 2 == 1) texts.insert({"node", node});
    }
    for (const std::string& text : texts) expected += text.size();
    VolumeCounter counter;
    for (size_t i = 0; i < 5000; i += 500) counter.add(entries.slice(i, i + 500));
    CHECK(counter.bytes() == expected);
  }

  TEST_CASE("store: a volume of very many texts is counted without remembering all of them") {
    EntryColumns entries;
    uint64_t expected = 0;
    for (size_t i = 0; i < 2 * VolumeCounter::kMaxTexts; ++i) {
      std::string value = "value" + std::to_string(i);
      const MetadataPair pair[] = {{"id", value}};
      entries.append(static_cast<UnixNanos>(i), "x", pair);
      expected += 1 + 8 + value.size();
    }
    VolumeCounter counter;
    counter.add(entries);
    CHECK(counter.bytes() == expected + 2);
  }
}
