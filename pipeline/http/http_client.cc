#include "pipeline/http/http_client.h"

#include <curl/curl.h>
#include <map>
#include <mutex>

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
  bool is_loopback() const { return host == "localhost" || host.starts_with("127.") || host == "[::1]"; }
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

// One request underway; everything libcurl points into.
struct Transfer {
  HttpClient::RequestId id = 0;
  HttpClientRequest request;
  HttpClient::Done done;
  uint64_t max_response_bytes = 0;
  std::string what;  // "POST http://127.0.0.1:3100/loki/api/v1/push", for messages
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  char error[CURL_ERROR_SIZE] = "";
  HttpClientResponse response;
  bool too_large = false;

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
  Result<HttpClientResponse> finish(CURLcode code);
};

size_t on_body_bytes(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.response.body.size() + size * count > transfer.max_response_bytes) {
    transfer.too_large = true;
    return 0;
  }
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
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  response.headers.add(std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
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
  if (parts.is_loopback()) set(CURLOPT_PROXY, "");
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
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options.connect_timeout, request.timeout).count()));
  set(CURLOPT_WRITEFUNCTION, on_body_bytes);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header_bytes);
  set(CURLOPT_HEADERDATA, this);
  if (!options.tls.ca_file.empty()) set(CURLOPT_CAINFO, options.tls.ca_file.c_str());
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
  void cancel(RequestId id);
  void close();
  size_t running() const { return transfers_.size(); }

 private:
  static int on_socket(CURL*, curl_socket_t fd, int wanted, void* self, void*);
  static int on_timer(CURLM*, long delay_ms, void* self);
  void act(curl_socket_t fd, int events);
  void collect();
  void answer(std::map<RequestId, std::unique_ptr<Transfer>>::iterator at, Result<HttpClientResponse> result);

  Loop& loop_;
  const HttpClientOptions options_;
  CURLM* multi_ = curl_multi_init();
  Timer timer_;
  std::map<curl_socket_t, std::unique_ptr<FdWatcher>> watchers_;
  std::map<RequestId, std::unique_ptr<Transfer>> transfers_;
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
  collect();
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
    answer(transfers_.find(transfer->id), transfer->finish(code));
  }
}

void HttpClient::Impl::answer(std::map<RequestId, std::unique_ptr<Transfer>>::iterator at,
                              Result<HttpClientResponse> result) {
  auto transfer = std::move(at->second);
  transfers_.erase(at);
  curl_multi_remove_handle(multi_, transfer->easy);
  Done done = std::move(transfer->done);
  transfer.reset();
  done(std::move(result));  // may destroy this client
}

HttpClient::RequestId HttpClient::Impl::send(HttpClientRequest request, Done done) {
  const RequestId id = ++last_id_;
  if (!*alive_) {
    loop_.post([done = std::move(done)]() mutable { done(fail(Errc::kCancelled, "the HTTP client is closed")); });
    return id;
  }
  auto transfer = std::make_unique<Transfer>();
  transfer->id = id;
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  auto prepared = transfer->prepare(options_);
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
