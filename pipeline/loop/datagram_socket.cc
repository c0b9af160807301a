#include "pipeline/loop/datagram_socket.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"
#include "pipeline/loop/listen_address.h"

namespace pipeline {
namespace {

constexpr size_t kAtOnce = 64;
constexpr size_t kBytesAtOnce = 1 << 20;

struct Bound {
  int fd = -1;
  std::string address;
  std::string path;  // of a unix socket
};

std::string ip_text(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&from)->sin_addr, text, sizeof text);
  } else if (from.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&from)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  }
  return text;
}

std::string bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return "?";
  bool v6 = storage.ss_family == AF_INET6;  // the port stands at the same place in both
  return concat(v6 ? "[" : "", ip_text(storage), v6 ? "]:" : ":",
                ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port));
}

struct UdpAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Result<UdpAddress> udp_address(std::string_view text) {
  TRY_LET(const HostPort where, split_listen_address(text));
  UdpAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  const char* host = where.host.empty() ? "::" : where.host.c_str();
  if (::inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(where.port);
    out.length = sizeof *v4;
  } else if (::inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(where.port);
    out.length = sizeof *v6;
  } else {
    return fail(Errc::kInvalid, concat("listen ", text, ": \"", where.host, "\" is not an IP address"));
  }
  return out;
}

Error bind_error(std::string_view text, int fault) {
  return {Errc::kUnavailable, concat("listen ", text, ": ", std::strerror(fault))};
}

Result<Bound> bind_udp(std::string_view text) {
  TRY_LET(UdpAddress where, udp_address(text));
  int fd = ::socket(where.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(bind_error(text, errno));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&where.storage), where.length) != 0) {
    Error error = bind_error(text, errno);
    ::close(fd);
    return fail(std::move(error));
  }
  return Bound{fd, bound_address(fd), {}};
}

Result<Bound> bind_local(const LocalAddress& where) {
  TRY(clear_local_path(where.path, SOCK_DGRAM));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, where.path.data(), where.path.size());
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(bind_error(where.path, errno));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(where.path.c_str(), where.mode) != 0) {
    Error error = bind_error(where.path, errno);
    ::close(fd);
    return fail(std::move(error));
  }
  return Bound{fd, where.path, where.path};
}

size_t grow_buffer(int fd, size_t asked) {
  int size = static_cast<int>(asked);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)  // beyond net.core.rmem_max
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  int got = 0;
  socklen_t length = sizeof got;
  ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &length);
  return static_cast<size_t>(got) / 2;  // the kernel doubles it for its own use
}

}  // namespace

class DatagramSocket::Impl {
 public:
  Impl(Loop& loop, Bound bound, Options options, OnDatagrams on_datagrams)
      : bound_(std::move(bound)),
        options_(options),
        on_datagrams_(std::move(on_datagrams)),
        at_once_(std::clamp<size_t>(kBytesAtOnce / options.max_bytes, 1, kAtOnce)),
        texts_(std::make_unique_for_overwrite<char[]>(at_once_ * options.max_bytes)),
        watcher_(std::make_unique<FdWatcher>(loop, bound_.fd, [this](FdEvents) { receive(); })) {
    buffer_bytes_ = grow_buffer(bound_.fd, options_.receive_buffer_bytes);
    int on = 1;
    ::setsockopt(bound_.fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    for (size_t i = 0; i < at_once_; ++i) pieces_[i] = {texts_.get() + i * options_.max_bytes, options_.max_bytes};
  }
  ~Impl() { close(); }

  Result<void> start() { return watcher_->start(true, false); }

  void pause() {
    if (watcher_) watcher_->stop();
  }
  void resume() {
    if (!watcher_) return;
    if (auto started = start(); !started)
      log_error("watch datagrams", {{"address", bound_.address}, {"error", started.error()}});
  }
  void drain() {
    while (watcher_ && receive()) {}
  }
  void close() {
    if (!watcher_) return;
    watcher_.reset();
    ::close(bound_.fd);
    if (!bound_.path.empty()) ::unlink(bound_.path.c_str());
  }

  const Bound& bound() const { return bound_; }
  size_t buffer_bytes() const { return buffer_bytes_; }
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  // False: nothing was there.
  bool receive() {
    for (size_t i = 0; i < at_once_; ++i) {
      msghdr& head = heads_[i].msg_hdr;
      head = {};
      head.msg_iov = &pieces_[i];
      head.msg_iovlen = 1;
      head.msg_name = &senders_[i];
      head.msg_namelen = sizeof senders_[i];
      head.msg_control = controls_[i];
      head.msg_controllen = sizeof controls_[i];
    }
    int count = ::recvmmsg(bound_.fd, heads_, static_cast<unsigned>(at_once_), MSG_TRUNC, nullptr);
    if (count <= 0) return false;
    datagrams_.clear();
    names_.resize(kAtOnce);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) add(i);
    on_datagrams_(datagrams_);
    return true;
  }

