#include "pipeline/http/web_socket_client.h"

#include <charconv>
#include <curl/curl.h>
#include <deque>
#include <mutex>
#include <poll.h>
#include <random>

#include "pipeline/base/concat.h"
#include "pipeline/base/text_encoding.h"

namespace pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint64_t kMaxMessageBytes = 64 << 20;
constexpr size_t kMaxHeadBytes = 64 << 10;
constexpr size_t kMaxRefusalBytes = 1 << 20;

void init_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::string random_key() {
  std::random_device random;
  std::string bytes(16, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xff);
  std::string out;
  append_base64(out, bytes);
  return out;
}

// ws and wss are http and https to libcurl, which only makes the connection.
std::string http_url(const std::string& url) {
  if (url.starts_with("ws://")) return concat("http://", url.substr(5));
  if (url.starts_with("wss://")) return concat("https://", url.substr(6));
  return url;
}

struct Target {
  std::string host, path;  // "127.0.0.1:3100", "/loki/api/v1/tail?query=..."
  bool loopback = false;
};

Result<Target> target_of(const std::string& url) {
  std::unique_ptr<CURLU, void (*)(CURLU*)> parser(curl_url(), curl_url_cleanup);
  if (CURLUcode code = curl_url_set(parser.get(), CURLUPART_URL, url.c_str(), 0); code != CURLUE_OK) {
    return fail(Errc::kInvalid, concat("URL \"", url, "\": ", curl_url_strerror(code)));
  }
  auto part = [&](CURLUPart which) {
    char* text = nullptr;
    curl_url_get(parser.get(), which, &text, 0);
    std::string out(text ? text : "");
    curl_free(text);
    return out;
  };
  const std::string host = part(CURLUPART_HOST), port = part(CURLUPART_PORT), query = part(CURLUPART_QUERY);
  return Target{port.empty() ? host : concat(host, ":", port),
                concat(part(CURLUPART_PATH), query.empty() ? "" : "?", query),
                host == "localhost" || host.starts_with("127.") || host == "[::1]"};
}

}  // namespace

class WebSocketClient::Impl {
 public:
  Impl() : frames_(WebSocketFrames::Role::kClient, kMaxMessageBytes), easy_(curl_easy_init()) {}
  ~Impl() { curl_easy_cleanup(easy_); }

  Result<void> connect(const HttpClientRequest& request, const HttpClientOptions& options);
  Result<void> shake_hands(const HttpClientRequest& request, const HttpClientOptions& options,
                           HttpClientResponse* refusal);
  Result<std::optional<WebSocketMessage>> receive(milliseconds wait);
  void flush();
  WebSocketFrames& frames() { return frames_; }
  int fd() const { return fd_; }
  milliseconds silent_for() const { return std::chrono::floor<milliseconds>(steady_clock::now() - last_bytes_); }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(easy_, option, value);
  }
  bool wait_for(short events, steady_clock::time_point until) const;
  Result<void> send(std::string_view bytes, steady_clock::time_point until);
  // kUnavailable: the far side has ended it. 0: `until` has passed.
  Result<size_t> read(char* to, size_t size, steady_clock::time_point until);
  Result<std::string> read_head(steady_clock::time_point until);
  void read_refusal(HttpClientResponse& refusal, steady_clock::time_point until);
  void take(std::string_view bytes);

  WebSocketFrames frames_;
  CURL* easy_;
  curl_socket_t fd_ = CURL_SOCKET_BAD;
  Target target_;
  std::string url_;
  std::string early_;  // came together with the head of the answer
  std::deque<WebSocketMessage> messages_;
  steady_clock::time_point last_bytes_ = steady_clock::now();
  char error_[CURL_ERROR_SIZE] = "";
};

