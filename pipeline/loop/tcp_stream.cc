#include <netinet/in.h>
#include <sys/socket.h>

#include "pipeline/loop/tcp_impl.h"

namespace pipeline {
namespace {

struct Write {
  uv_write_t request;
  std::vector<std::string> pieces;
  UniqueFunction<void(Result<void>)> done;
};

Error stream_error(std::string_view what, const std::string& peer, int status) {
  if (status == UV_ECANCELED) return {Errc::kCancelled, concat(what, " ", peer, ": the connection was closed")};
  return uv_error(concat(what, " ", peer), status);
}

void finish_write(uv_write_t* request, int status) {
  std::unique_ptr<Write> write(static_cast<Write*>(request->data));
  auto* state = static_cast<TcpStream::State*>(request->handle->data);
  if (!write->done) return;
  if (status == 0) {
    write->done({});
  } else {
    write->done(fail(stream_error("write to", state->peer, status)));
  }
}

}  // namespace

std::string socket_address(const uv_tcp_t& handle, int (*get)(const uv_tcp_t*, sockaddr*, int*)) {
  sockaddr_storage storage{};
  int length = sizeof storage;
  char text[INET6_ADDRSTRLEN] = "";
  if (get(&handle, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return "?";
  if (storage.ss_family == AF_INET6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    uv_ip6_name(v6, text, sizeof text);
    return concat("[", std::string_view(text), "]:", ntohs(v6->sin6_port));
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  uv_ip4_name(v4, text, sizeof text);
  return concat(std::string_view(text), ":", ntohs(v4->sin_port));
}

void TcpStream::State::on_read(ssize_t count, const char* bytes) {
  if (count > 0) {
    on_bytes({bytes, static_cast<size_t>(count)});
    return;
  }
  if (count == 0) return;  // nothing there after all
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&handle));
  if (count == UV_EOF) {
    on_end({});
  } else {
    on_end(fail(stream_error("read from", peer, static_cast<int>(count))));
  }
}

int TcpStream::State::resume() {
  return uv_read_start(
      reinterpret_cast<uv_stream_t*>(&handle),
      [](uv_handle_t* h, size_t, uv_buf_t* out) {
        *out = uv_buf_init(static_cast<State*>(h->data)->loop->impl().buffer(), kReadBufferBytes);
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t* b) { static_cast<State*>(s->data)->on_read(n, b->base); });
}

TcpStream::TcpStream(State* state) : state_(state) {}

TcpStream::~TcpStream() { close(); }

void TcpStream::start_reading(OnBytes on_bytes, OnEnd on_end) {
  DEBUG_INVARIANT(state_ && state_->loop->is_current());
  state_->on_bytes = std::move(on_bytes);
  state_->on_end = std::move(on_end);
  resume_reading();
}

void TcpStream::pause_reading() {
  if (state_) uv_read_stop(reinterpret_cast<uv_stream_t*>(&state_->handle));
}

void TcpStream::resume_reading() {
  if (state_) state_->resume();  // UV_EALREADY: it was reading; other errors come with the next write
}

void TcpStream::drain(size_t limit_bytes) {
  uv_os_fd_t fd = -1;
  if (!state_ || !state_->on_bytes || uv_fileno(handle_of(state_), &fd) != 0) return;
  for (size_t taken = 0; state_ && taken < limit_bytes;) {
    char* buffer = state_->loop->impl().buffer();
    const ssize_t count = ::recv(fd, buffer, kReadBufferBytes, MSG_DONTWAIT);
    if (count <= 0) return;  // nothing more, or the end, which no one waits for any more
    taken += static_cast<size_t>(count);
    state_->on_bytes({buffer, static_cast<size_t>(count)});
  }
}

void TcpStream::write(std::vector<std::string> pieces, UniqueFunction<void(Result<void>)> done) {
  DEBUG_INVARIANT(state_ && state_->loop->is_current());
  auto* write = new Write{{}, std::move(pieces), std::move(done)};
  write->request.data = write;
  std::vector<uv_buf_t> buffers;
  buffers.reserve(write->pieces.size());
  for (std::string& piece : write->pieces) {
    // libuv's lengths are size_t on Linux; the constructor function would cut them to 32 bits.
    if (!piece.empty()) buffers.push_back({piece.data(), piece.size()});
  }
  if (buffers.empty()) buffers.push_back({nullptr, 0});
  const int status = uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&state_->handle), buffers.data(),
                              static_cast<unsigned>(buffers.size()), finish_write);
  if (status == 0) return;
  state_->loop->post([write, status, peer = state_->peer] {
    std::unique_ptr<Write> owned(write);
    if (owned->done) owned->done(fail(stream_error("write to", peer, status)));
  });
}

uint64_t TcpStream::unsent_bytes() const {
  return state_ ? uv_stream_get_write_queue_size(reinterpret_cast<uv_stream_t*>(&state_->handle)) : 0;
}

void TcpStream::finish() {
  if (!state_) return;
  auto* request = new uv_shutdown_t;
  if (uv_shutdown(request, reinterpret_cast<uv_stream_t*>(&state_->handle),
                  [](uv_shutdown_t* done, int) { delete done; }) != 0) {
    delete request;  // not connected any more
  }
}

void TcpStream::close() {
  if (!state_) return;
  DEBUG_INVARIANT(state_->loop->is_current());
  close_and_delete(state_);
  state_ = nullptr;
}

const std::string& TcpStream::peer() const {
  static const std::string kClosed = "closed";
  return state_ ? state_->peer : kClosed;
}

}  // namespace pipeline
