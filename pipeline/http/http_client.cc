#include "pipeline/http/http_client.h"

#include <curl/curl.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <vector>

#include "pipeline/base/log.h"
#include "pipeline/http/http_transfer.h"
#include "pipeline/loop/fd_watcher.h"
#include "pipeline/loop/timer.h"

namespace pipeline {
namespace {

void init_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
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
  using Transfers = std::map<RequestId, std::shared_ptr<HttpTransfer>>;
  RequestId start(std::shared_ptr<HttpTransfer> transfer);
  void collect();
  void answer(Transfers::iterator at, Result<HttpClientResponse> result);
  void hand_on_pieces();
  void hand_on(const std::shared_ptr<HttpTransfer>& transfer);
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
    HttpTransfer* transfer = nullptr;
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
  std::vector<std::shared_ptr<HttpTransfer>> streams;
  for (const auto& [id, transfer] : transfers_) {
    const auto* s = transfer->streaming.get();
    if (s && !s->paused && (s->head_waiting || !s->waiting.empty() || s->ended)) streams.push_back(transfer);
  }
  for (const auto& transfer : streams) {
    if (!*alive) return;
    hand_on(transfer);
  }
}

void HttpClient::Impl::hand_on(const std::shared_ptr<HttpTransfer>& transfer) {
  auto alive = alive_;
  auto running = [&] { return *alive && transfers_.contains(transfer->id); };
  if (!running()) return;
  HttpStreaming& s = *transfer->streaming;
  if (s.head_waiting) {
    s.head_waiting = false;
    s.head_handed = true;
    s.silence->stop();
    transfer->response.status = transfer->status();
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
  at->second->time_out();
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
  auto transfer = std::make_shared<HttpTransfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  return start(std::move(transfer));
}

HttpClient::RequestId HttpClient::Impl::stream(HttpClientRequest request, HttpStream stream) {
  auto transfer = std::make_shared<HttpTransfer>();
  transfer->request = std::move(request);
  transfer->streaming = std::make_unique<HttpStreaming>();
  transfer->streaming->stream = std::move(stream);
  return start(std::move(transfer));
}

HttpClient::RequestId HttpClient::Impl::start(std::shared_ptr<HttpTransfer> transfer) {
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