Result<void> WebSocketClient::Impl::connect(const HttpClientRequest& request, const HttpClientOptions& options) {
  url_ = http_url(request.url);
  TRY_LET(target_, target_of(url_));
  set(CURLOPT_URL, url_.c_str());
  set(CURLOPT_CONNECT_ONLY, 1L);
  set(CURLOPT_ERRORBUFFER, error_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_SSL_ENABLE_ALPN, 0L);  // the upgrade is one of HTTP/1.1
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options.connect_timeout, request.timeout).count()));
  if (!options.tls.ca_file.empty()) set(CURLOPT_CAINFO, options.tls.ca_file.c_str());
  if (!options.tls.verify) set(CURLOPT_SSL_VERIFYPEER, 0L), set(CURLOPT_SSL_VERIFYHOST, 0L);
  if (!options.tls.cert_file.empty()) set(CURLOPT_SSLCERT, options.tls.cert_file.c_str());
  if (!options.tls.key_file.empty()) set(CURLOPT_SSLKEY, options.tls.key_file.c_str());
  set(CURLOPT_HTTPPROXYTUNNEL, 1L);
  if (!options.proxy_url.empty()) {
    set(CURLOPT_PROXY, options.proxy_url.c_str());
    set(CURLOPT_NOPROXY, options.no_proxy.c_str());
  } else if (target_.loopback) {
    set(CURLOPT_PROXY, "");
  }
  if (const CURLcode code = curl_easy_perform(easy_); code != CURLE_OK) {
    const bool ours = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
                      code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM;
    return fail(ours ? Errc::kInvalid : Errc::kUnavailable, error_[0] ? error_ : curl_easy_strerror(code));
  }
  curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &fd_);
  return {};
}

bool WebSocketClient::Impl::wait_for(short events, steady_clock::time_point until) const {
  const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
  pollfd watched{fd_, events, 0};
  return left > 0 && ::poll(&watched, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30))) > 0;
}

Result<void> WebSocketClient::Impl::send(std::string_view bytes, steady_clock::time_point until) {
  while (!bytes.empty()) {
    size_t sent = 0;
    const CURLcode code = curl_easy_send(easy_, bytes.data(), bytes.size(), &sent);
    if (code != CURLE_OK && code != CURLE_AGAIN) return fail(Errc::kUnavailable, curl_easy_strerror(code));
    bytes.remove_prefix(sent);
    if (code == CURLE_AGAIN && !wait_for(POLLOUT, until)) return fail(Errc::kUnavailable, "the server does not read");
  }
  return {};
}

Result<size_t> WebSocketClient::Impl::read(char* to, size_t size, steady_clock::time_point until) {
  while (true) {
    size_t n = 0;
    const CURLcode code = curl_easy_recv(easy_, to, size, &n);
    if (code == CURLE_OK && n > 0) {
      last_bytes_ = steady_clock::now();
      return n;
    }
    if (code != CURLE_AGAIN) return fail(Errc::kUnavailable, "the connection was closed by the far side");
    if (!wait_for(POLLIN, until)) return size_t{0};
  }
}

Result<std::string> WebSocketClient::Impl::read_head(steady_clock::time_point until) {
  std::string got;
  char buffer[4096];
  size_t end = got.npos;
  while ((end = got.find("\r\n\r\n")) == got.npos) {
    TRY_LET(const size_t n, read(buffer, sizeof buffer, until));
    if (n == 0) return fail(Errc::kUnavailable, "no answer in time");
    got.append(buffer, n);
    if (got.size() > kMaxHeadBytes) return fail(Errc::kUnavailable, "the answer is not HTTP");
  }
  early_ = got.substr(end + 4);
  got.resize(end + 2);
  return got;
}

// What fits of the text that says why not.
void WebSocketClient::Impl::read_refusal(HttpClientResponse& refusal, steady_clock::time_point until) {
  uint64_t length = kMaxRefusalBytes;
  const std::string_view said = refusal.headers.get("Content-Length");
  std::from_chars(said.data(), said.data() + said.size(), length);
  refusal.body = std::move(early_);
  char buffer[4096];
  while (refusal.body.size() < std::min<uint64_t>(length, kMaxRefusalBytes)) {
    auto n = read(buffer, sizeof buffer, until);
    if (!n || *n == 0) break;
    refusal.body.append(buffer, *n);
  }
}

