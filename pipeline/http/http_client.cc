#include "pipeline/http/http_client.h"

#include <cstdlib>
#include <curl/curl.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <vector>

#include "pipeline/base/log.h"
#include "pipeline/loop/fd_watcher.h"
#include "pipeline/loop/timer.h"

namespace pipeline {
namespace {

struct CurlString {
  char* text = nullptr;
  ~CurlString() { curl_free(text); }
  std::string_view view() const { return text ? text : ""; }
};

// The parts of a URL that decide where to connect and what may be shown in a message.
struct UrlParts {
  std::string scheme, host, port, path;

  static Result<UrlParts> parse(const std::string& url) {
    std::unique_ptr<CURLU, void (*)(CURLU*)> parser(curl_url(), curl_url_cleanup);
    if (CURLUcode code = curl_url_set(parser.get(), CURLUPART_URL, url.c_str(), 0); code != CURLUE_OK) {
      return fail(Errc::kInvalid, concat("URL \"", url, "\": ", curl_url_strerror(code)));
    }
    auto part = [&](CURLUPart which, unsigned flags = 0) {
      CurlString out;
      curl_url_get(parser.get(), which, &out.text, flags);
      return std::string(out.view());
    };
    return UrlParts{part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT, CURLU_DEFAULT_PORT),
                    part(CURLUPART_PATH)};
  }
  // No proxy leads there: this machine and what is one hop away (clouds' metadata services).
  bool is_local() const {
    return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "[::1]" ||
           host.starts_with("169.254.");
  }
};

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

void init_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

Errc code_of(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return Errc::kInvalid;
    default: return Errc::kUnavailable;
  }
}

constexpr size_t kReserveBytes = 16 << 20;        // what a peer may make us set aside by a header alone
constexpr size_t kStreamWindowBytes = 256 << 10;  // of pieces not handed on yet; then libcurl is told to wait

// What only a streamed answer has. Pieces are kept until libcurl has returned: whoever takes them may cancel or
// destroy.
struct Streaming {
  HttpStream stream;
  std::string waiting;  // body bytes not handed on yet
  bool head_waiting = false;
  bool head_handed = false;
  bool paused = false;            // by the owner
  bool curl_waits = false;        // libcurl was told to hold its bytes back
  std::optional<CURLcode> ended;  // what libcurl said, while pieces wait to be handed on
  std::unique_ptr<Timer> silence;
};

// One request underway; everything libcurl points into.
struct Transfer {
  HttpClient::RequestId id = 0;
  HttpClientRequest request;
  HttpClient::Done done;
  std::unique_ptr<Streaming> streaming;  // null: the answer is gathered
  uint64_t max_response_bytes = 0;
  std::string what;  // "POST http://127.0.0.1:3100/loki/api/v1/push", for messages
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  char error[CURL_ERROR_SIZE] = "";
  HttpClientResponse response;
  bool too_large = false;
  bool too_silent = false;

  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
  }
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(easy, option, value);
  }
  void add_header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }

  Result<void> prepare(const HttpClientOptions& options);
  void set_method();
  void set_headers(const HttpClientOptions& options);
  Result<void> set_target(const HttpClientOptions& options);
  void on_header(std::string_view line);
  void reserve_body();
  Result<HttpClientResponse> finish(CURLcode code);
};

size_t on_body_bytes(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (auto* streaming = transfer.streaming.get()) {
    if (streaming->paused || streaming->waiting.size() >= kStreamWindowBytes) {
      streaming->curl_waits = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    streaming->waiting.append(bytes, size * count);
    return size * count;
  }
  if (transfer.response.body.size() + size * count > transfer.max_response_bytes) {
    transfer.too_large = true;
    return 0;
  }
  if (transfer.response.body.empty()) transfer.reserve_body();
  transfer.response.body.append(bytes, size * count);
  return size * count;
}

size_t on_header_bytes(char* bytes, size_t size, size_t count, void* user) {
  static_cast<Transfer*>(user)->on_header({bytes, size * count});
  return size * count;
}

void Transfer::on_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // also of a 100 Continue that came before
    response.headers = {};
    return;
  }
  if (streaming && trim(line).empty()) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    streaming->head_waiting = status >= 200;  // not of a 100 Continue
    return;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  response.headers.add(std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
}

