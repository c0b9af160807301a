#include "server/cache/memcached.h"

#include <charconv>
#include <cstdlib>
#include <libmemcached/memcached.h>
#include <libmemcachedutil-1.0/pool.h>
#include <mutex>

#include "pipeline/base/checksum.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "server/cache/cache_meters.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

constexpr std::string_view kMagic = "SKR1";  // then crc32c of key and value, 4 bytes little endian, then the value
constexpr size_t kHeader = 8;
constexpr size_t kMostBytes = (1 << 20) - 1024;

std::string header(std::string_view key, std::string_view value) {
  const uint32_t crc = pipeline::crc32c(value, pipeline::crc32c(key));
  std::string out(kMagic);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(crc >> shift & 0xff);
  return out;
}

class Memcached final : public RemoteCache {
 public:
  Memcached(memcached_pool_st* pool, MemcachedOptions options, const pipeline::Clock& clock,
            pipeline::Registry& registry)
      : pool_(pool), options_(std::move(options)), clock_(clock), meters_(registry, "memcached") {}
  ~Memcached() override {
    if (memcached_st* first = memcached_pool_destroy(pool_)) memcached_free(first);
  }

  std::optional<std::string> find(std::string_view key) override {
    auto value = read(key);
    meters_.count(value.has_value());
    if (value) meters_.hit_bytes.add(value->size());
    return value;
  }

  void put(std::string_view key, std::string_view value) override {
    if (value.size() > kMostBytes) return meters_.refused.add();
    Lent server(*this);
    if (server.get() == nullptr) return;
    const std::string whole = concat(header(key, value), value);
    const auto outcome = memcached_set(server.get(), key.data(), key.size(), whole.data(), whole.size(),
                                       static_cast<time_t>(options_.expires_after.count()), 0);
    if (memcached_success(outcome)) return meters_.stored_bytes.add(value.size());
    note(server.get(), outcome);
  }

  void remove(std::string_view key) override {
    Lent server(*this);
    if (server.get() == nullptr) return;
    const auto outcome = memcached_delete(server.get(), key.data(), key.size(), 0);
    if (!memcached_success(outcome)) note(server.get(), outcome);
  }

 private:
  // One connection of the pool; none while the breaker is open, or when all are taken for too long.
  class Lent {
   public:
    explicit Lent(Memcached& owner) : owner_(owner) {
      if (owner.is_off()) return;
      timespec patience{0, 10'000'000};
      memcached_return_t outcome = MEMCACHED_SUCCESS;
      server_ = memcached_pool_fetch(owner.pool_, &patience, &outcome);
    }
    ~Lent() {
      if (server_ != nullptr) memcached_pool_release(owner_.pool_, server_);
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    memcached_st* get() const { return server_; }

   private:
    Memcached& owner_;
    memcached_st* server_ = nullptr;
  };

  std::optional<std::string> read(std::string_view key) {
    Lent server(*this);
    if (server.get() == nullptr) return std::nullopt;
    size_t length = 0;
    uint32_t flags = 0;
    memcached_return_t outcome = MEMCACHED_SUCCESS;
    std::unique_ptr<char, decltype(&std::free)> bytes(
        memcached_get(server.get(), key.data(), key.size(), &length, &flags, &outcome), &std::free);
    if (!memcached_success(outcome) || bytes == nullptr) {
      note(server.get(), outcome);
      return std::nullopt;
    }
    const std::string_view whole(bytes.get(), length);
    if (whole.size() < kHeader || !whole.starts_with(header(key, whole.substr(kHeader)))) {
      meters_.errors.add();
      return std::nullopt;
    }
    return std::string(whole.substr(kHeader));
  }

  int64_t now_second() const { return clock_.monotonic().count() / 1'000'000'000; }
  bool is_off() const {
    std::lock_guard lock(mutex_);
    return now_second() < off_until_;
  }

  void note(memcached_st* server, memcached_return_t outcome) {
    if (outcome == MEMCACHED_NOTFOUND || outcome == MEMCACHED_SUCCESS || outcome == MEMCACHED_NOTSTORED ||
        outcome == MEMCACHED_E2BIG)
      return;
    meters_.errors.add();
    std::lock_guard lock(mutex_);
    const int64_t second = now_second();
    if (second != error_second_) error_second_ = second, errors_ = 0;
    if (++errors_ < kMostErrors || second < off_until_) return;
    off_until_ = second + kOffSeconds;
    pipeline::log_warn("memcached fails, doing without it",
                       {{"error", memcached_strerror(server, outcome)}, {"seconds", kOffSeconds}});
  }

  memcached_pool_st* const pool_;
  const MemcachedOptions options_;
  const pipeline::Clock& clock_;
  CacheMeters meters_;
  mutable std::mutex mutex_;
  int64_t error_second_ = 0;  // these: under mutex_
  uint32_t errors_ = 0;       // in that second
  int64_t off_until_ = 0;     // second
};

}  // namespace

Result<MemcachedServer> parse_memcached_server(std::string_view text) {
  MemcachedServer server;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == text.npos) return fail(Errc::kInvalid, concat("\"", text, "\" has no ]"));
    server.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    server.host = text.substr(0, colon);
    port = text.substr(colon);
  }
  bool good = !server.host.empty() && server.host.find_first_of(" \t/") == std::string::npos;
  if (good && !port.empty()) {
    port.remove_prefix(1);
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), server.port);
    good = error == std::errc() && end == port.data() + port.size() && server.port != 0;
  }
  if (!good) return fail(Errc::kInvalid, concat("\"", text, "\" is not HOST or HOST:PORT"));
  return server;
}

Result<std::unique_ptr<RemoteCache>> open_memcached(MemcachedOptions options, const pipeline::Clock& clock,
                                                    pipeline::Registry& registry) {
  std::unique_ptr<memcached_st, decltype(&memcached_free)> prototype(memcached_create(nullptr), &memcached_free);
  memcached_st* servers = prototype.get();
  for (const std::string& text : options.servers) {
    TRY_LET(MemcachedServer server, parse_memcached_server(text));
    memcached_server_add(servers, server.host.c_str(), server.port);
  }
  const auto milliseconds = static_cast<uint64_t>(options.timeout.count());
  const std::pair<memcached_behavior_t, uint64_t> behaviours[] = {
      {MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA},
      {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
      {MEMCACHED_BEHAVIOR_NO_BLOCK, 1},
      {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, milliseconds},
      {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, milliseconds},
      {MEMCACHED_BEHAVIOR_SND_TIMEOUT, milliseconds * 1000},
      {MEMCACHED_BEHAVIOR_RCV_TIMEOUT, milliseconds * 1000},
      {MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 1},
  };
  for (auto [behaviour, value] : behaviours) memcached_behavior_set(servers, behaviour, value);
  memcached_pool_st* pool = memcached_pool_create(servers, 1, options.connections);
  if (pool == nullptr) return fail(Errc::kInvalid, "memcached: cannot make a pool of connections");
  (void)prototype.release();  // the pool's now
  return std::unique_ptr<RemoteCache>(new Memcached(pool, std::move(options), clock, registry));
}

}  // namespace server
