#include "pipeline/base/log.h"
#include "pipeline/loop/listen_address.h"
#include "pipeline/loop/tcp_impl.h"

namespace pipeline {

struct TcpListener::State {
  uv_tcp_t handle;
  Loop* loop;
  OnStream on_stream;
  std::string address;
  uint16_t port = 0;
  LogLimiter accept_errors;

  Result<void> bind(std::string_view host);
  void accept();
};

namespace {

constexpr int kBacklog = 1024;

}  // namespace

Result<void> TcpListener::State::bind(std::string_view text) {
  TRY_LET(const HostPort where, split_listen_address(text));
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  auto* any = reinterpret_cast<sockaddr*>(&storage);
  if (where.host.empty()) {  // every address; on a system without IPv6 every IPv4 address
    uv_ip6_addr("::", where.port, v6);
    if (uv_tcp_bind(&handle, any, 0) == 0) return {};
    uv_ip4_addr("0.0.0.0", where.port, v4);
  } else if (uv_ip4_addr(where.host.c_str(), where.port, v4) != 0 &&
             uv_ip6_addr(where.host.c_str(), where.port, v6) != 0) {
    return fail(Errc::kInvalid, concat("listen ", text, ": \"", where.host, "\" is not an IP address"));
  }
  if (int status = uv_tcp_bind(&handle, any, 0); status != 0) return fail(uv_error(concat("listen ", text), status));
  return {};
}

void TcpListener::State::accept() {
  auto* stream = new TcpStream::State{{}, loop, {}, {}, {}};
  uv_tcp_init(&loop->impl().loop, &stream->handle.tcp);
  stream->handle.tcp.data = stream;
  auto owner = std::make_unique<TcpStream>(stream);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(&handle), reinterpret_cast<uv_stream_t*>(&stream->handle)) != 0) return;
  uv_tcp_nodelay(&stream->handle.tcp, 1);
  stream->peer = socket_address(stream->handle.tcp, uv_tcp_getpeername);
  on_stream(std::move(owner));
}

TcpListener::TcpListener(State* state) : state_(state) {}

Result<std::unique_ptr<TcpListener>> TcpListener::listen(Loop& loop, std::string_view address, OnStream on_stream) {
  DEBUG_INVARIANT(loop.is_current());
  auto* state = new State{{}, &loop, std::move(on_stream), {}, 0, LogLimiter()};
  uv_tcp_init(&loop.impl().loop, &state->handle);
  state->handle.data = state;
  auto listener = std::unique_ptr<TcpListener>(new TcpListener(state));
  TRY(state->bind(address));
  const int status =
      uv_listen(reinterpret_cast<uv_stream_t*>(&state->handle), kBacklog, [](uv_stream_t* s, int failed) {
        auto* self = static_cast<State*>(s->data);
        if (failed == 0) {
          self->accept();
        } else if (auto held = self->accept_errors.allow()) {
          log_warn("accept", {{"address", self->address}, {"error", uv_strerror(failed)}, {"held_back", *held}});
        }
      });
  if (status != 0) return fail(uv_error(concat("listen ", address), status));
  state->address = socket_address(state->handle, uv_tcp_getsockname);
  TRY_LET(const HostPort bound, split_listen_address(state->address));
  state->port = bound.port;
  return listener;
}

TcpListener::~TcpListener() { close(); }

uint16_t TcpListener::port() const { return state_ ? state_->port : 0; }

const std::string& TcpListener::address() const {
  static const std::string kClosed = "closed";
  return state_ ? state_->address : kClosed;
}

void TcpListener::close() {
  if (!state_) return;
  DEBUG_INVARIANT(state_->loop->is_current());
  close_and_delete(state_);
  state_ = nullptr;
}

}  // namespace pipeline