// Room for the whole answer at once, where its length is said and sensible.
void Transfer::reserve_body() {
  curl_off_t length = 0;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length > 0 && static_cast<uint64_t>(length) <= std::min<uint64_t>(max_response_bytes, kReserveBytes))
    response.body.reserve(static_cast<size_t>(length));
}

void Transfer::set_method() {
  const std::string& method = request.method;
  if (method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.body || method == "POST" || method == "PUT" || method == "PATCH") {
    // POSTFIELDS is not copied: the shared bytes live as long as this transfer.
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body ? request.body->size() : 0));
    set(CURLOPT_POSTFIELDS, request.body ? request.body->data() : "");
    if (method != "POST") set(CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

void Transfer::set_headers(const HttpClientOptions& options) {
  HttpHeaders all = options.headers;
  for (const auto& [name, value] : request.headers) all.set(name, value);
  for (const auto& [name, value] : all) add_header(value.empty() ? concat(name, ";") : concat(name, ": ", value));
  add_header("Expect:");  // never wait for a 100 Continue
  if (!all.has("Content-Type")) add_header("Content-Type:");
  if (!all.has("User-Agent")) set(CURLOPT_USERAGENT, "skidway");
}

Result<void> Transfer::set_target(const HttpClientOptions& options) {
  std::string url = request.url;
  TRY_LET(const UrlParts parts, UrlParts::parse(url));
  if (parts.scheme != "http" && parts.scheme != "https") {
    return fail(Errc::kInvalid, concat("URL \"", url, "\": only http and https are spoken here"));
  }
  what = concat(request.method, " ", parts.scheme, "://", parts.host, ":", parts.port, parts.path);
  if (!options.unix_socket.empty()) what = concat(request.method, " ", parts.path, " at unix:", options.unix_socket);
  if (!options.proxy_url.empty()) {
    set(CURLOPT_PROXY, options.proxy_url.c_str());
    set(CURLOPT_NOPROXY, options.no_proxy.c_str());
  } else if (parts.is_local()) {
    set(CURLOPT_PROXY, "");
  } else if (const char* upper = std::getenv("HTTP_PROXY"); upper && parts.scheme == "http") {
    if (!std::getenv("http_proxy")) set(CURLOPT_PROXY, upper);  // libcurl reads the others in capitals, not this one
  }
  const std::string& name = options.tls.server_name;
  if (!name.empty() && parts.scheme == "https" && name != parts.host) {
    // libcurl verifies the name in the URL: so put the wanted one there, and say where it really is.
    std::unique_ptr<CURLU, void (*)(CURLU*)> renamed(curl_url(), curl_url_cleanup);
    curl_url_set(renamed.get(), CURLUPART_URL, url.c_str(), 0);
    curl_url_set(renamed.get(), CURLUPART_HOST, name.c_str(), 0);
    CurlString text;
    curl_url_get(renamed.get(), CURLUPART_URL, &text.text, 0);
    url = text.view();
    connect_to = curl_slist_append(nullptr, concat(name, ":", parts.port, ":", parts.host, ":", parts.port).c_str());
    set(CURLOPT_CONNECT_TO, connect_to);
    if (!request.headers.has("Host")) {
      request.headers.set("Host", parts.port == "443" ? parts.host : concat(parts.host, ":", parts.port));
    }
  }
  set(CURLOPT_URL, url.c_str());
  return {};
}

Result<void> Transfer::prepare(const HttpClientOptions& options) {
  what = request.method;
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // giving up on a name look-up must not wait for its thread
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  if (!streaming) set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (streaming) set(CURLOPT_TCP_KEEPALIVE, 1L);  // a peer that vanished is noticed some time, whatever the silence
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options.connect_timeout, request.timeout).count()));
  set(CURLOPT_WRITEFUNCTION, on_body_bytes);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header_bytes);
  set(CURLOPT_HEADERDATA, this);
  if (options.buffer_bytes > 0) set(CURLOPT_BUFFERSIZE, static_cast<long>(options.buffer_bytes));
  if (request.compressed) set(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  if (!options.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());
  if (!options.tls.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.tls.ca_file.c_str());
    set(CURLOPT_CA_CACHE_TIMEOUT, 0L);  // authorities are replaced in running clusters
  }
  if (!options.tls.verify) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!options.tls.cert_file.empty()) set(CURLOPT_SSLCERT, options.tls.cert_file.c_str());
  if (!options.tls.key_file.empty()) set(CURLOPT_SSLKEY, options.tls.key_file.c_str());
  if (!options.username.empty()) {
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, options.username.c_str());
    set(CURLOPT_PASSWORD, options.password.c_str());
  }
  max_response_bytes = options.max_response_bytes;
  TRY(set_target(options));
  set_method();
  set_headers(options);
  set(CURLOPT_HTTPHEADER, headers);
  return {};
}

