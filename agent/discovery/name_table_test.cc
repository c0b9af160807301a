#include "agent/discovery/name_table.h"

#include <doctest/doctest.h>
#include <map>
#include <random>
#include <string>

using namespace agent;

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: the table of names answers as a map does, in whatever order names come and go") {
    std::mt19937_64 random(20261122);
    NameTable table;
    std::map<std::string, uint64_t> map;
    auto check_all = [&] {
      CHECK(table.size() == map.size());
      std::vector<std::string> names, expected;
      table.for_each_below("", [&](const Name& name) { names.push_back(name.path.str()); });
      for (const auto& [path, inode] : map) expected.push_back(path);
      CHECK(names == expected);
    };
    auto path_of = [](uint64_t n) { return "/logs/" + std::to_string(n % 20) + "/" + std::to_string(n) + ".log"; };
    for (int order = 0; order < 3; ++order)
      for (uint64_t i = 0; i < 4000; ++i) {  // rising, falling, any
        const std::string path = path_of(order == 0 ? 10'000 + i : order == 1 ? 9'999 - i : random() % 20'000);
        Name& name = table.add(path);
        CHECK(name.path == path);
        if (auto there = map.find(path); there != map.end()) CHECK(name.key.inode == there->second);
        name.key.inode = map[path] = i;
      }
    check_all();
    for (int i = 0; i < 30'000; ++i) {
      const std::string path = path_of(random() % 20'000);
      const Name* name = std::as_const(table).find(path);
      REQUIRE((name != nullptr) == map.contains(path));
      if (name) CHECK(name->key.inode == map[path]);
      if (random() % 3 != 0) continue;
      table.remove(path);
      map.erase(path);
    }
    check_all();
    table.remove_if([](const Name& name) { return name.key.inode % 3 == 0; });
    std::erase_if(map, [](const auto& entry) { return entry.second % 3 == 0; });
    check_all();
    for (const std::string prefix : {"/logs/7/", "/logs/1", "/logs/", "/log/", "/zzz"}) {
      size_t below = 0, expected = 0;
      table.for_each_below(prefix, [&](const Name& name) {
        CHECK(name.path.view().starts_with(prefix));
        ++below;
      });
      for (const auto& [path, inode] : map) expected += path.starts_with(prefix) ? 1 : 0;
      CHECK(below == expected);
    }
    while (!map.empty()) {
      table.remove(map.begin()->first);
      map.erase(map.begin());
    }
    check_all();
  }
}
