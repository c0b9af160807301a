#include "pipeline/http/transport.h"

namespace pipeline {
namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(std::unique_ptr<TcpStream> stream) : stream_(std::move(stream)) {}
  void start(TcpStream::OnBytes on_bytes, TcpStream::OnEnd on_end) override {
    stream_->start_reading(std::move(on_bytes), std::move(on_end));
  }
  void write(std::vector<std::string> pieces, UniqueFunction<void(Result<void>)> done) override {
    stream_->write(std::move(pieces), std::move(done));
  }
  void finish() override { stream_->finish(); }
  void close() override { stream_->close(); }
  void pause() override { stream_->pause_reading(); }
  void resume() override { stream_->resume_reading(); }
  void drain(size_t limit_bytes) override { stream_->drain(limit_bytes); }
  uint64_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  const std::string& peer() const override { return stream_->peer(); }

 private:
  std::unique_ptr<TcpStream> stream_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(std::unique_ptr<TcpStream> stream) {
  return std::make_unique<PlainTransport>(std::move(stream));
}

}  // namespace pipeline
