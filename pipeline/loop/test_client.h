// TestClient: a plain blocking TCP socket, for tests that look at single bytes. For tests only.
#pragma once

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace pipeline {

class TestClient {
 public:
  explicit TestClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    timeval patience{20, 0};  // a test that hangs should fail instead
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~TestClient() { close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Reads until the text so far ends with or holds `mark`; what was read and not yet returned stays for the next call.
  std::string read_through(std::string_view mark) {
    while (true) {
      if (size_t at = held_.find(mark); at != held_.npos) return take(at + mark.size());
      if (!read_more()) return take(held_.size());
    }
  }
  std::string read_bytes(size_t count) {
    while (held_.size() < count && read_more()) {}
    return take(std::min(count, held_.size()));
  }
  std::string read_to_end() {
    while (read_more()) {}
    return take(held_.size());
  }
  // What is there at once, without waiting; "" also at the end.
  std::string read_now() {
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  void reset() {  // closes with RST
    linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  bool read_more() {
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    held_.append(buffer, static_cast<size_t>(n));
    return true;
  }
  std::string take(size_t count) {
    std::string out = held_.substr(0, count);
    held_.erase(0, count);
    return out;
  }

  int fd_;
  bool connected_ = false;
  std::string held_;
};

}  // namespace pipeline