Result<HttpClientResponse> Transfer::finish(CURLcode code) {
  if (too_large)
    return fail(Errc::kOverLimit, concat(what, ": the answer is larger than ", max_response_bytes, " bytes"));
  if (too_silent) {
    return fail(
        Errc::kUnavailable,
        concat(what, streaming->head_handed ? ": silent for " : ": no answer for ",
               streaming->head_handed ? streaming->stream.idle_timeout.count() : request.timeout.count(), " ms"));
  }
  if (code != CURLE_OK) {
    std::string why = error[0] ? error : curl_easy_strerror(code);
    if (why.size() > 1 && why[0] >= 'A' && why[0] <= 'Z' && why[1] >= 'a') why[0] = static_cast<char>(why[0] + 32);
    return fail(code_of(code), concat(what, ": ", why));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  return std::move(response);
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(Loop& loop, HttpClientOptions options)
      : loop_(loop), options_(std::move(options)), timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {}
  ~Impl() {
    close();
    curl_multi_cleanup(multi_);
  }

  Result<void> open();
  RequestId send(HttpClientRequest request, Done done);
  RequestId stream(HttpClientRequest request, HttpStream stream);
  void pause(RequestId id);
  void resume(RequestId id);
  void cancel(RequestId id);
  void close();
  size_t running() const { return transfers_.size(); }

 private:
  static int on_socket(CURL*, curl_socket_t fd, int wanted, void* self, void*);
  static int on_timer(CURLM*, long delay_ms, void* self);
  void act(curl_socket_t fd, int events);
  using Transfers = std::map<RequestId, std::shared_ptr<Transfer>>;
  RequestId start(std::shared_ptr<Transfer> transfer);
  void collect();
  void answer(Transfers::iterator at, Result<HttpClientResponse> result);
  void hand_on_pieces();
  void hand_on(const std::shared_ptr<Transfer>& transfer);
  void on_silence(RequestId id);

  Loop& loop_;
  const HttpClientOptions options_;
  CURLM* multi_ = curl_multi_init();
  Timer timer_;
  std::map<curl_socket_t, std::unique_ptr<FdWatcher>> watchers_;
  Transfers transfers_;  // shared: a piece's taker may end its transfer
  RequestId last_id_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false once destroyed: a `done` may do that
};

Result<void> HttpClient::Impl::open() {
  if (!multi_) return fail(Errc::kIo, "start the HTTP client: out of memory");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_connections));
  return {};
}

int HttpClient::Impl::on_socket(CURL*, curl_socket_t fd, int wanted, void* user, void*) {
  auto* self = static_cast<Impl*>(user);
  if (wanted == CURL_POLL_REMOVE) {
    self->watchers_.erase(fd);
    return 0;
  }
  auto& watcher = self->watchers_[fd];
  if (!watcher) {
    watcher = std::make_unique<FdWatcher>(self->loop_, fd, [self, fd](FdEvents events) {
      if (events.readable && self->options_.quick_ack) {
        const int yes = 1;
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
      }
      self->act(fd, (events.readable ? CURL_CSELECT_IN : 0) | (events.writable ? CURL_CSELECT_OUT : 0) |
                        (events.error ? CURL_CSELECT_ERR : 0));
    });
  }
  auto started = watcher->start((wanted & CURL_POLL_IN) != 0, (wanted & CURL_POLL_OUT) != 0);
  if (!started) log_warn("http client", {{"error", started.error()}});
  return 0;
}

