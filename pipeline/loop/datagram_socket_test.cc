#include "pipeline/loop/datagram_socket.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TEST_SUITE_BEGIN("loop");

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Folder() { ::rmdir(path); }
  char path[32] = "/tmp/skidway-socket-XXXXXX";
};

struct Receiver {
  std::unique_ptr<Loop> loop = *Loop::create();
  std::vector<std::string> got;
  uint64_t cut = 0;
  std::unique_ptr<DatagramSocket> socket;

  DatagramSocket::OnDatagrams take() {
    return [this](const std::vector<Datagram>& datagrams) {
      for (const Datagram& d : datagrams) {
        got.push_back(concat(d.sender, d.sender.empty() ? "" : " ", d.bytes));
        cut += d.cut_bytes;
      }
    };
  }
  template <class Condition>
  void turn_until(Condition condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) loop->turn(10ms);
    REQUIRE(condition());
  }
  ~Receiver() {
    socket.reset();
    CHECK(loop->close().has_value());
  }
};

struct UdpSender {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  explicit UdpSender(const std::string& address) {
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  }
  ~UdpSender() { ::close(fd); }
  void send(std::string_view text) {
    CHECK(::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
          static_cast<ssize_t>(text.size()));
  }
};

bool send_local(const std::string& path, std::string_view text) {
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), path.size());
  ssize_t sent = ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  ::close(fd);
  return sent == static_cast<ssize_t>(text.size());
}

}  // namespace

TEST_CASE("datagrams: come with their sender, are cut at the limit, and wait while paused") {
  Receiver r;
  r.socket = *DatagramSocket::open_udp(*r.loop, "127.0.0.1:0", {.max_bytes = 5}, r.take());
  CHECK(r.socket->receive_buffer_bytes() > 0);
  UdpSender sender(r.socket->address());
  sender.send("one");
  sender.send("exceeds");
  r.turn_until([&] { return r.got.size() == 2; });
  CHECK(r.got == std::vector<std::string>{"127.0.0.1 one", "127.0.0.1 excee"});
  CHECK(r.cut == 2);
  r.socket->pause();
  sender.send("later");
  for (int i = 0; i < 5; ++i) r.loop->turn(5ms);
  CHECK(r.got.size() == 2);
  r.socket->resume();
  r.turn_until([&] { return r.got.size() == 3; });
  r.socket->pause();
  sender.send("last");
  r.socket->drain();
  CHECK(r.got.back() == "127.0.0.1 last");
}

TEST_CASE("datagrams: what the kernel had no room for is counted exactly") {
  Receiver r;
  r.socket =
      *DatagramSocket::open_udp(*r.loop, "127.0.0.1:0", {.max_bytes = 2000, .receive_buffer_bytes = 4096}, r.take());
  r.socket->pause();
  UdpSender sender(r.socket->address());
  std::string text(1000, 'x');
  for (int i = 0; i < 200; ++i) sender.send(text);
  r.socket->drain();
  sender.send("this one tells the count");
  r.socket->resume();
  r.turn_until([&] { return r.got.back().ends_with("count"); });
  CHECK(r.socket->lost() > 0);
  CHECK(r.got.size() + r.socket->lost() == 201);
}

TEST_CASE("datagrams: every address, of both families") {
  Receiver r;
  r.socket = *DatagramSocket::open_udp(*r.loop, ":0", {}, r.take());
  UdpSender(r.socket->address()).send("hello");
  r.turn_until([&] { return !r.got.empty(); });
  CHECK(r.got[0] == "127.0.0.1 hello");
}

TEST_CASE("datagrams: a unix socket is made, replaced when its program is dead, and removed") {
  Folder folder;
  Receiver r;
  std::string path = concat(folder.path, "/log");
  r.socket = *DatagramSocket::open_local(*r.loop, {path, 0622}, {}, r.take());
  struct stat there {};
  REQUIRE(::stat(path.c_str(), &there) == 0);
  CHECK((there.st_mode & 0777) == 0622);
  CHECK(send_local(path, "hello"));
  r.turn_until([&] { return !r.got.empty(); });
  CHECK(r.got[0] == "hello");
  auto second = DatagramSocket::open_local(*r.loop, {path, 0600}, {}, r.take());
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().message == concat("unix socket ", path, ": another program listens there"));
  r.socket.reset();
  CHECK(::stat(path.c_str(), &there) != 0);

  int dead = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(dead);
  CHECK(DatagramSocket::open_local(*r.loop, {path, 0600}, {}, r.take()).has_value());
}

TEST_CASE("datagrams: an address that cannot be used is an error that names it") {
  Receiver r;
  auto message = [](auto result) { return result ? "" : result.error().message; };
  CHECK(message(DatagramSocket::open_udp(*r.loop, "nowhere", {}, r.take())).find("no port") != std::string::npos);
  CHECK(message(DatagramSocket::open_udp(*r.loop, "host:1", {}, r.take())) ==
        "listen host:1: \"host\" is not an IP address");
  r.socket = *DatagramSocket::open_udp(*r.loop, "127.0.0.1:0", {}, r.take());
  CHECK(message(DatagramSocket::open_udp(*r.loop, r.socket->address(), {}, r.take())).find("in use") !=
        std::string::npos);
  CHECK(message(DatagramSocket::open_local(*r.loop, {std::string(200, 'x'), 0600}, {}, r.take()))
            .find("1 to 107 bytes") != std::string::npos);
  Folder folder;
  std::string file = concat(folder.path, "/file");
  std::ofstream(file) << "x";
  CHECK(message(DatagramSocket::open_local(*r.loop, {file, 0600}, {}, r.take())).find("no socket") !=
        std::string::npos);
  ::unlink(file.c_str());
  CHECK(message(DatagramSocket::open_local(*r.loop, {"/nonexistent/x", 0600}, {}, r.take())) != "");
}