HttpClientResponse parse_head(std::string_view head) {
  HttpClientResponse out;
  const size_t space = std::min(head.find(' '), head.size());
  std::from_chars(head.data() + std::min(space + 1, head.size()), head.data() + head.size(), out.status);
  size_t at = head.find("\r\n");
  while (at != head.npos && at + 2 < head.size()) {
    const size_t end = std::min(head.find("\r\n", at + 2), head.size());
    const std::string_view line = head.substr(at + 2, end - at - 2);
    if (const size_t colon = line.find(':'); colon != line.npos) {
      const size_t value = std::min(line.find_first_not_of(' ', colon + 1), line.size());
      out.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(value)));
    }
    at = end;
  }
  return out;
}

Result<void> WebSocketClient::Impl::shake_hands(const HttpClientRequest& request, const HttpClientOptions& options,
                                                HttpClientResponse* refusal) {
  const auto until = steady_clock::now() + request.timeout;
  const std::string key = random_key();
  HttpHeaders headers = options.headers;
  for (const auto& [name, value] : request.headers) headers.set(name, value);
  if (!headers.has("User-Agent")) headers.set("User-Agent", "skidway");
  if (!options.username.empty() && !headers.has("Authorization")) {
    std::string secret;
    append_base64(secret, concat(options.username, ":", options.password));
    headers.set("Authorization", concat("Basic ", secret));
  }
  std::string head = concat("GET ", target_.path, " HTTP/1.1\r\nHost: ", target_.host,
                            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
                            "Sec-WebSocket-Key: ", key, "\r\n");
  for (const auto& [name, value] : headers) head += concat(name, ": ", value, "\r\n");
  TRY(send(concat(head, "\r\n"), until));
  TRY_LET(const std::string text, read_head(until));
  HttpClientResponse answer = parse_head(text);
  if (answer.status != 101) {
    read_refusal(answer, until);
    const int status = answer.status;
    if (refusal) *refusal = std::move(answer);
    return fail(Errc::kInvalid, concat("the server answers ", status, " instead of changing to a WebSocket"));
  }
  if (answer.headers.get("Sec-WebSocket-Accept") != web_socket_accept(key)) {
    return fail(Errc::kUnavailable, "the server's handshake is not one of a WebSocket");
  }
  take(std::exchange(early_, {}));
  return {};
}

void WebSocketClient::Impl::take(std::string_view bytes) {
  for (WebSocketMessage& message : frames_.feed(bytes)) {
    if (message.kind != WebSocketMessage::Kind::kPong) messages_.push_back(std::move(message));
  }
  flush();
}

void WebSocketClient::Impl::flush() {
  // A reply that cannot be sent: the next read says why.
  static_cast<void>(send(frames_.take_output(), steady_clock::now() + std::chrono::seconds(10)).has_value());
}

Result<std::optional<WebSocketMessage>> WebSocketClient::Impl::receive(milliseconds wait) {
  const auto until = steady_clock::now() + wait;
  char buffer[16 << 10];
  while (messages_.empty()) {
    if (!frames_.reads()) return fail(Errc::kUnavailable, "the connection has ended");
    TRY_LET(const size_t n, read(buffer, sizeof buffer, until));
    if (n == 0) return std::optional<WebSocketMessage>();
    take({buffer, n});
  }
  std::optional<WebSocketMessage> out = std::move(messages_.front());
  messages_.pop_front();
  return out;
}

WebSocketClient::WebSocketClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebSocketClient::~WebSocketClient() = default;

Result<std::unique_ptr<WebSocketClient>> WebSocketClient::connect(const HttpClientRequest& request,
                                                                  const HttpClientOptions& options,
                                                                  HttpClientResponse* refusal) {
  init_curl_once();
  auto impl = std::make_unique<Impl>();
  TRY(impl->connect(request, options));
  TRY(impl->shake_hands(request, options, refusal));
  return std::unique_ptr<WebSocketClient>(new WebSocketClient(std::move(impl)));
}

Result<std::optional<WebSocketMessage>> WebSocketClient::receive(milliseconds wait) { return impl_->receive(wait); }

void WebSocketClient::send_text(std::string_view text) {
  impl_->frames().send_text(text);
  impl_->flush();
}

void WebSocketClient::close(uint16_t code, std::string_view reason) {
  impl_->frames().close(code, reason);
  impl_->flush();
}

milliseconds WebSocketClient::silent_for() const { return impl_->silent_for(); }

int WebSocketClient::fd() const { return impl_->fd(); }

}  // namespace pipeline
