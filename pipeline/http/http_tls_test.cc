#include <doctest/doctest.h>
#include <filesystem>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "pipeline/http/test_server.h"
#include "pipeline/http/tls_server.h"
#include "pipeline/http/web_socket.h"
#include "pipeline/http/web_socket_client.h"
#include "pipeline/loop/test_client.h"

using namespace pipeline;

namespace {

// A folder with self-signed certificates, each its own authority.
class Certificates {
 public:
  Certificates() {
    char name[] = "/tmp/skidway-tls-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }

  std::string cert(std::string_view name) const { return concat(folder_, "/", name, ".crt"); }
  std::string key(std::string_view name) const { return concat(folder_, "/", name, ".key"); }

  // `subject_names` as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1".
  void make(std::string_view name, const char* subject_names) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME* subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(std::string(name).c_str()), -1, -1, 0);
    X509_set_issuer_name(x, subject);
    add(x, NID_basic_constraints, "critical,CA:TRUE");
    add(x, NID_subject_alt_name, subject_names);
    X509_sign(x, key, EVP_sha256());
    FILE* cert_file = ::fopen(cert(name).c_str(), "w");
    PEM_write_X509(cert_file, x);
    ::fclose(cert_file);
    FILE* key_file = ::fopen(this->key(name).c_str(), "w");
    PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr);
    ::fclose(key_file);
    X509_free(x);
    EVP_PKEY_free(key);
  }

 private:
  static void add(X509* x, int what, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  std::string folder_;
  mutable long serial_ = 0;
};

void echo(HttpRequest request, HttpResponder responder) { responder.send({200, {}, std::move(request.body)}); }

std::string https(const TestServer& server, std::string_view host) {
  return concat("https://", host, ":", server.port(), "/");
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("tls: carries small and large bodies both ways, several on one connection") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  TestServer server(echo, {.tls = {.cert_file = files.cert("server"), .key_file = files.key("server")}});
  auto loop = *Loop::create();
  {
    auto client = *HttpClient::create(*loop, {.tls = {.ca_file = files.cert("server")}});
    for (size_t size : {1u, 100'000u, 8u << 20}) {
      auto body = std::make_shared<const std::string>(std::string(size, 'x'));
      client->send({.method = "POST", .url = https(server, "127.0.0.1"), .body = body},
                   [&](Result<HttpClientResponse> r) {
                     CHECK(r.has_value());
                     if (!r) MESSAGE(r.error().message);
                     if (r) CHECK(r->body == *body);
                     loop->stop();
                   });
      loop->run();
    }
    server.on_loop([&] { CHECK(server.server().connections() == 1); });
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("tls: a server that cannot be verified is unavailable") {
  Certificates files;
  files.make("server", "DNS:logs.example");
  files.make("other", "DNS:other.example");
  TestServer server(echo, {.tls = {.cert_file = files.cert("server"), .key_file = files.key("server")}});
  auto code = [&](HttpClientTls tls) {
    auto answer = http_fetch({.url = https(server, "127.0.0.1")}, {.tls = std::move(tls)});
    return answer ? std::string("answered") : std::string(errc_name(answer.error().code));
  };
  const std::string unavailable(errc_name(Errc::kUnavailable)), invalid(errc_name(Errc::kInvalid));
  CHECK(code({.ca_file = files.cert("other")}) == unavailable);
  CHECK(code({.ca_file = files.cert("server")}) == unavailable);  // the name does not fit
  CHECK(code({.ca_file = files.cert("server"), .server_name = "other.example"}) == unavailable);
  CHECK(code({.ca_file = files.cert("server"), .server_name = "logs.example"}) == "answered");
  CHECK(code({.ca_file = "/nowhere.crt"}) == invalid);
}

TEST_CASE("tls: authorities that are replaced in their file count for the next connection") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  files.make("other", "IP:127.0.0.1");
  TestServer server(echo, {.tls = {.cert_file = files.cert("server"), .key_file = files.key("server")}});
  auto loop = *Loop::create();
  const std::string authorities = files.cert("authorities");
  std::filesystem::copy_file(files.cert("other"), authorities);
  {
    auto client = *HttpClient::create(*loop, {.tls = {.ca_file = authorities}});
    auto answered = [&] {
      bool yes = false;
      client->send({.url = https(server, "127.0.0.1")}, [&](Result<HttpClientResponse> r) {
        yes = r.has_value();
        loop->stop();
      });
      loop->run();
      return yes;
    };
    CHECK_FALSE(answered());
    std::filesystem::copy_file(files.cert("server"), authorities, std::filesystem::copy_options::overwrite_existing);
    CHECK(answered());
  }
  CHECK(loop->close().has_value());
  CHECK(http_fetch({.url = https(server, "127.0.0.1")}, {.tls = {.verify = false}}).has_value());
}

TEST_CASE("tls: asks for a client certificate when told to") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  files.make("client", "DNS:client");
  files.make("stranger", "DNS:stranger");
  TestServer server(echo, {.tls = {.cert_file = files.cert("server"),
                                   .key_file = files.key("server"),
                                   .client_ca_file = files.cert("client")}});
  auto answered = [&](std::string_view who) {
    HttpClientTls tls{.ca_file = files.cert("server")};
    if (!who.empty()) tls.cert_file = files.cert(who), tls.key_file = files.key(who);
    return http_fetch({.url = https(server, "127.0.0.1")}, {.tls = std::move(tls)}).has_value();
  };
  CHECK(answered("client"));
  CHECK_FALSE(answered("stranger"));
  CHECK_FALSE(answered(""));
}

TEST_CASE("tls: tells the handler who the client is by its certificate") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  files.make("spoke-7", "DNS:other.example");
  auto name_it = [](HttpRequest request, HttpResponder responder) {
    responder.send({200, {}, concat("<", request.client_name, ">")});
  };
  auto answer = [&](TestServer& server, HttpClientTls tls) {
    auto response = http_fetch({.url = https(server, "127.0.0.1")}, {.tls = std::move(tls)});
    return response ? response->body : response.error().message;
  };
  HttpClientTls client{
      .ca_file = files.cert("server"), .cert_file = files.cert("spoke-7"), .key_file = files.key("spoke-7")};
  HttpServerTls tls{.cert_file = files.cert("server"), .key_file = files.key("server")};
  {
    TestServer unasked(name_it, {.tls = tls});
    CHECK(answer(unasked, client) == "<>");
  }
  tls.client_ca_file = files.cert("spoke-7");
  TestServer verified(name_it, {.tls = tls});
  CHECK(answer(verified, client) == "<spoke-7>");
}