  void add(size_t i) {
    size_t size = heads_[i].msg_len, kept = std::min(size, options_.max_bytes);
    std::string_view bytes(static_cast<const char*>(pieces_[i].iov_base), kept);
    if (bound_.path.empty()) names_[i] = ip_text(senders_[i]);
    datagrams_.push_back({bytes, names_[i], size - kept});
    msghdr& head = heads_[i].msg_hdr;
    for (cmsghdr* c = CMSG_FIRSTHDR(&head); c != nullptr; c = CMSG_NXTHDR(&head, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
      uint32_t total = 0;  // since the socket was opened; it wraps around
      std::memcpy(&total, CMSG_DATA(c), sizeof total);
      lost_.fetch_add(total - std::exchange(kernel_lost_, total), std::memory_order_relaxed);
    }
  }

  const Bound bound_;
  const Options options_;
  OnDatagrams on_datagrams_;
  const size_t at_once_;
  std::unique_ptr<char[]> texts_;
  iovec pieces_[kAtOnce];
  mmsghdr heads_[kAtOnce];
  sockaddr_storage senders_[kAtOnce];
  alignas(cmsghdr) char controls_[kAtOnce][64];
  std::vector<std::string> names_;
  std::vector<Datagram> datagrams_;
  size_t buffer_bytes_ = 0;
  uint32_t kernel_lost_ = 0;
  std::atomic<uint64_t> lost_{0};
  std::unique_ptr<FdWatcher> watcher_;
};

DatagramSocket::DatagramSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DatagramSocket::~DatagramSocket() = default;

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::open_udp(Loop& loop, std::string_view address, Options options,
                                                                 OnDatagrams on_datagrams) {
  TRY_LET(Bound bound, bind_udp(address));
  auto impl = std::make_unique<Impl>(loop, std::move(bound), options, std::move(on_datagrams));
  TRY(impl->start());
  return std::unique_ptr<DatagramSocket>(new DatagramSocket(std::move(impl)));
}

Result<std::unique_ptr<DatagramSocket>> DatagramSocket::open_local(Loop& loop, LocalAddress address, Options options,
                                                                   OnDatagrams on_datagrams) {
  TRY_LET(Bound bound, bind_local(address));
  auto impl = std::make_unique<Impl>(loop, std::move(bound), options, std::move(on_datagrams));
  TRY(impl->start());
  return std::unique_ptr<DatagramSocket>(new DatagramSocket(std::move(impl)));
}

void DatagramSocket::pause() { impl_->pause(); }
void DatagramSocket::resume() { impl_->resume(); }
void DatagramSocket::drain() { impl_->drain(); }
void DatagramSocket::close() { impl_->close(); }
const std::string& DatagramSocket::address() const { return impl_->bound().address; }
size_t DatagramSocket::receive_buffer_bytes() const { return impl_->buffer_bytes(); }
uint64_t DatagramSocket::lost() const { return impl_->lost(); }

}  // namespace pipeline
