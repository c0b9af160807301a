#include "pipeline/http/web_socket_frames.h"

#include <doctest/doctest.h>
#include <random>

using namespace pipeline;
using Kind = WebSocketMessage::Kind;
using Role = WebSocketFrames::Role;

namespace {

constexpr uint64_t kMaxMessage = 1000;

// A client's frame, masked with zeros unless told not to.
std::string frame(uint8_t first, std::string_view payload, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  const uint8_t mask = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out += static_cast<char>(mask | payload.size());
  } else {
    out += static_cast<char>(mask | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  if (masked) out += std::string(4, '\0');
  return out.append(payload);
}

uint16_t close_code(std::string_view output) {
  if (output.size() < 4 || static_cast<uint8_t>(output[0]) != 0x88) return 0;
  return static_cast<uint16_t>(static_cast<uint8_t>(output[2]) << 8 | static_cast<uint8_t>(output[3]));
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("web socket frames: the accept key is that of RFC 6455") {
  CHECK(web_socket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("web socket frames: what a client says reaches the server however it is cut, and the other way round") {
  const uint32_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  WebSocketFrames client(Role::kClient, kMaxMessage), server(Role::kServer, kMaxMessage);
  std::vector<std::string> sent, received;
  for (int i = 0; i < 300; ++i) {
    sent.emplace_back(random() % 500, static_cast<char>('a' + i % 26));
    client.send_text(sent.back());
    std::string bytes = client.take_output();
    while (!bytes.empty()) {
      const size_t n = std::min<size_t>(1 + random() % 50, bytes.size());
      for (auto& message : server.feed({bytes.data(), n})) received.push_back(message.text);
      bytes.erase(0, n);
    }
  }
  CHECK(received == sent);
  server.send_text("grüße");
  const auto back = client.feed(server.take_output());
  REQUIRE(back.size() == 1);
  CHECK(back[0].kind == Kind::kText);
  CHECK(back[0].text == "grüße");
}

TEST_CASE("web socket frames: a message in fragments, with a ping in between, is one message") {
  WebSocketFrames server(Role::kServer, kMaxMessage);
  const auto messages = server.feed(frame(0x01, "one ") + frame(0x89, "p") + frame(0x80, "two"));
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].text == "one two");
  CHECK(server.take_output() == std::string("\x8a\x01p"));  // the pong
}

TEST_CASE("web socket frames: a close is replied to, and ends reading and writing") {
  WebSocketFrames server(Role::kServer, kMaxMessage);
  const auto messages = server.feed(frame(0x88, std::string("\x03\xe8", 2) + "bye"));
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].kind == Kind::kClose);
  CHECK(messages[0].code == 1000);
  CHECK(messages[0].text == "bye");
  CHECK(close_code(server.take_output()) == 1000);
  CHECK_FALSE(server.reads());
  CHECK(server.closing());
  server.send_text("too late");
  server.send_ping();
  server.close(1011, "again");
  CHECK(server.take_output().empty());
  CHECK(server.feed(frame(0x81, "too late")).empty());
}

TEST_CASE("web socket frames: a long reason is cut at a character") {
  WebSocketFrames server(Role::kServer, kMaxMessage);
  std::string reason(122, 'x');
  server.close(1011, reason + "ä and more");
  const std::string output = server.take_output();
  CHECK(close_code(output) == 1011);
  CHECK(output.substr(4) == reason);
  CHECK(server.sent_code() == 1011);
}

TEST_CASE("web socket frames: what breaks the protocol ends the reading with a code that says why") {
  struct Case {
    std::string name;
    std::string bytes;
    uint16_t code;  // 0: a close frame without one, as wslay answers some
  };
  const std::vector<Case> cases = {
      {"not masked", frame(0x81, "x", false), 1002},
      {"reserved bit", frame(0xc1, "x"), 1002},
      {"unknown opcode", frame(0x83, "x"), 1002},
      {"ping in fragments", frame(0x09, "x"), 0},
      {"ping too long", frame(0x89, std::string(126, 'x')), 0},
      {"continues nothing", frame(0x80, "x"), 1002},
      {"text inside a text", frame(0x01, "x") + frame(0x81, "y"), 1002},
      {"close with one byte", frame(0x88, "x"), 0},
      {"close with a reserved code", frame(0x88, "\x03\xee"), 1002},
      {"text that is not UTF-8", frame(0x81, "\xff"), 1007},
      {"too long", frame(0x82, std::string(1001, 'x')), 1009},
      {"too long in fragments", frame(0x02, std::string(600, 'x')) + frame(0x80, std::string(600, 'x')), 1009},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    WebSocketFrames server(Role::kServer, kMaxMessage);
    const auto messages = server.feed(c.bytes);
    CHECK(messages.empty());
    CHECK_FALSE(server.reads());
    const std::string output = server.take_output();
    CHECK(output.starts_with('\x88'));
    CHECK(close_code(output) == c.code);
  }
}

TEST_CASE("web socket frames: random bytes end, and break nothing") {
  const uint32_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    WebSocketFrames server(Role::kServer, kMaxMessage);
    for (int part = 0; part < 5; ++part) {
      std::string bytes(random() % 40, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random() & 0xff);
      if (random() % 2) bytes = frame(static_cast<uint8_t>(random() % 16 | (random() % 2) * 0x80), bytes);
      server.feed(bytes);
      server.take_output();
    }
  }
}

TEST_SUITE_END();
