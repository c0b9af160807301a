#include "agent/syslog/host_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

namespace agent {

namespace {
using namespace std::chrono_literals;

constexpr size_t kMostKnown = 4096;  // addresses; then all are forgotten
constexpr size_t kMostPending = 64;  // an address beyond that is its own name
constexpr std::chrono::nanoseconds kKept = 5min, kSlow = 1min;
}  // namespace

HostNames::HostNames(pipeline::Loop& loop, const pipeline::Clock& clock, LookUp look_up)
    : loop_(loop),
      clock_(clock),
      look_up_(std::move(look_up)),
      worker_(std::make_unique<pipeline::WorkerPool>(loop, "names", 1)) {}

HostNames::~HostNames() {
  pending_.clear();
  worker_->stop();
}

std::optional<std::string> HostNames::known(const std::string& ip) {
  auto at = known_.find(ip);
  if (at == known_.end() || at->second.until < clock_.monotonic()) return std::nullopt;
  return at->second.name;
}

void HostNames::resolve(const std::string& ip, Done done) {
  if (auto name = known(ip)) return done(*name);
  bool asked = pending_.contains(ip);
  if (!asked && pending_.size() >= kMostPending) return done(ip);
  Pending& pending = pending_[ip];
  bool slow = slow_until_ > clock_.monotonic();
  if (!slow) pending.waiting.push_back(done);
  if (!asked) begin(ip);
  if (slow) done(ip);
}

void HostNames::begin(const std::string& ip) {
  Pending& pending = pending_[ip];
  pending.patience = std::make_unique<pipeline::Timer>(loop_, [this, ip] {
    slow_until_ = clock_.monotonic() + kSlow;
    answer(ip, ip);
  });
  pending.patience->start(kPatience);
  worker_->run([look_up = look_up_, ip] { return look_up(ip); },
               [this, ip](pipeline::Result<std::string> name) {
                 auto at = pending_.find(ip);
                 if (at == pending_.end()) return;  // we are being destroyed
                 remember(ip, name && !name->empty() ? *name : ip);
                 answer(ip, known_.at(ip).name);
                 pending_.erase(ip);
               });
}

// Those who wait are told; the look-up may still go on.
void HostNames::answer(const std::string& ip, const std::string& name) {
  std::vector<Done> waiting;
  waiting.swap(pending_.at(ip).waiting);
  for (Done& done : waiting) done(name);
}

void HostNames::remember(const std::string& ip, std::string name) {
  if (known_.size() >= kMostKnown) known_.clear();
  known_[ip] = {std::move(name), clock_.monotonic() + kKept};
}

std::string HostNames::system_look_up(const std::string& ip) {
  thread_local bool ready = false;
  if (!ready && ::res_init() == 0) {  // of this thread: a server that is away holds nobody up for long
    _res.retrans = 1;
    _res.retry = 1;
  }
  ready = true;
  sockaddr_storage address{};
  socklen_t length = 0;
  if (auto* v4 = reinterpret_cast<sockaddr_in*>(&address); ::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    length = sizeof *v4;
  } else if (auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
             ::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    length = sizeof *v6;
  } else {
    return {};
  }
  char name[NI_MAXHOST] = "";
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, name, sizeof name, nullptr, 0, NI_NAMEREQD))
    return {};
  std::string out(name);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

}  // namespace agent