int HttpClient::Impl::on_timer(CURLM*, long delay_ms, void* user) {
  auto* self = static_cast<Impl*>(user);
  if (delay_ms < 0) {
    self->timer_.stop();
  } else {
    self->timer_.start(std::chrono::milliseconds(delay_ms));  // 0 too: never from inside this callback
  }
  return 0;
}

void HttpClient::Impl::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  auto alive = alive_;
  collect();
  if (*alive) hand_on_pieces();
}

void HttpClient::Impl::collect() {
  auto alive = alive_;
  int left = 0;
  while (*alive) {
    CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (!message) return;
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (transfer->streaming) {
      transfer->streaming->ended = code;  // its last pieces come first
      continue;
    }
    answer(transfers_.find(transfer->id), transfer->finish(code));
  }
}

// Everything that waits in streams goes to their owners; each of them may end any transfer or this client.
void HttpClient::Impl::hand_on_pieces() {
  auto alive = alive_;
  std::vector<std::shared_ptr<Transfer>> streams;
  for (const auto& [id, transfer] : transfers_) {
    const auto* s = transfer->streaming.get();
    if (s && !s->paused && (s->head_waiting || !s->waiting.empty() || s->ended)) streams.push_back(transfer);
  }
  for (const auto& transfer : streams) {
    if (!*alive) return;
    hand_on(transfer);
  }
}

