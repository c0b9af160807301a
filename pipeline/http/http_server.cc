#include "pipeline/http/http_server.h"

#include <ctime>
#include <map>
#include <unordered_map>

#include "pipeline/base/clock.h"
#include "pipeline/http/http_connection.h"
#include "pipeline/http/tls_server.h"
#include "pipeline/loop/tcp.h"
#include "pipeline/loop/timer.h"

namespace pipeline {

HttpResponder::HttpResponder(Send send, std::shared_ptr<std::atomic<bool>> disconnected)
    : send_(std::move(send)),
      disconnected_(disconnected ? std::move(disconnected) : std::make_shared<std::atomic<bool>>(false)) {}

HttpResponder::~HttpResponder() {
  if (send_) send(HttpResponse::text(500, "internal error: the request was not answered\n"));
}

HttpResponder& HttpResponder::operator=(HttpResponder&& other) {
  const HttpResponder replaced = std::move(*this);
  send_ = std::move(other.send_);
  disconnected_ = std::move(other.disconnected_);
  route_ = std::move(other.route_);
  return *this;
}

void HttpResponder::send(HttpResponse response) {
  INVARIANT(send_);  // exactly once
  Send send_now = std::exchange(send_, nullptr);
  send_now(std::move(response), route_);
}

class HttpServer::Impl final : public HttpConnectionOwner {
 public:
  Impl(Loop& loop, Registry& registry, HttpServerOptions options, HttpHandler handler)
      : loop_(loop),
        registry_(registry),
        options_(std::move(options)),
        handler_(std::move(handler)),
        body_budget_(std::make_shared<BodyBudget>(options_.max_underway_bytes)),
        stop_timer_(loop, [this] { close(); }),
        in_flight_(
            registry.gauge(name("_http_requests_in_flight"), "Requests handed to a handler and not yet answered.")),
        open_connections_(registry.gauge(name("_http_connections"), "Open client connections.")),
        received_bytes_(
            registry.counter(name("_http_received_bytes_total"), "Bytes read from clients, headers included.")) {}

  Result<void> listen();
  void stop(std::chrono::milliseconds deadline, Task done);
  void close();
  uint16_t port() const { return listener_ ? listener_->port() : 0; }
  const std::string& address() const { return address_; }
  size_t connections() const { return connections_.size(); }

  const HttpServerOptions& options() const override { return options_; }
  bool stopping() const override { return stopping_; }
  const std::shared_ptr<BodyBudget>& body_budget() const override { return body_budget_; }
  void handle(HttpRequest request, HttpResponder responder) override {
    handler_(std::move(request), std::move(responder));
  }
  void count_received(size_t bytes) override { received_bytes_.add(bytes); }
  void count_begun() override { in_flight_.add(1); }
  void count_answered(const HttpAnswered& what) override;
  void count_refused(int status) override { requests("malformed", status).add(); }
  std::string_view date() override;
  void forget(HttpConnection& connection) override;

 private:
  std::string name(std::string_view rest) const { return concat(options_.metrics_prefix, rest); }
  Counter& requests(std::string_view route, int status);
  Histogram& durations(std::string_view route);
  void accept(std::unique_ptr<TcpStream> stream);
  void finish_stop();

  Loop& loop_;
  Registry& registry_;
  const HttpServerOptions options_;
  const HttpHandler handler_;
  std::unique_ptr<TlsServer> tls_;
  std::unique_ptr<TcpListener> listener_;
  std::string address_;
  const std::shared_ptr<BodyBudget> body_budget_;
  std::unordered_map<HttpConnection*, std::shared_ptr<HttpConnection>> connections_;

  bool stopping_ = false;
  Task stopped_;
  Timer stop_timer_;

