#include "agent/discovery/held_file.h"

#include <doctest/doctest.h>
#include <map>
#include <random>
#include <set>
#include <string>

#include "agent/source/testing/temp_folder.h"

using namespace agent;
using namespace agent::testing;

namespace {
std::vector<std::string> names_of(const HeldFile& file) {
  std::vector<std::string> names;
  for (const auto& name : file.names()) names.push_back(name.str());
  return names;
}

std::vector<uint64_t> ids_of(const HeldFile& file) {
  std::vector<uint64_t> ids;
  for (const auto& offer : file.offers()) ids.push_back(offer.id.value);
  return ids;
}

HeldFile::Offer offer_of(uint64_t id) {
  HeldFile::Offer offer;
  offer.id = FileId{id};
  return offer;
}
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: a file may have no name, one or many, and as many readers") {
    HeldFile file;
    std::set<std::string> names;
    std::vector<uint64_t> ids;
    std::mt19937_64 random(7);
    for (int i = 0; i < 2000; ++i) {
      const std::string name = "/a/" + std::to_string(random() % 4);
      if (random() % 2 == 0) {
        file.add_name(name);
        names.insert(name);
      } else {
        file.remove_name(name);
        names.erase(name);
      }
      CHECK(names_of(file) == std::vector<std::string>(names.begin(), names.end()));
      CHECK(file.has_name(name) == names.contains(name));
      const uint64_t id = random() % 4 + 1;
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
        file.add_offer(offer_of(id));
        ids.push_back(id);
      } else {
        file.remove_offers([&](const HeldFile::Offer& offer) { return offer.id.value == id; });
        std::erase(ids, id);
      }
      CHECK(ids_of(file) == ids);
      CHECK(file.is_unread() == ids.empty());
    }
  }

  TEST_CASE("discovery: held files are found by inode while others come and go") {
    TempFolder folder;
    std::vector<std::shared_ptr<FileHandle>> handles;
    for (int i = 0; i < 200; ++i) {
      folder.append(std::to_string(i), "x\n");
      handles.push_back(*FileHandle::open(folder.at(std::to_string(i))));
    }
    HeldFiles files;
    std::map<InodeKey, HeldFile*> there;
    std::mt19937_64 random(11);
    for (int i = 0; i < 5000; ++i) {
      const auto& handle = handles[random() % handles.size()];
      const InodeKey key = handle->key();
      if (there.erase(key) > 0)
        files.remove(key);
      else
        there[key] = &files.add(handle);
      CHECK(files.size() == there.size());
      CHECK(files.contains(key) == there.contains(key));
    }
    for (const auto& [key, file] : there) {
      CHECK(files.find(key) == file);  // it stays where it is
      CHECK(file->key() == key);
    }
    std::set<InodeKey> visited;
    files.for_each([&](const HeldFile& file) { CHECK(visited.insert(file.key()).second); });
    CHECK(visited.size() == there.size());
  }
}
