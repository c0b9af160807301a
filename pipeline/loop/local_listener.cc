#include "pipeline/loop/local_listener.h"

#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>

#include "pipeline/base/log.h"
#include "pipeline/loop/tcp_impl.h"

namespace pipeline {

struct LocalListener::State {
  uv_pipe_t handle;
  Loop* loop;
  TcpListener::OnStream on_stream;
  std::string path;
  LogLimiter accept_errors;

  void accept();
};

namespace {
constexpr int kBacklog = 1024;
}  // namespace

void LocalListener::State::accept() {
  auto* stream = new TcpStream::State{{}, loop, {}, {}, {}};
  uv_pipe_init(&loop->impl().loop, &stream->handle.local, 0);
  stream->handle.local.data = stream;
  auto owner = std::make_unique<TcpStream>(stream);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(&handle), reinterpret_cast<uv_stream_t*>(&stream->handle)) != 0) return;
  stream->peer = concat("unix:", path);
  on_stream(std::move(owner));
}

LocalListener::LocalListener(State* state) : state_(state) {}

Result<std::unique_ptr<LocalListener>> LocalListener::listen(Loop& loop, LocalAddress address,
                                                             TcpListener::OnStream on_stream) {
  DEBUG_INVARIANT(loop.is_current());
  TRY(clear_local_path(address.path, SOCK_STREAM));
  auto* state = new State{{}, &loop, std::move(on_stream), {}, LogLimiter()};
  uv_pipe_init(&loop.impl().loop, &state->handle, 0);
  state->handle.data = state;
  auto listener = std::unique_ptr<LocalListener>(new LocalListener(state));
  auto* stream = reinterpret_cast<uv_stream_t*>(&state->handle);
  int status = uv_pipe_bind(&state->handle, address.path.c_str());
  if (status == 0) {
    state->path = address.path;
    if (::chmod(address.path.c_str(), address.mode) != 0)
      return fail(system_error(concat("chmod ", address.path), errno));
    status = uv_listen(stream, kBacklog, [](uv_stream_t* s, int failed) {
      auto* self = static_cast<State*>(s->data);
      if (failed == 0) {
        self->accept();
      } else if (auto held = self->accept_errors.allow()) {
        log_warn("accept", {{"address", self->path}, {"error", uv_strerror(failed)}, {"held_back", *held}});
      }
    });
  }
  if (status != 0) return fail(uv_error(concat("listen unix:", address.path), status));
  return listener;
}

LocalListener::~LocalListener() { close(); }

void LocalListener::close() {
  if (!state_) return;
  DEBUG_INVARIANT(state_->loop->is_current());
  close_and_delete(state_);  // libuv removes the socket's file
  state_ = nullptr;
}

}  // namespace pipeline