void HttpClient::Impl::hand_on(const std::shared_ptr<Transfer>& transfer) {
  auto alive = alive_;
  auto running = [&] { return *alive && transfers_.contains(transfer->id); };
  if (!running()) return;
  Streaming& s = *transfer->streaming;
  if (s.head_waiting) {
    s.head_waiting = false;
    s.head_handed = true;
    s.silence->stop();
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->response.status = static_cast<int>(status);
    if (s.stream.on_head) s.stream.on_head(transfer->response);
  }
  if (running() && !s.paused && !s.waiting.empty()) {
    const std::string piece = std::move(s.waiting);
    s.waiting.clear();
    s.stream.on_body(piece);
  }
  if (!running() || s.paused) return;
  if (s.ended) return answer(transfers_.find(transfer->id), transfer->finish(*s.ended));
  if (s.head_handed && s.stream.idle_timeout.count() > 0) s.silence->start(s.stream.idle_timeout);
  if (!s.curl_waits) return;
  s.curl_waits = false;
  loop_.post([this, alive = alive_, id = transfer->id] {
    auto at = *alive ? transfers_.find(id) : transfers_.end();
    if (!*alive || at == transfers_.end()) return;
    curl_easy_pause(at->second->easy, CURLPAUSE_CONT);  // may hand over bytes at once, into `waiting`
    act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void HttpClient::Impl::on_silence(RequestId id) {
  auto at = transfers_.find(id);
  if (at == transfers_.end()) return;
  at->second->too_silent = true;
  answer(at, at->second->finish(CURLE_OPERATION_TIMEDOUT));
}

void HttpClient::Impl::answer(Transfers::iterator at, Result<HttpClientResponse> result) {
  auto transfer = std::move(at->second);
  transfers_.erase(at);
  curl_multi_remove_handle(multi_, transfer->easy);
  Done done;
  if (transfer->streaming) {
    transfer->streaming->silence.reset();
    done = std::move(transfer->streaming->stream.done);
  } else {
    done = std::move(transfer->done);
  }
  transfer.reset();
  done(std::move(result));  // may destroy this client
}

HttpClient::RequestId HttpClient::Impl::send(HttpClientRequest request, Done done) {
  auto transfer = std::make_shared<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  return start(std::move(transfer));
}

HttpClient::RequestId HttpClient::Impl::stream(HttpClientRequest request, HttpStream stream) {
  auto transfer = std::make_shared<Transfer>();
  transfer->request = std::move(request);
  transfer->streaming = std::make_unique<Streaming>();
  transfer->streaming->stream = std::move(stream);
  return start(std::move(transfer));
}

HttpClient::RequestId HttpClient::Impl::start(std::shared_ptr<Transfer> transfer) {
  const RequestId id = ++last_id_;
  transfer->id = id;
  if (!*alive_) {
    loop_.post([transfer = std::move(transfer)]() mutable {
      auto& done = transfer->streaming ? transfer->streaming->stream.done : transfer->done;
      done(fail(Errc::kCancelled, "the HTTP client is closed"));
    });
    return id;
  }
  auto prepared = transfer->prepare(options_);
  if (transfer->streaming) {
    transfer->streaming->silence = std::make_unique<Timer>(loop_, [this, id] { on_silence(id); });
    transfer->streaming->silence->start(transfer->request.timeout);
  }
  CURL* easy = transfer->easy;
  transfers_.emplace(id, std::move(transfer));
  if (prepared) {
    curl_multi_add_handle(multi_, easy);
    return id;
  }
  loop_.post([this, alive = alive_, id, error = prepared.error()] {
    if (!*alive) return;  // close() told it kCancelled
    if (auto at = transfers_.find(id); at != transfers_.end()) answer(at, fail(error));
  });
  return id;
}

void HttpClient::Impl::pause(RequestId id) {
  auto at = transfers_.find(id);
  if (at == transfers_.end() || !at->second->streaming) return;
  at->second->streaming->paused = true;
  if (at->second->streaming->head_handed) at->second->streaming->silence->stop();
}

void HttpClient::Impl::resume(RequestId id) {
  auto at = transfers_.find(id);
  if (at == transfers_.end() || !at->second->streaming || !at->second->streaming->paused) return;
  at->second->streaming->paused = false;
  loop_.post([this, alive = alive_, id] {
    auto found = *alive ? transfers_.find(id) : transfers_.end();
    if (!*alive || found == transfers_.end() || found->second->streaming->paused) return;
    const auto transfer = found->second;
    hand_on(transfer);
  });
}

void HttpClient::Impl::cancel(RequestId id) {
  auto at = transfers_.find(id);
  if (at == transfers_.end()) return;
  answer(at, fail(Errc::kCancelled, concat(at->second->what, ": cancelled")));
}

void HttpClient::Impl::close() {
  while (!transfers_.empty()) cancel(transfers_.begin()->first);
  *alive_ = false;
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpClient::~HttpClient() { close(); }

Result<std::unique_ptr<HttpClient>> HttpClient::create(Loop& loop, HttpClientOptions options) {
  DEBUG_INVARIANT(loop.is_current());
  init_curl_once();
  auto impl = std::make_unique<Impl>(loop, std::move(options));
  TRY(impl->open());
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

HttpClient::RequestId HttpClient::send(HttpClientRequest request, Done done) {
  return impl_->send(std::move(request), std::move(done));
}
HttpClient::RequestId HttpClient::stream(HttpClientRequest request, HttpStream stream) {
  return impl_->stream(std::move(request), std::move(stream));
}
void HttpClient::pause(RequestId id) { impl_->pause(id); }
void HttpClient::resume(RequestId id) { impl_->resume(id); }
void HttpClient::cancel(RequestId id) { impl_->cancel(id); }
size_t HttpClient::running() const { return impl_->running(); }
void HttpClient::close() { impl_->close(); }

Result<HttpClientResponse> http_fetch(HttpClientRequest request, HttpClientOptions options) {
  TRY_LET(auto loop, Loop::create());
  Result<HttpClientResponse> out = fail(Errc::kCancelled, "not sent");
  {
    TRY_LET(auto client, HttpClient::create(*loop, std::move(options)));
    client->send(std::move(request), [&](Result<HttpClientResponse> answer) {
      out = std::move(answer);
      loop->stop();
    });
    loop->run();
  }
  return out;
}

}  // namespace pipeline