  Gauge& in_flight_;
  Gauge& open_connections_;
  Counter& received_bytes_;
  std::map<std::pair<std::string, int>, Counter*, std::less<>> requests_;  // what the registry handed out
  std::map<std::string, Histogram*, std::less<>> durations_;
  std::string date_;
  int64_t date_second_ = -1;
};

Result<void> HttpServer::Impl::listen() {
  if (!options_.tls.cert_file.empty()) { TRY_LET(tls_, TlsServer::create(options_.tls)); }
  TRY_LET(listener_, TcpListener::listen(loop_, options_.address,
                                         [this](std::unique_ptr<TcpStream> stream) { accept(std::move(stream)); }));
  address_ = listener_->address();
  return {};
}

void HttpServer::Impl::accept(std::unique_ptr<TcpStream> stream) {
  auto transport = tls_ ? tls_->wrap(std::move(stream)) : plain_transport(std::move(stream));
  auto connection = std::make_shared<HttpConnection>(loop_, *this, std::move(transport));
  connections_.emplace(connection.get(), connection);
  open_connections_.add(1);
  connection->start();
}

void HttpServer::Impl::forget(HttpConnection& connection) {
  open_connections_.add(-1);
  connections_.erase(&connection);
  if (stopping_ && connections_.empty()) finish_stop();
}

void HttpServer::Impl::stop(std::chrono::milliseconds deadline, Task done) {
  INVARIANT(!stopping_);
  stopping_ = true;
  stopped_ = std::move(done);
  listener_.reset();
  stop_timer_.start(deadline);
  const auto open = connections_;  // stop() may remove them
  for (const auto& [key, connection] : open) connection->stop();
  if (connections_.empty()) finish_stop();
}

void HttpServer::Impl::finish_stop() {
  stop_timer_.stop();
  // Posted: the caller may destroy the server in it, and we may be deep inside a connection.
  if (stopped_) loop_.post([done = std::exchange(stopped_, nullptr)]() mutable { done(); });
}

void HttpServer::Impl::close() {
  listener_.reset();
  const auto open = connections_;
  for (const auto& [key, connection] : open) connection->close();
  finish_stop();
}

Counter& HttpServer::Impl::requests(std::string_view route, int status) {
  auto [at, is_new] = requests_.try_emplace({std::string(route), status}, nullptr);
  if (is_new) {
    at->second = &registry_.counter(name("_http_requests_total"), "Requests answered.",
                                    {{"route", std::string(route)}, {"status", std::to_string(status)}});
  }
  return *at->second;
}

Histogram& HttpServer::Impl::durations(std::string_view route) {
  auto at = durations_.find(route);
  if (at == durations_.end()) {
    Histogram& made =
        registry_.histogram(name("_http_request_duration_seconds"), "From the last byte of a request to its answer.",
                            latency_buckets(), {{"route", std::string(route)}});
    at = durations_.emplace(route, &made).first;
  }
  return *at->second;
}

void HttpServer::Impl::count_answered(const HttpAnswered& what) {
  in_flight_.add(-1);
  requests(what.route, what.status).add();
  durations(what.route).observe(std::chrono::duration<double>(what.took).count());
  if (options_.answered) options_.answered(what);
}

std::string_view HttpServer::Impl::date() {
  const int64_t second = SystemClock().wall() / 1'000'000'000;
  if (second != date_second_) {
    char text[64];
    tm parts{};
    const time_t at = second;
    gmtime_r(&at, &parts);
    date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    date_second_ = second;
  }
  return date_;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { close(); }

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Loop& loop, Registry& registry, HttpServerOptions options,
                                                       HttpHandler handler) {
  auto impl = std::make_unique<Impl>(loop, registry, std::move(options), std::move(handler));
  TRY(impl->listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

uint16_t HttpServer::port() const { return impl_->port(); }
const std::string& HttpServer::address() const { return impl_->address(); }
size_t HttpServer::connections() const { return impl_->connections(); }
void HttpServer::stop(std::chrono::milliseconds deadline, Task done) { impl_->stop(deadline, std::move(done)); }
void HttpServer::close() { impl_->close(); }

}  // namespace pipeline
