#include "pipeline/http/http_transfer.h"

#include <cstdlib>
#include <curl/curl.h>

#include "pipeline/base/concat.h"

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

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  curl_easy_setopt(easy, option, value);
}
}  // namespace

HttpTransfer::HttpTransfer() : easy(curl_easy_init()) {}

HttpTransfer::~HttpTransfer() {
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  curl_slist_free_all(connect_to);
}

void HttpTransfer::add_header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }

int HttpTransfer::status() const {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

size_t HttpTransfer::on_body_bytes(char* bytes, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<HttpTransfer*>(user);
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

size_t HttpTransfer::on_header_bytes(char* bytes, size_t size, size_t count, void* user) {
  static_cast<HttpTransfer*>(user)->on_header({bytes, size * count});
  return size * count;
}

void HttpTransfer::on_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // also of a 100 Continue that came before
    response.headers = {};
    return;
  }
  if (streaming && trim(line).empty()) {
    streaming->head_waiting = status() >= 200;  // not of a 100 Continue
    return;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return;
  response.headers.add(std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
}

// Room for the whole answer at once, where its length is said and sensible.
void HttpTransfer::reserve_body() {
  curl_off_t length = 0;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length > 0 && static_cast<uint64_t>(length) <= std::min<uint64_t>(max_response_bytes, kReserveBytes))
    response.body.reserve(static_cast<size_t>(length));
}

void HttpTransfer::set_method() {
  const std::string& method = request.method;
  if (method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.body || method == "POST" || method == "PUT" || method == "PATCH") {
    // POSTFIELDS is not copied: the shared bytes live as long as this transfer.
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body ? request.body->size() : 0));
    set(easy, CURLOPT_POSTFIELDS, request.body ? request.body->data() : "");
    if (method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method != "GET") {
    set(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

void HttpTransfer::set_headers(const HttpClientOptions& options) {
  HttpHeaders all = options.headers;
  for (const auto& [name, value] : request.headers) all.set(name, value);
  for (const auto& [name, value] : all) add_header(value.empty() ? concat(name, ";") : concat(name, ": ", value));
  add_header("Expect:");  // never wait for a 100 Continue
  if (!all.has("Content-Type")) add_header("Content-Type:");
  if (!all.has("User-Agent")) set(easy, CURLOPT_USERAGENT, "skidway");
}

Result<void> HttpTransfer::set_target(const HttpClientOptions& options) {
  std::string url = request.url;
  TRY_LET(const UrlParts parts, UrlParts::parse(url));
  if (parts.scheme != "http" && parts.scheme != "https") {
    return fail(Errc::kInvalid, concat("URL \"", url, "\": only http and https are spoken here"));
  }
  what = concat(request.method, " ", parts.scheme, "://", parts.host, ":", parts.port, parts.path);
  if (!options.unix_socket.empty()) what = concat(request.method, " ", parts.path, " at unix:", options.unix_socket);
  if (!options.proxy_url.empty()) {
    set(easy, CURLOPT_PROXY, options.proxy_url.c_str());
    set(easy, CURLOPT_NOPROXY, options.no_proxy.c_str());
  } else if (parts.is_local()) {
    set(easy, CURLOPT_PROXY, "");
  } else if (const char* upper = std::getenv("HTTP_PROXY"); upper && parts.scheme == "http") {
    if (!std::getenv("http_proxy"))
      set(easy, CURLOPT_PROXY, upper);  // libcurl reads the others in capitals, not this one
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
    set(easy, CURLOPT_CONNECT_TO, connect_to);
    if (!request.headers.has("Host")) {
      request.headers.set("Host", parts.port == "443" ? parts.host : concat(parts.host, ":", parts.port));
    }
  }
  set(easy, CURLOPT_URL, url.c_str());
  return {};
}

Result<void> HttpTransfer::prepare(const HttpClientOptions& options) {
  what = request.method;
  set(easy, CURLOPT_PRIVATE, this);
  static_assert(kErrorBytes >= CURL_ERROR_SIZE);
  set(easy, CURLOPT_ERRORBUFFER, error);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);  // giving up on a name look-up must not wait for its thread
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  if (!streaming) set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (streaming)
    set(easy, CURLOPT_TCP_KEEPALIVE, 1L);  // a peer that vanished is noticed some time, whatever the silence
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options.connect_timeout, request.timeout).count()));
  set(easy, CURLOPT_WRITEFUNCTION, on_body_bytes);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_HEADERFUNCTION, on_header_bytes);
  set(easy, CURLOPT_HEADERDATA, this);
  if (options.buffer_bytes > 0) set(easy, CURLOPT_BUFFERSIZE, static_cast<long>(options.buffer_bytes));
  if (request.compressed) set(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  if (!options.unix_socket.empty()) set(easy, CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());
  if (!options.tls.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, options.tls.ca_file.c_str());
    set(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);  // authorities are replaced in running clusters
  }
  if (!options.tls.verify) {
    set(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    set(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!options.tls.cert_file.empty()) set(easy, CURLOPT_SSLCERT, options.tls.cert_file.c_str());
  if (!options.tls.key_file.empty()) set(easy, CURLOPT_SSLKEY, options.tls.key_file.c_str());
  if (!options.username.empty()) {
    set(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(easy, CURLOPT_USERNAME, options.username.c_str());
    set(easy, CURLOPT_PASSWORD, options.password.c_str());
  }
  max_response_bytes = options.max_response_bytes;
  TRY(set_target(options));
  set_method();
  set_headers(options);
  set(easy, CURLOPT_HTTPHEADER, headers);
  return {};
}

Result<HttpClientResponse> HttpTransfer::finish(int curl_code) {
  const auto code = static_cast<CURLcode>(curl_code);
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
  response.status = status();
  return std::move(response);
}

}  // namespace pipeline