TEST_CASE("tls: plain bytes end the connection and nothing else") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  TestServer server(echo, {.tls = {.cert_file = files.cert("server"), .key_file = files.key("server")}});
  TestClient plain(server.port());
  plain.send("GET / HTTP/1.1\r\n\r\n");
  plain.read_to_end();
  CHECK(http_fetch({.url = https(server, "127.0.0.1")}, {.tls = {.ca_file = files.cert("server")}}).has_value());
}

TEST_CASE("tls: renewed certificates are taken, broken ones are not") {
  Certificates files;
  files.make("server", "IP:127.0.0.1");
  auto server = TlsServer::create({.cert_file = files.cert("server"), .key_file = files.key("server")});
  REQUIRE(server);
  CHECK((*server)->renew() == TlsServer::Renewal::kUnchanged);
  files.make("server", "IP:127.0.0.1,DNS:renewed.example");
  CHECK((*server)->renew() == TlsServer::Renewal::kTaken);
  CHECK((*server)->renew() == TlsServer::Renewal::kUnchanged);
  std::filesystem::remove(files.key("server"));
  auto broken = (*server)->renew();
  REQUIRE_FALSE(broken);
  CHECK(broken.error().message.starts_with("TLS key "));
  CHECK((*server)->renew() == TlsServer::Renewal::kUnchanged);  // said once
}

TEST_CASE("tls: says which file is wrong") {
  Certificates files;
  files.make("a", "DNS:a");
  files.make("b", "DNS:b");
  auto loop = *Loop::create();
  Registry registry;
  auto message = [&](HttpServerTls tls) {
    auto server = HttpServer::listen(*loop, registry, {.tls = std::move(tls)}, echo);
    return server ? std::string("listens") : server.error().message;
  };
  CHECK(
      message({.cert_file = "/nowhere.crt", .key_file = files.key("a")}).starts_with("TLS certificate /nowhere.crt: "));
  CHECK(message({.cert_file = files.cert("a"), .key_file = "/nowhere.key"}).starts_with("TLS key /nowhere.key: "));
  CHECK(message({.cert_file = files.cert("a"), .key_file = files.key("b")}) ==
        concat("TLS key ", files.key("b"), ": key values mismatch"));
  CHECK(message({.cert_file = files.cert("a"), .key_file = files.key("a"), .client_ca_file = "/nowhere.ca"})
            .starts_with("TLS client authority /nowhere.ca: "));
  CHECK(message({.cert_file = files.cert("a"), .key_file = files.key("a")}) == "listens");
  CHECK(loop->close().has_value());
}

TEST_CASE("tls: a WebSocket inside, and a client that does not trust the certificate") {
  class Echo : public WebSocketOwner {
    void on_open(WebSocket& socket) override { socket_ = &socket; }
    void on_text(std::string_view text) override { socket_->send(text); }
    void on_closed(uint16_t, std::string_view) override {}
    WebSocket* socket_ = nullptr;
  };
  Certificates certificates;
  certificates.make("server", "DNS:localhost,IP:127.0.0.1");
  HttpServerOptions options;
  options.tls = {.cert_file = certificates.cert("server"), .key_file = certificates.key("server")};
  TestServer server(
      [](HttpRequest request, HttpResponder responder) {
        responder.send(web_socket_answer(request, {}, std::make_shared<Echo>()));
      },
      std::move(options));
  const HttpClientRequest request{.url = concat("wss://127.0.0.1:", server.port(), "/live")};
  HttpClientOptions trusting;
  trusting.tls.ca_file = certificates.cert("server");
  auto client = WebSocketClient::connect(request, trusting, nullptr);
  REQUIRE(client.has_value());
  const std::string large(50'000, 'x');
  for (int i = 0; i < 20; ++i) {
    (*client)->send_text(large);
    auto message = (*client)->receive(std::chrono::seconds(20));
    REQUIRE((message.has_value() && message->has_value()));
    CHECK((*message)->text == large);
  }
  auto strange = WebSocketClient::connect(request, {}, nullptr);
  REQUIRE_FALSE(strange.has_value());
  CHECK(strange.error().code == Errc::kUnavailable);
}

TEST_SUITE_END();
