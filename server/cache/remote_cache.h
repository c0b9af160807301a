// RemoteCache: a cache that several servers share. It may lose, refuse or be away: then it has nothing.
//
// Thread: any; calls block for at most the cache's timeout.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace server {

class RemoteCache {
 public:
  virtual ~RemoteCache() = default;
  // Keys: up to 200 printable characters without blanks.
  virtual std::optional<std::string> find(std::string_view key) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void remove(std::string_view key) = 0;
};

}  // namespace server
