#include "agent/syslog/syslog_source.h"

#include <arpa/inet.h>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/un.h>
#include <thread>

#include "agent/stream/testing/collecting_reader.h"
#include "agent/syslog/syslog_options.h"
#include "pipeline/loop/test_client.h"

namespace agent {
namespace {

using namespace std::chrono_literals;
using pipeline::TestClient;
using Lines = std::vector<std::string>;

// All discovered labels under names that stay.
constexpr std::string_view kKeepLabels = R"toml(
[[relabel]]
action = "labelmap"
regex = "__syslog_(.+)"
)toml";

std::shared_ptr<const StreamOptions> options(const std::string& toml) {
  auto document = pipeline::ConfigDocument::parse(toml, "test.toml", {});
  REQUIRE(document.has_value());
  auto out = read_syslog(document->root());
  auto finished = document->finish();
  INFO((finished ? "" : finished.error().message));
  REQUIRE(finished.has_value());
  return out;
}

std::string errors(const std::string& toml) {
  auto document = pipeline::ConfigDocument::parse(toml, "t", {});
  REQUIRE(document.has_value());
  read_syslog(document->root());
  auto finished = document->finish();
  return finished ? "" : finished.error().message;
}

struct Fixture {
  CollectingReader home;
  std::unique_ptr<StreamSource> source;

  explicit Fixture(const std::string& toml, std::string_view relabel = "")
      : home(options(toml), "syslog", relabel), source(make_syslog(home.parts())) {
    auto started = source->start();
    INFO((started ? "" : started.error().message));
    REQUIRE(started.has_value());
  }
  ~Fixture() {
    source->stop();
    source.reset();
  }
  uint16_t port(size_t i = 0) {
    std::string path = source->targets().at(i).path;
    return static_cast<uint16_t>(std::stoi(path.substr(path.rfind(':') + 1)));
  }
  bool comes(const Lines& lines) {
    bool fine = home.until([&] { return home.lines().size() >= lines.size(); }) && home.lines() == lines;
    if (!fine)
      for (auto& line : home.lines()) MESSAGE(line);
    return fine;
  }
};

void send_udp(uint16_t port, std::string_view text) {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  ::close(fd);
}

}  // namespace

