#include "pipeline/loop/local_listener.h"

#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TEST_SUITE_BEGIN("loop");

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

int connect_local(const std::string& path) {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), path.size());
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

TEST_CASE("local listener: a stream of a unix socket is read like one of a port") {
  char folder[] = "/tmp/skidway-socket-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  std::string path = concat(folder, "/stream");
  auto loop = *Loop::create();
  std::unique_ptr<TcpStream> stream;
  auto take = [&](std::unique_ptr<TcpStream> s) { stream = std::move(s); };
  auto listener = *LocalListener::listen(*loop, {path, 0666}, take);
  struct stat there {};
  REQUIRE(::stat(path.c_str(), &there) == 0);
  CHECK((there.st_mode & 0777) == 0666);
  CHECK_FALSE(LocalListener::listen(*loop, {path, 0666}, take).has_value());

  int client = connect_local(path);
  REQUIRE(client >= 0);
  auto turn_until = [&](auto condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) loop->turn(10ms);
    REQUIRE(condition());
  };
  turn_until([&] { return stream != nullptr; });
  CHECK(stream->peer() == "unix:" + path);
  std::string got;
  bool ended = false;
  stream->start_reading([&](std::string_view bytes) { got += bytes; }, [&](Result<void> r) { ended = r.has_value(); });
  REQUIRE(::send(client, "hello", 5, 0) == 5);
  turn_until([&] { return got == "hello"; });
  ::close(client);
  turn_until([&] { return ended; });
  stream.reset();
  listener.reset();
  loop->turn(0ms);
  CHECK(::stat(path.c_str(), &there) != 0);
  CHECK_FALSE(LocalListener::listen(*loop, {"/nonexistent/x", 0666}, take).has_value());
  CHECK(loop->close().has_value());
  ::rmdir(folder);
}