TEST_SUITE("agent/syslog") {
  TEST_CASE("syslog: a message over TCP gets the labels of its connection and of its header") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nlabel_structured_data = true\nuse_incoming_timestamp = true\n",
              kKeepLabels);
    TestClient client(f.port());
    client.send("<165>1 2026-11-21T10:00:00.5Z web1 app 12 ID47 [ex.a@1 b=\"c \\\"d\\\"\" e-f=\"\"][x] hello\n");
    REQUIRE(f.comes({"hello"}));
    auto got = f.home.got()[0];
    CHECK(got.time == 1'795'255'200'500'000'000);
    auto labels = *pipeline::LabelSet::parse(got.labels);
    CHECK(labels.get("connection_ip_address") == "127.0.0.1");
    CHECK(labels.get("connection_hostname").has_value());
    CHECK(labels.without("connection_hostname").text() ==
          R"({connection_ip_address="127.0.0.1", message_app_name="app", message_facility="local4", )"
          R"(message_hostname="web1", message_msg_id="ID47", message_proc_id="12", message_sd_ex_a_1_b="c \"d\"", )"
          R"(message_severity="notice"})");
    CHECK(f.home.has_metric("skidway_agent_syslog_entries_total{source=\"net\"} 1"));
    CHECK(f.home.has_metric("promtail_syslog_target_entries_total 1"));
  }

  TEST_CASE("syslog: connections with octet counting and with line feeds stand side by side") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\n");
    TestClient counted(f.port()), lines(f.port());
    counted.send("16 <1>1 - - - ");
    lines.send("<2>Nov 21 10:00:00 h t: two\n  goes on\n<2>Nov 21 10:00:01 h t: three\n");
    REQUIRE(f.comes({"two\n  goes on", "three"}));
    counted.send("- - -18 <1>1 - - - - - - x20 <1>1 - - - - - - end");
    counted.finish_sending();
    REQUIRE(f.comes({"two\n  goes on", "three", "x", "end"}));
    CHECK(f.home.has_metric("skidway_agent_syslog_empty_messages_total{source=\"net\"} 1"));
    CHECK(f.home.until([&] { return f.home.has_metric("skidway_agent_syslog_connections{source=\"net\"} 1"); }));
  }

  TEST_CASE("syslog: what is not understood is counted by reason; what cannot be framed closes its connection") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nsyslog_format = \"rfc5424\"\n");
    TestClient client(f.port()), other(f.port());
    client.send(
        "<13>Nov 21 10:00:00 h t: x\n<13>1 - - - - - - good\n<13>1 - h\n<13>1 - - - - - [ x\n<999>x\n<13>1 - - - - - - "
        "last\n");
    REQUIRE(f.comes({"good", "last"}));
    for (std::string reason : {"version", "header", "structured_data", "priority"})
      CHECK_MESSAGE(
          f.home.has_metric("skidway_agent_syslog_parsing_errors_total{reason=\"" + reason + "\",source=\"net\"} 1"),
          reason);
    other.send("GET / HTTP/1.1\r\n");
    REQUIRE(f.home.until(
        [&] { return f.home.has_metric("skidway_agent_syslog_torn_connections_total{source=\"net\"} 1"); }));
    CHECK(f.home.has_metric("promtail_syslog_target_parsing_errors_total 5"));
    CHECK(other.read_to_end() == "");
  }

  TEST_CASE("syslog: a message in the form of RFC 5424, and one without a text where it is wanted") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nuse_rfc5424_message = true\nrfc5424_allow_empty_msg = true\n");
    TestClient client(f.port());
    client.send("<13>1 2026-11-21T10:00:00Z h a - - [b d=\"1\" c=\"2\"]\n<13>1 - - - - - - x\n");
    REQUIRE(f.comes({"<13>1 2026-11-21T10:00:00Z h a - - [b c=\"2\" d=\"1\"]", "<13>1 - - - - - - x"}));
  }

  TEST_CASE("syslog: datagrams of UDP, several messages in one, too long ones cut") {
    Fixture f("listen = \"udp://127.0.0.1:0\"\nmax_message_length = 480\n", kKeepLabels);
    send_udp(f.port(), "<13>Nov 21 10:00:00 h t: one");
    send_udp(f.port(), "<13>1 - - - - - - two\n<13>1 - - - - - - three\n more\n");
    send_udp(f.port(), "not syslog");
    send_udp(f.port(), "<13>" + std::string(1000, 'x'));
    REQUIRE(f.comes({"one", "two", "three\n more", std::string(476, 'x')}));
    CHECK(f.home.got()[0].labels.find("connection_ip_address=\"127.0.0.1\"") != std::string::npos);
    CHECK(f.home.has_metric("skidway_agent_syslog_cut_bytes_total{source=\"net\"} 524"));
    CHECK(f.home.has_metric("skidway_agent_syslog_parsing_errors_total{reason=\"priority\",source=\"net\"} 1"));
  }

  TEST_CASE("syslog: unix sockets, streams and datagrams") {
    char folder[] = "/tmp/skidway-syslog-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    std::string path(folder);
    {
      Fixture f("listen = [\"unix://" + path + "/stream\", \"unixgram://" + path + "/log\"]\n", kKeepLabels);
      for (auto [name, type] : {std::pair{"/stream", SOCK_STREAM}, {"/log", SOCK_DGRAM}}) {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::strcpy(to.sun_path, (path + name).c_str());
        int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
        std::string_view text = "<13>Nov 21 10:00:00 prog[7]: hello";
        CHECK(::send(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
        ::close(fd);
        REQUIRE(f.home.until([&, count = f.home.lines().size()] { return f.home.lines().size() > count; }));
      }
      CHECK(f.home.lines() == Lines{"hello", "hello"});
      for (auto& got : f.home.got())
        CHECK(got.labels ==
              R"({message_app_name="prog", message_facility="user", message_proc_id="7", message_severity="notice"})");
    }
    CHECK(std::filesystem::is_empty(path));
    std::filesystem::remove_all(path);
  }

  TEST_CASE("syslog: raw lines are taken as they are") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nsyslog_format = \"raw\"\n", kKeepLabels);
    TestClient client(f.port());
    client.send("hello\n<13>x\n");
    REQUIRE(f.comes({"hello", "<13>x"}));
    CHECK(f.home.got()[0].labels.find("severity") == std::string::npos);
  }

  TEST_CASE("syslog: a full reader stops the reading of sockets until there is room, and nothing is lost") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nmax_message_length = \"128KiB\"\n");
    f.home.full = true;
    TestClient client(f.port());
    std::string text(100'000, 'x');
    timeval at_once{0, 50'000};
    ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &at_once, sizeof at_once);
    std::string message, rest;
    size_t sent = 0;
    for (; sent < 20'000 && rest.empty(); ++sent) {
      message = pipeline::concat("<13>1 - - - - - - ", sent, text);
      message = pipeline::concat(message.size(), " ", message);
      f.home.loop().turn(0ms);
      ssize_t taken = ::send(client.fd(), message.data(), message.size(), MSG_NOSIGNAL);
      rest = message.substr(taken > 0 ? static_cast<size_t>(taken) : 0);
    }
    REQUIRE_FALSE(rest.empty());  // TCP pushes back
    CHECK(f.home.lines().size() < sent);
    f.home.full = false;
    f.home.reader().wake();
    std::jthread rest_of_it([&] {
      at_once.tv_sec = 10;
      ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &at_once, sizeof at_once);
      client.send(rest);
    });
    REQUIRE(f.home.until([&] { return f.home.lines().size() == sent; }));
    for (size_t i = 0; i < sent; ++i) REQUIRE(f.home.lines()[i].starts_with(pipeline::concat(i, "x")));
  }

  TEST_CASE("syslog: lines that belong together stay together while the reader is full") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nmax_message_length = \"128KiB\"\n");
    auto turn_for = [&](std::chrono::milliseconds time) {
      const auto until = std::chrono::steady_clock::now() + time;
      while (std::chrono::steady_clock::now() < until) f.home.loop().turn(10ms);
    };
    f.home.full = true;
    TestClient client(f.port());
    const std::string large = pipeline::concat("<13>1 - - - - - - ", std::string(100'000, 'x'), "\n");
    size_t sent = 0;
    while (!f.home.reader().full()) {
      REQUIRE(++sent < 1000);
      client.send(large);
      turn_for(15ms);
      client.send("<13>1 - - - - - - begins\n");  // now the large one is over, and there is no room behind it
      turn_for(15ms);
    }
    turn_for(300ms);
    client.send("  and goes on\n<13>1 - - - - - - end\n");
    turn_for(300ms);
    f.home.full = false;
    f.home.reader().wake();
    REQUIRE(f.home.until([&] { return f.home.lines().size() == 2 * sent + 1; }));
    CHECK(f.home.lines()[2 * sent - 1] == "begins\n  and goes on");
    CHECK(f.home.lines()[2 * sent] == "end");
  }

  TEST_CASE("syslog: what was received when it stops is delivered, also half a message and waiting datagrams") {
    Fixture f("listen = [\"tcp://127.0.0.1:0\", \"udp://127.0.0.1:0\"]\nresolve_hostnames = false\n");
    TestClient client(f.port(0));
    client.send("<13>1 - - - - - - one\n");
    REQUIRE(f.comes({"one"}));
    client.send("<13>1 - - - - - - two\n<13>1 - - - - - - ha");
    send_udp(f.port(1), "<13>1 - - - - - - three");
    std::this_thread::sleep_for(20ms);
    f.source->stop();
    CHECK(f.comes({"one", "three", "two", "ha"}));
  }

  TEST_CASE("syslog: an idle connection is closed, and more than max_connections are refused") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\nidle_timeout = \"1s\"\nmax_connections = 1\n");
    TestClient first(f.port());
    first.send("<13>1 - - - - - - open");
    REQUIRE(f.home.until([&] { return f.home.has_metric("skidway_agent_syslog_connections{source=\"net\"} 1"); }));
    TestClient second(f.port());
    REQUIRE(f.home.until(
        [&] { return f.home.has_metric("skidway_agent_syslog_refused_connections_total{source=\"net\"} 1"); }));
    REQUIRE(f.comes({"open"}));
    REQUIRE(f.home.until([&] { return f.home.has_metric("skidway_agent_syslog_connections{source=\"net\"} 0"); }));
  }

  TEST_CASE("syslog: an address that is taken is an error that names it") {
    Fixture f("listen = \"tcp://127.0.0.1:0\"\n");
    CollectingReader other(options("listen = \"" + f.source->targets()[0].path + "\"\n"), "syslog");
    auto source = make_syslog(other.parts());
    auto started = source->start();
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().message.find(f.source->targets()[0].path.substr(6)) != std::string::npos);
  }

  TEST_CASE("syslog: wrong options are told with their remedy") {
    CHECK(errors("").find("no address to listen at; write tcp://HOST:PORT") != std::string::npos);
    CHECK(errors("listen = \"127.0.0.1:514\"\n").find("names no way to listen") != std::string::npos);
    CHECK(errors("listen = \"tcp://127.0.0.1\"\n").find("no port") != std::string::npos);
    CHECK(errors("listen = \"unix://log\"\n").find("has no absolute path") != std::string::npos);
    CHECK(errors("listen = \"tls://:6514\"\n").find("certificate and key must be configured") != std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\ntls = { cert_file = \"x\" }\n").find("no address of listen is tls://") !=
          std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\nmax_message_length = 10\n").find("10 bytes is not between 480") !=
          std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\ntime_zone = \"Mars/Base\"\n").find("unknown time zone Mars/Base") !=
          std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\nsocket_mode = \"rw\"\n").find("is no mode of a file") != std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\nidle_timout = \"1s\"\n").find("did you mean \"idle_timeout\"") !=
          std::string::npos);
    CHECK(errors("listen = \"tcp://:1\"\nraw_format_options = { use_null_terminator_delimiter = true }\n")
              .find("for raw lines") != std::string::npos);
  }
}

}  // namespace agent
